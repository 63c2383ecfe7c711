"""Classes in arguments and results that accept nothing but arrays."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import pytest

import tracegraph as tg


@jax.tree_util.register_pytree_node_class
class Strict:
    """A pytree node that refuses to hold anything but an array."""

    def __init__(self, value: Any) -> None:
        if not isinstance(value, jax.Array):
            raise TypeError(f"not an array: {value!r}")
        self.value = value

    def tree_flatten(self) -> tuple[tuple[Any], None]:
        return (self.value,), None

    @classmethod
    def tree_unflatten(cls, _: None, children: tuple[Any]) -> Strict:
        return cls(children[0])


@pytest.mark.parametrize("donated", [(), (0,)])
def test_it_is_neither_rebuilt_nor_refused(donated: tuple[int, ...]) -> None:
    step = tg.function(lambda s: Strict(jnp.sin(s.value) + 1), donate_argnums=donated)
    plain = jax.jit(lambda s: Strict(jnp.sin(s.value) + 1))
    expected = plain(Strict(jnp.arange(4.0))).value
    argument = Strict(jnp.arange(4.0))
    assert step(argument).value.tolist() == expected.tolist()
    assert argument.value.is_deleted() == bool(donated)
