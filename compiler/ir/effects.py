"""What an op does beyond computing its results.

An ``Effect`` is one fact on one op. What a pass may do with the op follows from the op's definition
and these facts (``compiler.ops``); nothing here decides.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Effect:
    """One side effect of an op.

    Attributes:
        kind: what is touched, for example ``"Debug"``, ``"IO"``, ``"Read"`` or ``"Write"``.
        ordered: whether it must keep its place among the other effects of its kind.
        operand: the operand it happens to, for effects on mutable references; else None.
        handle: the foreign effect, carried for export.
    """

    kind: str
    ordered: bool = False
    operand: int | None = None
    handle: object = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        mark = "!" if self.ordered else ""
        place = f"({self.operand})" if self.operand is not None else ""
        return f"{self.kind}{mark}{place}"


Effects = frozenset[Effect]
NO_EFFECTS: Effects = frozenset()
