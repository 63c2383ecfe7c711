"""A call in the caller's terms: everything on which it depends whether Python has to run again."""

# jax annotates its functions in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import inspect
import types
import weakref
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.core

from compiler.lowering import jax_compat
from tracegraph.signatures.signature import Signature
from tracegraph.signatures.static_leaves import StaticLeaf
from tracegraph.state.packing import is_packed
from tracegraph.written import short, written


@dataclass(frozen=True, slots=True)
class Leaf:
    """An array among the arguments.

    Attributes:
        shape: its shape as text.
        dtype: its element type.
        weak: whether its type is weak, as that of a Python number is.
        sharding: where it lies, if that was said; empty for an array that may lie anywhere.
    """

    shape: str
    dtype: str
    weak: str
    sharding: str


@dataclass(frozen=True, slots=True)
class Value:
    """What is kept of a value that a trace depends on: two of them are one if nothing differs.

    Attributes:
        shown: its text, cut to a line.
        text: the hash of the whole text.
        own: the hash of the value, which tells apart what has one text.
    """

    shown: str
    text: int
    own: int

    def __repr__(self) -> str:
        return self.shown


@dataclass(frozen=True, slots=True)
class Described:
    """A call, described.

    Attributes:
        leaves: each array by its path, such as ``batch['x'][0]``.
        static: each static argument by its name.
        trees: the structure of each argument.
        settings: JAX's configuration.
        identity: which function object it was.
        captured: what the function object closes over, its defaults and its options: numbers and
            texts as they are, of all else a sign that differs from that of any other object.
        keywords: the arguments that were passed by name, sorted.
        attributes: what the nnx objects in each argument say beside their values, by their paths.

    None of it keeps an object of the user's alive.
    """

    leaves: Mapping[str, Leaf]
    static: Mapping[str, Value]
    trees: Mapping[str, Value]
    settings: Mapping[str, Any]
    identity: int
    captured: tuple[Any, ...]
    keywords: tuple[str, ...] = ()
    attributes: Mapping[str, Mapping[str, str]] = field(
        default_factory=dict[str, Mapping[str, str]]
    )


def describe(
    fun: Callable[..., Any],
    jitted: Any,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    identity: int,
) -> Described:
    """Describes a call.

    Args:
        fun: the user's function.
        jitted: the jit callable that knows which arguments are static.
        args: the positional arguments.
        kwargs: the keyword arguments.
        identity: a number of the function object's own.
    """
    signature = Signature(fun, ())
    positions, names = jax_compat.static_positions(jitted)
    places = {place + len(args) if place < 0 else place for place in positions}
    leaves: dict[str, Leaf] = {}
    static: dict[str, Value] = {}
    trees: dict[str, Value] = {}
    attributes: dict[str, Mapping[str, str]] = {}
    given = [(signature.label(i), value, i in places) for i, value in enumerate(args)]
    given += [(name, value, name in names) for name, value in kwargs.items()]
    for label, value, is_static in given:
        if is_static:
            static[label] = _value(value)
            continue
        paths, tree = jax.tree_util.tree_flatten_with_path(value, is_leaf=_is_static)
        trees[label], attributes[label] = _value(tree), dict(_attributes(label, value))
        for path, leaf in paths:
            place = label + jax.tree_util.keystr(path)
            if _is_static(leaf):
                static[place] = _value(leaf)
            else:
                leaves[place] = _leaf(leaf)
    own = layers_of(fun)[-1]
    held, by_name = _captured(own), tuple(sorted(kwargs))
    return Described(leaves, static, trees, _settings(), identity, held, by_name, attributes)


def layers_of(fun: Any) -> list[Any]:
    """A function with all that it wraps, the innermost last."""
    found: list[Any] = []
    innermost = inspect.unwrap(fun, stop=found.append)  # which is asked of each, and stops at none
    return [*found, innermost]


def _attributes(label: str, value: Any) -> Iterator[tuple[str, str]]:
    """What the nnx objects in an argument say beside their values."""
    for path, leaf in jax.tree_util.tree_flatten_with_path(value, is_leaf=is_packed)[0]:
        structure, place = leaf.key if is_packed(leaf) else (None, 0)
        said = {} if structure is None else structure.attributes[place]
        prefix = label + jax.tree_util.keystr(path)
        yield from ((f"{prefix}.{name}", text) for name, text in said.items())


def _is_static(leaf: Any) -> bool:
    return isinstance(leaf, StaticLeaf)


def _value(value: Any) -> Value:
    text = written(value.value if _is_static(value) else value)
    try:
        own = hash(value)
    except Exception:  # jit says so in its own words, if it has to hash the value
        own = 0
    return Value(short(value if isinstance(value, str) else text), hash(text), own)


def _leaf(value: Any) -> Leaf:
    try:
        type = jax.typeof(value)
        shape, dtype = str(tuple(type.shape)), str(type.dtype)
        weak = "weak" if getattr(type, "weak_type", False) else "strong"
    except Exception:  # no array: jit will say so in its own words
        return Leaf("", _class_name(value), "strong", "")
    return Leaf(shape, dtype, weak, _sharding(value))


def _class_name(value: Any) -> str:
    """The class of a value, as the user writes it."""
    return value.__class__.__qualname__


def _sharding(value: Any) -> str:
    """Where an array lies, if it is committed to it."""
    if isinstance(value, jax.core.Tracer) or not getattr(value, "committed", False):
        return ""
    return str(value.sharding)


def _settings() -> dict[str, Any]:
    """JAX's configuration as it is at this moment, contexts included."""
    names = [name for name in jax.config.values if not name.startswith("jax_dump")]
    found = {name: getattr(jax.config, name, None) for name in names}
    found["mesh"] = str(jax.sharding.get_abstract_mesh())
    return found


def _captured(fun: Any) -> tuple[Any, ...]:
    """What a function object holds of its surroundings."""
    if not isinstance(fun, types.FunctionType):
        return (_sign(fun),)
    found = [*closed_over(fun), *(fun.__defaults__ or ()), *(fun.__kwdefaults__ or {}).values()]
    return tuple(map(_sign, found))


def closed_over(fun: Any) -> list[Any]:
    """What is in the closure of a function."""
    found: list[Any] = []
    for cell in getattr(fun, "__closure__", None) or ():
        try:
            found.append(cell.cell_contents)
        except ValueError:  # not assigned yet
            found.append(None)
    return found


def _sign(value: Any) -> Any:
    """What stands for a value: itself if it is plain, else something that only it has."""
    if value is None or isinstance(value, (bool, int, float, str, bytes, types.ModuleType, type)):
        return value
    try:
        return weakref.ref(value)  # the same object for as long as the value lives
    except TypeError:
        return object()
