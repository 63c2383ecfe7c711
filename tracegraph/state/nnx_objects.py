"""What tracegraph needs of flax nnx: the one place that knows its classes and their insides.

flax is imported by nobody here: a program that holds an nnx object has imported it already.
"""

# flax annotates its functions in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportMissingTypeStubs=false

from __future__ import annotations

import operator
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import jax


class Nnx(NamedTuple):
    """The names of nnx that are used, whatever the installed version calls them.

    Attributes:
        module: the module ``flax.nnx`` itself.
        objects: the base class of modules, optimizers, metrics and random streams.
        raw: reads the value of a variable without running its hooks.
        raw_name: the slot that holds the value.
        states: the classes of plain trees of values, as ``nnx.split`` makes them.
    """

    module: Any
    objects: type
    raw: Callable[[Any], Any]
    raw_name: str
    states: tuple[type, ...]


_TAG: Final = "tracegraph"

MARK: Final = "_pytree__state"
"""Where an nnx object says in which trace it was made."""

metadata: Final[Callable[[Any], dict[str, Any]]] = operator.attrgetter("_var_metadata")
"""What a variable says of its value (sharding, hooks): the live dictionary, not a copy."""

_found: list[Nnx] = []


def loaded() -> Nnx | None:
    """nnx, if the program has imported it."""
    if not _found and "flax.nnx" in sys.modules:
        nnx: Any = sys.modules["flax.nnx"]
        if not hasattr(nnx, "Variable"):  # it is being imported at this moment
            return None
        name = "_raw_value" if "_raw_value" in nnx.Variable.__slots__ else "raw_value"
        objects = getattr(nnx, "Pytree", None) or nnx.Object
        states = (nnx.State, nnx.statelib.FlatState)
        _found.append(Nnx(nnx, objects, operator.attrgetter(name), name, states))
    return _found[0] if _found else None


def is_stateful(value: Any) -> bool:
    """Whether a value is an nnx object or variable: something that a call may update in place."""
    nnx = loaded()
    return nnx is not None and issubclass(type(value), (nnx.objects, nnx.module.Variable))


def is_high(value: Any) -> bool:
    """Whether a value is a variable of JAX's high-level types, which jit itself updates in place.

    Such a one says that it is an instance of ``Variable``; its class is another.
    """
    nnx = loaded()
    return nnx is not None and isinstance(value, nnx.module.Variable) and not is_variable(value)


def is_state(value: Any) -> bool:
    """Whether it is a plain tree of values, as ``nnx.split`` makes it: nothing in it is updated."""
    nnx = loaded()
    return nnx is not None and isinstance(value, nnx.states)


def is_boundary(value: Any) -> bool:
    """Where a search for nnx objects in a tree of arguments stops."""
    nnx = loaded()
    return nnx is not None and isinstance(value, (nnx.objects, nnx.module.Variable, *nnx.states))


def stateful_leaves(tree: Any) -> list[Any]:
    """The nnx objects in a tree of arguments, in order, as often as they occur."""
    return [leaf for leaf in jax.tree.leaves(tree, is_leaf=is_boundary) if is_stateful(leaf)]


def split(objects: Sequence[Any]) -> tuple[Any, Any]:
    """The structure of some objects, shared references included, and the state in it."""
    nnx = loaded()
    assert nnx is not None
    return nnx.module.split(list(objects))


def merge(graphdef: Any, state: Any, in_context: bool) -> list[Any]:
    """Fresh objects of a structure that hold a state, while a function is traced."""
    nnx = loaded()
    assert nnx is not None
    if not in_context:
        return nnx.module.merge(graphdef, state)
    with nnx.module.merge_context(_TAG, inner=True) as context:
        return context.merge(graphdef, state)


def update_context() -> Any:
    """nnx's own way to update objects, whatever changes in them, around one call."""
    nnx = loaded()
    assert nnx is not None
    return nnx.module.update_context(_TAG)


def split_in_context(objects: Sequence[Any]) -> tuple[Any, Any]:
    """Objects split in the update context that is open: outside a call, or in what it traces."""
    nnx = loaded()
    assert nnx is not None
    with nnx.module.split_context(_TAG) as context:
        return context.split(list(objects))


def merge_outside(graphdef: Any, state: Any) -> list[Any]:
    """The caller's objects, updated, and new ones, from what the traced function split."""
    nnx = loaded()
    assert nnx is not None
    with nnx.module.merge_context(_TAG, inner=False) as context:
        return context.merge(graphdef, state)


def places(state: Any) -> list[tuple[Any, ...]]:
    """For each leaf of a state, in order, the path of the variable or array that it is in.

    The value of a variable may be a whole tree, or an empty one.
    """
    nnx = loaded()
    assert nnx is not None
    entries = nnx.module.to_flat_state(state)
    return [path for path, entry in entries for _ in jax.tree.leaves(entry)]


def nodes(objects: Sequence[Any]) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Everything that hangs on some objects, each thing once, with its path."""
    nnx = loaded()
    assert nnx is not None
    yield from nnx.module.iter_graph(list(objects))


def parts(objects: Sequence[Any]) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """The objects and variables that hang on some objects, each once, with its path."""
    return ((path, node) for path, node in nodes(objects) if is_stateful(node))


def is_variable(value: Any) -> bool:
    """Whether it is an nnx variable."""
    nnx = loaded()
    return nnx is not None and issubclass(type(value), nnx.module.Variable)


def variables(objects: Sequence[Any]) -> list[Any]:
    """The variables that hang on some objects, each once."""
    return [node for _, node in nodes(objects) if is_variable(node)]


def is_object(value: Any) -> bool:
    """Whether it is an nnx object, such as a module."""
    nnx = loaded()
    return nnx is not None and isinstance(value, nnx.objects)


def raw_reader() -> Callable[[Any], Any]:
    """Reads the value that a variable holds, without running its hooks."""
    nnx = loaded()
    assert nnx is not None
    return nnx.raw


def lend(variable: Any, value: Any) -> Callable[[], None]:
    """Puts a value of the running trace into a variable from outside; returns what undoes it.

    nnx lets a variable be changed only in the trace where it was made. The variable's own mark of
    that trace is moved with the value, so that the user's code may update it, and moved back.
    """
    nnx = loaded()
    assert nnx is not None
    before, mark = nnx.raw(variable), variable._trace_state
    object.__setattr__(variable, nnx.raw_name, value)
    object.__setattr__(variable, "_trace_state", type(mark)())

    def restore() -> None:
        object.__setattr__(variable, nnx.raw_name, before)
        object.__setattr__(variable, "_trace_state", mark)

    return restore


def assign(variable: Any, value: Any) -> None:
    """Gives a variable a new value, which is no act of the user's: no hook runs.

    Raises:
        flax.errors.TraceContextError: the variable belongs to an outer trace.
    """
    nnx = loaded()
    assert nnx is not None
    setattr(variable, nnx.raw_name, value)
