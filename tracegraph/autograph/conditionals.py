"""Branches: plain Python where the condition is known, ``jax.lax.cond`` where it is traced."""

# JAX annotates its functions in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax

from compiler.lowering import jax_compat
from tracegraph.autograph import values
from tracegraph.autograph.errors import assigned_in, control_flow_error, readable
from tracegraph.autograph.undefined import OneBranch, Undefined, Unreturned
from tracegraph.autograph.values import ArrayType, Mismatch, Slot, Traced

jax_compat.hide_frames(__file__)

Block = Callable[[], Any]


@dataclass(frozen=True)
class NotReturned:
    """The converter's own condition, that the function has not returned yet."""

    flag: Any


def not_returned(flag: Any) -> Any:
    """The condition that a function has not returned; a plain bool where that is known."""
    known = values.truth(flag)
    return NotReturned(flag) if known is None else not known


def if_stmt(
    condition: Any,
    body: Block,
    orelse: Block,
    get_state: Callable[[], Sequence[Any]],
    set_state: Callable[[Sequence[Any]], None],
    names: Sequence[str],
    outputs: int,
) -> None:
    """Runs one of two blocks that assign to variables of the function around them.

    Args:
        condition: the test.
        body: the block for when it holds.
        orelse: the block for when it does not.
        get_state: reads the variables.
        set_state: writes them.
        names: the variables.
        outputs: how many of them, from the first, are used afterwards.
    """
    test, flag = condition, None
    if isinstance(condition, NotReturned):
        flag = condition.flag
        test = jax.numpy.logical_not(flag)
    known = values.truth(test)
    if known is not None:
        (body if known else orelse)()
        return
    before = list(get_state())
    branch = _Branch(before, get_state, set_state)
    try:
        then = branch.trace(body)
        if flag is not None:  # in the other branch the function has returned
            known_returned = [True if each is flag else each for each in before]
            branch = _Branch(known_returned, get_state, set_state)
        other = branch.trace(orelse)
    finally:
        set_state(before)
    places = [
        place
        for place in range(len(before))
        if place < outputs or then.touched[place] or other.touched[place]
    ]
    chosen = [names[place] for place in places]
    sides = (then.of(places), other.of(places))
    after = list(before)
    for place, new in zip(places, _merged(test, sides, chosen, (body, orelse)), strict=True):
        kept = then.in_place[place] and other.in_place[place]
        after[place] = values.take_over(before[place], new) if kept else new
    set_state(after)


@dataclass(frozen=True)
class _Outcome:
    """A traced branch.

    Attributes:
        traced: what it computes.
        in_place: which variables it has not assigned.
        touched: of those, which hold a container that it has changed.
    """

    traced: Traced
    in_place: list[bool]
    touched: list[bool]

    def of(self, places: Sequence[int]) -> Traced:
        """What it makes of some of the variables."""
        kept = [self.traced.values[place] for place in places]
        return Traced(self.traced.run, kept, self.traced.jaxpr)


class _Branch:
    """Traces blocks that all start from the same variables."""

    def __init__(
        self,
        before: Sequence[Any],
        get_state: Callable[[], Sequence[Any]],
        set_state: Callable[[Sequence[Any]], None],
    ) -> None:
        self._before = before
        self._get, self._set = get_state, set_state

    def trace(self, block: Block) -> _Outcome:
        """What a block makes of the variables."""
        in_place: list[bool] = []
        touched: list[bool] = []

        def run() -> Sequence[Any]:
            handed = [values.copied(each) for each in self._before]
            self._set(handed)
            block()
            after = list(self._get())
            self._set(self._before)  # the variables outlive the trace, what it made must not
            in_place[:] = [a is b for a, b in zip(handed, after, strict=True)]
            changed = [_differ(a, b) for a, b in zip(self._before, after, strict=True)]
            touched[:] = [a and b for a, b in zip(in_place, changed, strict=True)]
            return after

        return _Outcome(values.trace(run, ()), in_place, touched)


def _differ(first: Any, second: Any) -> bool:
    """Whether a container holds something else."""
    if first is second:
        return False
    left, right = jax.tree.leaves(first), jax.tree.leaves(second)
    return len(left) != len(right) or any(a is not b for a, b in zip(left, right, strict=True))


def _merged(
    test: Any,
    sides: tuple[Traced, Traced],
    names: Sequence[str],
    blocks: tuple[Block, Block],
) -> list[Any]:
    """The variables after a traced branch."""
    plan = _Plan()
    then, other = sides
    try:
        trees = [
            plan.merge(name, a, b, blocks)
            for name, a, b in zip(names, then.values, other.values, strict=True)
        ]
    except Mismatch as found:
        raise _branch_error(found, blocks) from None
    arrays = jax.lax.cond(
        values.scalar_test(test),
        lambda: plan.outputs(then.run(), 0),
        lambda: plan.outputs(other.run(), 1),
    )
    return values.join(trees, arrays)


class _Plan:
    """Which parts of the two branches become one array each, and of which type."""

    def __init__(self) -> None:
        self._parts: list[tuple[tuple[Any, Any], ArrayType]] = []

    def merge(self, name: str, first: Any, second: Any, blocks: tuple[Block, Block]) -> Any:
        """A variable after both branches, a slot for every array."""
        if isinstance(first, Unreturned) or isinstance(second, Unreturned):
            return self._returned(first, second)
        if isinstance(first, Undefined) and isinstance(second, Undefined):
            return second if isinstance(second, OneBranch) else first
        if isinstance(first, Undefined) or isinstance(second, Undefined):
            defining = blocks[isinstance(first, Undefined)]
            return OneBranch(name, assigned_in(_code(defining), name))
        parts = values.leaves_of(name, first, second)
        merged = [self._part(name, pair, (first, second)) for pair in parts]
        return jax.tree.unflatten(jax.tree.structure(first), merged)

    def _part(self, name: str, pair: tuple[Any, Any], whole: tuple[Any, Any]) -> Any:
        if not isinstance(pair[0], Slot) and values.same_constant(*pair):
            return pair[0]
        kind = values.common_type(*pair)
        if kind is None:
            raise Mismatch(name, *whole)
        return self._slot(pair, kind)

    def _slot(self, pair: tuple[Any, Any], kind: ArrayType) -> Slot:
        self._parts.append((pair, kind))
        return Slot(len(self._parts) - 1, kind)

    def _returned(self, first: Any, second: Any) -> Any:
        """A return value of one branch alone, which is read only if that branch has returned."""

        def slot(leaf: Any) -> Any:
            if not isinstance(leaf, Slot):
                return leaf
            pair = (leaf, None) if isinstance(second, Unreturned) else (None, leaf)
            return self._slot(pair, leaf.type)

        return jax.tree.map(slot, first if isinstance(second, Unreturned) else second)

    def outputs(self, arrays: Sequence[Any], side: int) -> list[Any]:
        """The arrays that one branch gives."""
        return [_output(pair[side], kind, arrays) for pair, kind in self._parts]


def _output(part: Any, kind: ArrayType, arrays: Sequence[Any]) -> Any:
    if part is None:
        return values.zeros(kind)
    return values.converted(arrays[part.index] if isinstance(part, Slot) else part, kind)


def _code(block: Block) -> Any:
    return getattr(block, "__code__", None) or _code.__code__


_LIST_HINT = "append in both branches, and keep beside it which items count"


def _branch_error(found: Mismatch, blocks: tuple[Block, Block]) -> Exception:
    lines = [assigned_in(_code(block), found.name) for block in blocks]
    kinds = [values.described(each) for each in (found.first, found.second)]
    return control_flow_error(
        f"{readable(found.name)} has another type in each branch of a traced condition",
        expected="one type, whichever branch is taken",
        found="\n".join(f"{kind} at {line}" for kind, line in zip(kinds, lines, strict=True)),
        hint=_LIST_HINT
        if any(hasattr(each, "growing_items") for each in (found.first, found.second))
        else f"give {readable(found.name)} the same shape and dtype in both branches",
    )


def if_exp(condition: Any, true: Block, false: Block, text: str) -> Any:
    """A conditional expression; only the operand that counts is evaluated."""
    known = values.truth(condition)
    if known is not None:
        return (true if known else false)()
    then, other = (values.trace(_single(block), ()) for block in (true, false))
    return _merged(condition, (then, other), (f"... if {text} else ...",), (true, false))[0]


def _single(block: Block) -> Callable[[], Sequence[Any]]:
    return lambda: (block(),)


def extremum(pick: Callable[..., Any], items: Sequence[Any]) -> Any:
    """``min`` or ``max`` of scalars, some of them traced, by Python's own comparisons."""
    best = items[0]
    for item in itertools.islice(items, 1, None):
        better = item < best if pick is min else item > best
        best = if_exp(better, lambda item=item: item, lambda best=best: best, pick.__name__)
    return best
