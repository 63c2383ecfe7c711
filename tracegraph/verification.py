"""What ``step.verify(...)`` gives back: a row per output and comparison, and who is to blame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from compiler.ir.locations import UNKNOWN, Location
from compiler.lowering.compare import Difference
from compiler.rewrite.numerics import Numerics, level_name

OP_BY_OP: Final = "op by op"
COMPILED: Final = "compiled"
_HEADINGS: Final = ("output", "type", "compared", "ulps", "relative", "allowed", "verdict")
_LARGEST_COUNT: Final = 1_000_000
_SHOWN_ROWS: Final = 24
_NUMBERS: Final = frozenset({"ulps", "relative", "allowed"})


@dataclass(frozen=True, slots=True)
class Row:
    """The largest difference of one output over all inputs.

    Attributes:
        output: where it stands in the function's result.
        type: its shape and element type.
        compared: ``op by op`` (captured against optimized graph) or ``compiled`` (plain ``jax.jit``
            against the decorated function).
        difference: the largest difference, in units in the last place and relative.
        allowed: the relative difference that the numerics class allows, as far as that had to be
            measured; 0.0 for the same bits, None where nothing differs.
        ok: whether all inputs are within what is allowed.
        inputs: on which inputs it is largest.
    """

    output: str
    type: str
    compared: str
    difference: Difference
    allowed: float | None
    ok: bool
    inputs: str

    @property
    def cells(self) -> tuple[str, ...]:
        """The row as the table shows it."""
        return (
            self.output,
            self.type,
            self.compared,
            _count(self.difference.ulps),
            f"{self.difference.relative:.1e}" if self.difference.relative else "0",
            self._allowed(),
            self._verdict(),
        )

    def _allowed(self) -> str:
        if self.allowed is None:
            return "-"
        return f"{self.allowed:.1e}" if self.allowed else "same bits"

    def _verdict(self) -> str:
        if self.difference.same_bits:
            return "ok" if self.ok else "another number of debug calls"
        place = f" at {list(self.difference.index)}" if self.difference.index else ""
        lost = self.difference.misplaced
        nans = f", nan or inf at {lost} other places" if lost else ""
        return "ok" if self.ok else f"WRONG{place}{nans}, on {self.inputs}"


@dataclass(frozen=True, slots=True)
class Culprit:
    """The first rewrite after which the results were wrong.

    Attributes:
        change: which change of the pipeline its first one is.
        changes: how many the whole pipeline makes.
        step: the pass, with its place in the pipeline.
        rule: the rule that the rewrite was made by; the pass's name where it has no rules.
        location: where the op that it rewrote comes from.
    """

    change: int
    changes: int
    step: str
    rule: str
    location: Location = UNKNOWN

    def __str__(self) -> str:
        named = self.rule if self.rule in self.step else f"the rule {self.rule}"
        return (
            f"first broken by {named} in step `{self.step}`, change {self.change} of "
            f"{self.changes}, at {self.location}"
        )


@dataclass(frozen=True, slots=True)
class Verification:
    """Whether a function computes, optimized, what it computed before. ``print`` shows a table.

    Attributes:
        function: the function's name.
        numerics: the class that the differences were held against.
        inputs: what it was run on: the caller's own arguments, then arguments moved away from them.
        rows: for each output, the largest difference in each comparison.
        culprit: the first rewrite that broke it; None if nothing is broken, or no rewrite is.
        notes: what was left out or went wrong, a sentence each.
        error: why the optimized graph could not be run, if it could not.
    """

    function: str
    numerics: Numerics
    inputs: tuple[str, ...]
    rows: tuple[Row, ...]
    culprit: Culprit | None = None
    notes: tuple[str, ...] = ()
    error: str = ""

    @property
    def ok(self) -> bool:
        """Whether every output is within what the numerics class allows, on all inputs."""
        return not self.error and all(row.ok for row in self.rows)

    def __str__(self) -> str:
        verdict = "ok" if self.ok else "WRONG"
        left_out = _uninteresting(self.rows)
        lines = [
            f"@{self.function}, numerics {level_name(self.numerics)}: {verdict} on "
            f"{len(self.inputs)} inputs ({', '.join(self.inputs)})",
            *_table([_HEADINGS, *(row.cells for row in self.rows if row not in left_out)]),
        ]
        lines += [f"  and {len(left_out)} more rows, all with the same bits"] if left_out else []
        lines += [self.error] if self.error else []
        lines += [str(self.culprit)] if self.culprit else []
        return "\n".join([*lines, *self.notes])


def _uninteresting(rows: Sequence[Row]) -> Sequence[Row]:
    """What the table leaves out of many rows: the last of those where nothing differs."""
    same = [row for row in rows if row.ok and row.difference.same_bits]
    return same[-(len(rows) - _SHOWN_ROWS) :] if len(rows) > _SHOWN_ROWS else ()


def _count(number: int) -> str:
    return str(number) if number < _LARGEST_COUNT else f"{number:.1e}"


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    """The rows with their columns under each other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    right = [heading in _NUMBERS for heading in _HEADINGS]
    lines = [
        "  ".join(
            cell.rjust(width) if flag else cell.ljust(width)
            for cell, width, flag in zip(row, widths, right, strict=True)
        ).rstrip()
        for row in rows
    ]
    return [f"  {line}" for line in lines]
