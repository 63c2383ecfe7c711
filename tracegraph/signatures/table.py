"""What a function is compiled for, as a table."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, overload

import jax

from compiler.ir.walk import count_ops
from compiler.lowering.convert_types import to_type
from tracegraph.program import Program
from tracegraph.signatures.signature import Signature, Static
from tracegraph.signatures.static_leaves import StaticLeaf
from tracegraph.written import written

_SHOWN: Final = 3
_LONGEST: Final = 60
_HEADINGS: Final = ("arguments", "static", "bucket", "ops before", "after", "ms")


@dataclass(frozen=True, slots=True)
class CallFacts:
    """What a call says beside the types of its arrays; cheap to take, read only by the table.

    Attributes:
        leaves: the argument and the way inside it to each leaf of those that are not static, in
            jit's order, with the leaf itself if that is a static one.
        static: the name and the text of each static argument.
        bucket: the buckets that its sizes are, in words.
    """

    leaves: tuple[tuple[str, Any, StaticLeaf | None], ...]
    static: tuple[str, ...]
    bucket: str


@dataclass(frozen=True, slots=True)
class CompiledSignature:
    """One form of call for which a function is traced and optimised.

    Attributes:
        arguments: the path and type of each array, such as ``x: f32[8,784]``.
        static: the path and value of each static argument or leaf, such as ``mode = 'train'``.
        bucket: the bucket that its sizes are, such as ``batch = 8``; empty for none.
        ops_before: how many operations the user's function has.
        ops_after: how many are left after the passes.
        milliseconds: what importing, the passes and exporting took.
    """

    arguments: tuple[str, ...]
    static: tuple[str, ...]
    bucket: str
    ops_before: int
    ops_after: int
    milliseconds: float

    def cells(self) -> tuple[str, ...]:
        """The texts of its row."""
        numbers = (str(self.ops_before), str(self.ops_after), f"{self.milliseconds:.1f}")
        return (_short(self.arguments), _short(self.static) or "-", self.bucket or "-", *numbers)


class Signatures(Sequence[CompiledSignature]):
    """The signatures of a function that are alive, the oldest first; ``print`` shows a table."""

    def __init__(self, rows: Sequence[CompiledSignature]) -> None:
        self._rows = tuple(rows)

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> CompiledSignature: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[CompiledSignature]: ...
    def __getitem__(self, index: int | slice) -> CompiledSignature | Sequence[CompiledSignature]:
        return self._rows[index]

    def __iter__(self) -> Iterator[CompiledSignature]:
        return iter(self._rows)

    def __repr__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        if not self._rows:
            return "nothing is compiled"
        lines = [_HEADINGS, *(row.cells() for row in self._rows)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join(_line(cells, widths) for cells in lines)


def call_facts(
    signature: Signature,
    static: Static,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    bucket: str = "",
) -> CallFacts:
    """What a call says beside the types of its arrays.

    Args:
        signature: knows the names of the arguments.
        static: those that jit takes as static.
        args: as jit takes them.
        kwargs: as jit takes them.
        bucket: the buckets that its sizes are, in words.
    """
    fixed = signature.static_names(len(args), static)
    named = [(signature.label(i), arg) for i, arg in enumerate(args)]
    named += sorted(kwargs.items())
    return CallFacts(
        tuple(leaf for name, arg in named if name not in fixed for leaf in _spread(name, arg)),
        tuple(f"{name} = {_text(arg)}" for name, arg in named if name in fixed),
        bucket,
    )


def compiled_signature(facts: CallFacts, jaxpr: Any, program: Program) -> CompiledSignature:
    """The row of a program, made of that trace."""
    times = program.times
    arrays, leaves = _leaves(facts)
    avals = list(jaxpr.in_avals)
    types = avals[len(avals) - len(arrays) :]
    return CompiledSignature(
        tuple(f"{path}: {to_type(aval)}" for path, aval in zip(arrays, types, strict=True)),
        (*facts.static, *leaves),
        facts.bucket,
        count_ops(program.captured),
        count_ops(program.unmarked.graph),
        times.importing + times.passes + times.exporting,
    )


def _spread(name: str, arg: Any) -> Iterator[tuple[str, Any, StaticLeaf | None]]:
    """The leaves of an argument; an array is not kept alive."""
    for path, leaf in jax.tree_util.tree_flatten_with_path(arg, is_leaf=_is_static)[0]:
        yield name, path, leaf if _is_static(leaf) else None


def _leaves(facts: CallFacts) -> tuple[list[str], list[str]]:
    """The paths of all arrays, and the paths and texts of all static leaves."""
    paths = [(name + jax.tree_util.keystr(path), leaf) for name, path, leaf in facts.leaves]
    arrays = [path for path, leaf in paths if leaf is None]
    static = [f"{path} = {_text(leaf.value)}" for path, leaf in paths if leaf is not None]
    return arrays, static


def _is_static(value: object) -> bool:
    return isinstance(value, StaticLeaf)


def _text(value: object) -> str:
    text = written(value, _named)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _named(value: object) -> str:
    """The name of a function or class, the text of anything else."""
    if callable(value) and hasattr(value, "__qualname__"):
        return str(value.__qualname__)
    return repr(value)


def _short(texts: Sequence[str]) -> str:
    rest = len(texts) - _SHOWN
    return ", ".join([*texts[:_SHOWN], *([f"and {rest} more"] if rest > 0 else [])])


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    pairs = zip(cells, widths, strict=True)
    texts = [t.ljust(w) if i < 3 else t.rjust(w) for i, (t, w) in enumerate(pairs)]
    return "  ".join(texts).rstrip()
