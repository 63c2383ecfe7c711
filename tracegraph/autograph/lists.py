"""Items and lists: ``x[i] = v`` on arrays, and lists that grow in a traced loop."""

# JAX annotates its functions in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator
from typing import Any

import jax
import jax.numpy as jnp

from compiler.lowering import jax_compat
from tracegraph.autograph.errors import control_flow_error
from tracegraph.autograph.values import is_traced

jax_compat.hide_frames(__file__)


class Touched(Exception):  # noqa: N818 - a finding between our own functions
    """A list that a traced loop extends is used in another way than by appending."""


class Growing:
    """A list inside a traced loop: what one iteration appends. It can only be appended to.

    Args:
        items: what has been appended so far.
    """

    def __init__(self, items: Iterable[Any] = ()) -> None:
        self.growing_items = list(items)

    def append(self, item: Any) -> None:
        """Appends an item."""
        self.growing_items.append(item)

    def extend(self, items: Iterable[Any]) -> None:
        """Appends items."""
        self.growing_items.extend(items)

    def __iadd__(self, items: Iterable[Any]) -> Growing:
        self.growing_items.extend(items)
        return self

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise Touched(name)

    def __len__(self) -> int:
        raise Touched("len")

    def __iter__(self) -> Iterator[Any]:
        raise Touched("iter")

    def __getitem__(self, index: Any) -> Any:
        raise Touched("item")

    def __setitem__(self, index: Any, value: Any) -> None:
        raise Touched("item")

    def __jax_array__(self) -> Any:
        raise Touched("array")


jax.tree_util.register_pytree_node(
    Growing, lambda grown: (grown.growing_items, None), lambda _, items: Growing(items)
)


def list_append(target: Any, item: Any) -> Any:
    """``target.append(item)``; to an array that a loop has stacked, one more row."""
    if isinstance(target, jax.Array):
        return jnp.concatenate([target, jnp.asarray(item)[None]])
    target.append(item)
    return target


def set_item(target: Any, key: Any, value: Any) -> Any:
    """``target[key] = value``; a JAX array gives a new array with that item."""
    if isinstance(target, jax.Array):
        return target.at[key].set(value)
    if isinstance(target, list) and is_traced(key):
        raise control_flow_error(
            "an item of a Python list is set at a traced index",
            hint="make it an array first: jnp.stack(list), or jnp.array(list)",
        )
    target[key] = value
    return target


def augmented(name: str, target: Any, value: Any) -> Any:
    """``target op= value``, for an operator by its name in the ``operator`` module."""
    return getattr(operator, name)(target, value)


def slice_(start: Any, stop: Any, step: Any) -> slice:
    """``start:stop:step`` as an index."""
    return slice(start, stop, step)


def stacked(prefix: list[Any], rows: list[Any], length: int) -> Any:
    """A list after a loop that has appended ``rows``, each with a leading axis of the loop's steps.

    Args:
        prefix: what was in the list before.
        rows: what one iteration appended, over all iterations.
        length: how many iterations there were; at least one.
    """
    trees = {jax.tree.structure(each) for each in (*prefix, *rows)}
    types = {(each.dtype, each.shape[1:]) for each in rows if hasattr(each, "dtype")}
    types |= {(jnp.asarray(each).dtype, jnp.shape(each)) for each in prefix if _is_plain(each)}
    if len(trees) > 1 or len(types) != 1 or not all(map(_is_plain, rows)):
        return prefix + listed(rows, length)
    new = rows[0]
    if len(rows) > 1:
        new = jnp.stack(rows, axis=1).reshape((len(rows) * length, *new.shape[1:]))
    old = [jnp.stack([jnp.asarray(each) for each in prefix])] if prefix else []
    return jnp.concatenate([*old, new]) if old else new


def _is_plain(item: Any) -> bool:
    return jax.tree.structure(item).num_nodes == 1 and item is not None


def listed(rows: list[Any], length: int) -> list[Any]:
    """The items that a loop has appended, one by one."""
    return [jax.tree.map(operator.itemgetter(step), row) for step in range(length) for row in rows]
