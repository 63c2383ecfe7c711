"""What a traced loop carries from one iteration to the next, and the types that it settles on."""

# JAX annotates its functions in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import jax

from compiler.lowering import jax_compat
from tracegraph.autograph import values
from tracegraph.autograph.errors import control_flow_error
from tracegraph.autograph.undefined import OneBranch, Undefined, Unreturned
from tracegraph.autograph.values import ArrayType, Mismatch, Slot, Traced

jax_compat.hide_frames(__file__)

_ROUNDS: Final = 4
"""How often a loop's types may change before they have to settle."""

Step = Callable[[list[Any], Sequence[Any]], Sequence[Any]]
"""One iteration: from the variables, and what it is given besides, to the variables."""


class Carry:
    """The variables of a loop, with types that an iteration keeps.

    Args:
        names: the variables; a step may return values beyond theirs, which are not carried.
        initial: their values before the loop.
        step: an iteration of the user's.
        given: what an iteration gets besides: stand-ins.
        certain: whether there is an iteration for sure, so that one may define a variable.

    Attributes:
        trees: the variables, a slot for every array.
        arrays: the arrays before the loop.
        extra: what a step returns beyond the variables, a slot for every array.
        in_place: which containers an iteration changes without assigning others.

    Raises:
        Mismatch: a variable does not keep its type.
    """

    def __init__(
        self,
        names: Sequence[str],
        initial: Sequence[Any],
        step: Step,
        given: Sequence[Any],
        *,
        certain: bool,
    ) -> None:
        self._names, self._step, self._given = names, step, given
        self._certain = certain
        self.trees, self.arrays = values.split(initial, numbers=True)
        self.in_place: list[bool] = []
        for _ in range(_ROUNDS):
            self._traced = self._trace()
            if not self._widened():
                break
        else:
            raise Mismatch(names[0], self.trees[0], self._traced.values[0])
        self.extra = self._traced.values[len(names) :]

    @property
    def jaxpr(self) -> Any:
        """An iteration as equations."""
        return self._traced.jaxpr

    @property
    def counts(self) -> bool:
        """Whether a whole number of Python's is carried."""
        types = [each.type for each in jax.tree.leaves(self.trees) if isinstance(each, Slot)]
        return any(each.weak and each.dtype.kind == "i" for each in types)

    def _trace(self) -> Traced:
        count = len(self.arrays)

        def block(*flat: Any) -> Sequence[Any]:
            handed = values.join(self.trees, flat[:count])
            after = self._step(handed, flat[count:])
            self.in_place = [a is b for a, b in zip(handed, after, strict=False)]
            self._refuse_changed_objects(handed, flat)
            return after

        return values.trace(block, [*self.arrays, *self._given])

    def _refuse_changed_objects(self, handed: Sequence[Any], flat: Sequence[Any]) -> None:
        """An object with state of its own cannot be carried: others hold it too."""
        for name, value, tree, same in zip(
            self._names, handed, self.trees, self.in_place, strict=False
        ):
            if not same or isinstance(value, list | dict | tuple) or values.is_array(value):
                continue
            given = [flat[leaf.index] for leaf in jax.tree.leaves(tree) if isinstance(leaf, Slot)]
            now = [leaf for leaf in jax.tree.leaves(value) if values.is_array(leaf)]
            if len(given) != len(now) or any(a is not b for a, b in zip(given, now, strict=True)):
                raise control_flow_error(
                    f"`{name}`, a {type(value).__name__}, is changed in a traced loop",
                    hint="carry its arrays in variables of their own, or use its library's scan",
                )

    def _widened(self) -> bool:
        """Takes over what an iteration makes of the types; whether they have changed."""
        before = [tree_types(each) for each in self.trees]
        after = self._traced.values[: len(self._names)]
        merged = [
            self._merge(name, a, b)
            for name, a, b in zip(self._names, self.trees, after, strict=True)
        ]
        self.trees, self.arrays = values.split(merged)
        return before != [tree_types(each) for each in self.trees]

    def _merge(self, name: str, before: Any, after: Any) -> Any:
        """A variable before the loop, in the type that it has in it."""
        if values.is_undefined(after):
            if isinstance(after, OneBranch) or not values.is_undefined(before):
                raise Mismatch(name, before, after)
            return before
        if isinstance(before, Unreturned) or (isinstance(before, Undefined) and self._certain):
            return jax.tree.map(_unread, after)
        if isinstance(before, Undefined):
            raise Mismatch(name, before, after)
        parts = values.leaves_of(name, before, after)
        merged = [self._part(name, pair, (before, after)) for pair in parts]
        return jax.tree.unflatten(jax.tree.structure(before), merged)

    def _part(self, name: str, pair: tuple[Any, Any], whole: tuple[Any, Any]) -> Any:
        first, second = pair
        if not isinstance(first, Slot):
            if values.same_constant(first, second):
                return first
            raise Mismatch(name, *whole)
        kind = values.common_type(first, second)
        if kind is None or not (kind == first.type or first.type.weak):
            raise Mismatch(name, *whole)
        return values.converted(self.arrays[first.index], kind)

    def run(self, arrays: Sequence[Any], given: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        """An iteration: the carried arrays after it, and all arrays that it gave."""
        outputs = self._traced.run(*arrays, *given)
        after = self._traced.values[: len(self._names)]
        carried: list[Any] = []
        for before, made in zip(self.trees, after, strict=True):
            pairs = zip(jax.tree.leaves(before), jax.tree.leaves(made), strict=True)
            carried += [_carried(b, a, outputs) for a, b in pairs if isinstance(a, Slot)]
        return carried, outputs

    def after(self, arrays: Sequence[Any], old: Sequence[Any]) -> list[Any]:
        """The variables after the loop; what no iteration assigns is the object from before."""
        new = values.join(self.trees, arrays)
        return [
            values.take_over(was, now) if same else now
            for was, now, same in zip(old, new, self.in_place, strict=False)
        ]


def tree_types(value: Any) -> Any:
    """What decides whether two values have one type."""
    leaves, structure = jax.tree.flatten(value)
    types: list[ArrayType | int] = [
        each.type if isinstance(each, Slot) else id(each) for each in leaves
    ]
    return structure, types


def _unread(leaf: Any) -> Any:
    """What stands for a value that no iteration reads before it is given."""
    kind = values.part_type(leaf)
    return leaf if kind is None else values.zeros(kind)


def _carried(made: Any, before: Slot, outputs: Sequence[Any]) -> Any:
    return values.converted(outputs[made.index] if isinstance(made, Slot) else made, before.type)
