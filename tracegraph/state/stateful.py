"""Functions of nnx objects as functions of arrays, and the way back into the objects.

``pure`` is what is traced: it makes objects of its packed arguments, runs the user's function, and
returns what changed in them. ``call`` packs the arguments outside, and puts the changes into the
caller's own objects.

Most calls change values only: their results carry the new values by number. A call that changes
the structure (a variable more, another attribute) or that returns an object goes through nnx's own
update context instead, which is slower and does everything.
"""

# jax and flax annotate their functions in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, Final, NamedTuple

import jax
import numpy as np

from compiler.lowering import jax_compat
from tracegraph.state import nnx_objects
from tracegraph.state.captured import LENDING, captured_objects, lent
from tracegraph.state.packing import (
    Packed,
    Plan,
    Plans,
    Structure,
    is_packed,
    packed,
    replaced,
    unpacked,
)

jax_compat.hide_frames(__file__)

CAPTURED: Final = "__captured__"
"""The keyword under which objects that the function captures are passed."""


class StructureChanged(Exception):  # noqa: N818 - no error: the call is made again the other way
    """The traced function changed more than values."""


class IsFunctional(Exception):  # noqa: N818 - no error: the call is made again the other way
    """jit's own way serves the call.

    The traced function changed no object and returned new ones, or jit updates their variables.
    """


class Concerned(NamedTuple):
    """The nnx objects that a call has to do with.

    Attributes:
        given: those in its arguments, in order, as often as they occur.
        captured: those that the function reaches by itself.
    """

    given: Sequence[Any]
    captured: Sequence[Any]


class Prepared(NamedTuple):
    """A call with its objects packed.

    Attributes:
        args: the positional arguments of the pure function.
        kwargs: its keyword arguments.
        structure: that of all objects together.
        plan: where the objects' variables are; None in nnx's update context.
    """

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    structure: Structure
    plan: Plan | None


class StatefulFunction:
    """A user's function that takes or captures nnx objects.

    Args:
        fun: the function that jit would trace.
        source: the user's own function, in whose surroundings captured objects are looked for.
        options: those of ``jax.jit``.

    Attributes:
        is_functional: whether the last trace took objects as trees and returned new ones.
    """

    def __init__(
        self, fun: Callable[..., Any], source: Callable[..., Any], options: dict[str, Any]
    ) -> None:
        self.fun = fun
        self._source = source
        donated = (options.get("donate_argnums"), options.get("donate_argnames"))
        self._keep_all = any(np.size(said) for said in donated if said is not None)
        self._out_shardings = options.get("out_shardings")
        shardings = (options.get("in_shardings"), self._out_shardings)
        self._is_plain = bool(nnx_objects.stateful_leaves(shardings))  # they fit objects only
        self._plans = Plans()
        self._in_context: set[Structure] = set()
        self.is_functional = False

    def clear_cache(self) -> None:
        """Forgets how objects were packed."""
        self._plans.clear()
        self._in_context.clear()

    def options(self, options: dict[str, Any]) -> dict[str, Any]:
        """The options of ``jax.jit`` for the pure function, from those for the user's."""
        if options.get("out_shardings") is None:
            return options
        return {**options, "out_shardings": (options["out_shardings"], None)}

    def signature(self) -> inspect.Signature | None:
        """The user's signature with a place for captured objects, so that arguments keep names."""
        try:
            signature = inspect.signature(self.fun)
        except (TypeError, ValueError):  # builtins: jit does without, too
            return None
        parameters = list(signature.parameters.values())
        at = next((i for i, one in enumerate(parameters) if one.kind is one.VAR_KEYWORD), None)
        place = inspect.Parameter(CAPTURED, inspect.Parameter.KEYWORD_ONLY, default=())
        parameters.insert(len(parameters) if at is None else at, place)
        return signature.replace(parameters=parameters)

    def concerned(self, args: Any, kwargs: Any) -> Concerned | None:
        """The nnx objects that a call has to do with; None for most."""
        if self._is_plain or nnx_objects.loaded() is None:
            return None
        given = nnx_objects.stateful_leaves((args, kwargs))
        captured = captured_objects(self._source)
        return Concerned(given, captured) if given or captured else None

    def call(self, run: Callable[..., Any], args: Any, kwargs: Any, concerned: Concerned) -> Any:
        """Runs the pure function on a call's packed arguments and updates the caller's objects.

        Args:
            run: the pure function, compiled or not.
            args: the caller's positional arguments.
            kwargs: the caller's keyword arguments.
            concerned: the objects that it has to do with.

        Returns:
            What the user's function returns.
        """
        try:
            with self.opened(args, kwargs, concerned) as prepared:
                result, changed = run(*prepared.args, **prepared.kwargs)
                self.is_functional = False
                return self._written(prepared, result, changed)
        except StructureChanged:  # from now on it is opened in nnx's update context
            return self.call(run, args, kwargs, concerned)

    @contextmanager
    def opened(self, args: Any, kwargs: Any, concerned: Concerned) -> Generator[Prepared]:
        """A call with its objects packed, for as long as nnx's update context has to be open."""
        given = len(concerned.given)
        objects = [*concerned.given, *concerned.captured]
        with LENDING if concerned.captured else nullcontext():
            structure, values, plan = self._plans.pack(objects)
        if plan is None and any(map(nnx_objects.is_high, values)):
            self.is_functional = True
            raise IsFunctional
        if plan is not None and structure not in self._in_context:
            try:
                yield self._prepared(args, kwargs, given, (structure, values, plan))
            except StructureChanged:
                self._in_context.add(structure)  # whoever asks again is served
                raise
            except IsFunctional:
                self.is_functional = True
                raise
            return
        with nnx_objects.update_context():
            structure, values = self._plans.pack_in_context(objects)
            yield self._prepared(args, kwargs, given, (structure, values, None))

    def _prepared(
        self, args: Any, kwargs: Any, given: int, pack: tuple[Structure, list[Any], Plan | None]
    ) -> Prepared:
        structure, values, plan = pack
        packs = packed(structure, values)
        args, kwargs = replaced((args, kwargs), packs, nnx_objects.is_stateful)
        if len(packs) > given:
            kwargs = {**kwargs, CAPTURED: packs[given:]}
        return Prepared(args, kwargs, structure, plan)

    def _written(self, prepared: Prepared, result: Any, changed: Any) -> Any:
        """The user's result; what changed is in the caller's objects now."""
        if prepared.plan is not None:
            for place, value in changed.items():
                nnx_objects.assign(prepared.plan.variables[place], value)
            return result
        objects = nnx_objects.merge_outside(*changed)
        return replaced(result, objects[prepared.structure.count :], is_packed)

    def pure(self, /, *args: Any, **kwargs: Any) -> Any:
        """The user's function on packed arguments: its result, and what it changed."""
        captured = kwargs.pop(CAPTURED, [])
        given = [
            leaf for leaf in jax.tree.leaves((args, kwargs), is_leaf=is_packed) if is_packed(leaf)
        ]
        structure, values = unpacked([*given, *captured])
        state = jax.tree.unflatten(structure.tree, values)
        objects = nnx_objects.merge(structure.graphdef, state, structure.in_context)
        args, kwargs = replaced((args, kwargs), objects[: len(given)], is_packed)
        originals = captured_objects(self._source) if captured else []
        with lent(originals, objects[len(given) :]):
            result = self.fun(*args, **kwargs)
        if structure.in_context:
            self._place(result)
            return _in_context(objects, result)
        return result, self._changed(structure, objects, values, result)

    def _place(self, result: Any) -> None:
        """Gives the values of returned objects, which leave apart, the shardings asked for."""
        shardings, tree = jax.tree.flatten(self._out_shardings, is_leaf=lambda s: s is None)
        try:
            parts = tree.flatten_up_to(result)
        except ValueError:  # jit says so in its own words
            return
        for sharding, part in zip(shardings, parts, strict=True):
            if sharding is None:
                continue
            constrained = functools.partial(jax.lax.with_sharding_constraint, shardings=sharding)
            for variable in nnx_objects.variables(nnx_objects.stateful_leaves(part)):
                value = nnx_objects.raw_reader()(variable)
                nnx_objects.assign(variable, jax.tree.map(constrained, value))

    def _changed(
        self, structure: Structure, objects: Sequence[Any], values: Sequence[Any], result: Any
    ) -> dict[int, Any]:
        """The leaves that the function gave other values, by number."""
        graphdef, state = nnx_objects.split(objects)
        leaves, tree = jax.tree.flatten(state)
        pairs = list(zip(values, leaves, strict=False))
        same = graphdef == structure.graphdef and tree == structure.tree
        returned = nnx_objects.stateful_leaves(result)
        if returned and same and self._is_apart(objects, returned, pairs):
            raise IsFunctional
        if returned or not same:
            raise StructureChanged
        keep = self._keep_all
        return {place: new for place, (old, new) in enumerate(pairs) if keep or new is not old}

    def _is_apart(
        self, objects: Sequence[Any], returned: Sequence[Any], pairs: Sequence[tuple[Any, Any]]
    ) -> bool:
        """Whether no object was changed and the returned ones share nothing with them."""
        if any(new is not old for old, new in pairs) or captured_objects(self._source):
            return False
        parts = [id(part) for _, part in nnx_objects.parts(objects)]
        new = [id(part) for one in returned for _, part in nnx_objects.parts([one])]
        return len(set(new)) == len(new) and not set(parts) & set(new)


def _in_context(objects: Sequence[Any], result: Any) -> tuple[Any, Any]:
    """The result with its objects taken out, and all objects as nnx sends them outside."""
    returned = nnx_objects.stateful_leaves(result)
    marks = [Packed((), (None, place)) for place in range(len(returned))]
    rest = replaced(result, marks, nnx_objects.is_stateful)
    return rest, nnx_objects.split_in_context([*objects, *returned])
