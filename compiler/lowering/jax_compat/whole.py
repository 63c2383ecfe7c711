"""A registry of tree classes in which some objects are leaves, to be dispatched on as they are.

A jit callable flattens its arguments in C++ before it looks for a compiled answer. For an object of
thousands of parts that costs more than the call, and is for nothing where the call goes another
way. With this registry C++ takes the object for a leaf that it does not know and asks at once.
"""

# pyright: reportPrivateUsage=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from jax._src import tree_util
from jax._src.lib import pytree

REGISTRY: Final = pytree.PyTreeRegistry()
"""Containers of Python's own, and the classes that ``learn_classes`` has added."""

# A jit callable is copied with its registry, which is pickled by these names.
REGISTRY.__module__ = __name__  # pyright: ignore[reportAttributeAccessIssue]
REGISTRY.__name__ = "REGISTRY"  # pyright: ignore[reportAttributeAccessIssue]

_KNOWN: Final[set[type]] = set()


def registration(kind: type) -> tuple[Any, ...]:
    """What JAX takes objects of a class apart with, and puts them together; mostly nothing."""
    return tuple(tree_util._registry.get(kind, ()))


def learn_classes(
    tree: Any, is_whole: Callable[[Any], bool], is_values: Callable[[Any], bool]
) -> bool:
    """Adds the classes of a tree to the registry, but for objects that are to stay whole.

    Args:
        tree: the arguments of a call that C++ could not dispatch, without static ones.
        is_whole: whether an object stays whole.
        is_values: whether an object is a tree of values alone, whatever classes are in it.

    Returns:
        Whether the tree has an object that was new to the registry, or stays whole.
    """
    unknown = [leaf for leaf in REGISTRY.flatten(tree, _is_own_tuple)[0] if _is_node(leaf)]
    for leaf in unknown:
        if is_whole(leaf) or type(leaf) in _KNOWN:
            continue
        _KNOWN.add(type(leaf))
        if is_values(leaf):
            REGISTRY.register_node(type(leaf), tree_util.dispatch_registry.flatten, _never)
            continue
        REGISTRY.register_node(type(leaf), _flatten_one_level, _never)
        learn_classes(leaf, is_whole, is_values)
    return bool(unknown)


def _is_own_tuple(node: Any) -> bool:
    """Whether it is a NamedTuple whose class has told JAX another way through it, still unknown.

    The registry knows a way through every NamedTuple: by all its fields, in their order.
    """
    kind = type(node)
    is_named = isinstance(node, tuple) and kind is not tuple
    return is_named and kind in tree_util._registry and kind not in _KNOWN


def _is_node(leaf: Any) -> bool:
    """Whether JAX itself would walk through an object, a key of random numbers among them."""
    return _flatten_one_level(leaf) is not None


_flatten_one_level: Final = tree_util.dispatch_registry.flatten_one_level


def _never(*parts: Any) -> Any:
    raise AssertionError(f"C++ puts no arguments together: {len(parts)} parts")
