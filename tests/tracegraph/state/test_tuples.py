"""NamedTuples that go through JAX's tree in a way of their own, beside nnx."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import tracegraph as tg


@jax.tree_util.register_pytree_node_class
class Swapped(NamedTuple):
    """Its second field comes first; the third is no part of the tree."""

    weight: Any
    bias: Any
    unused: Any = None

    def tree_flatten(self):
        return (self.bias, self.weight), None

    @classmethod
    def tree_unflatten(cls, _, children):
        return cls(children[1], children[0])


class Plain(NamedTuple):
    inner: Any
    number: Any


PAIR = Swapped(jnp.full(3, 2.0), jnp.full(3, 100.0))


@pytest.mark.parametrize("wrap", [lambda p: p, lambda p: {"p": [p]}, lambda p: Plain(p, 1.0)])
def test_a_tuple_keeps_its_own_way_at_every_call(wrap):
    assert nnx.Linear  # once nnx is loaded, objects are leaves for the first look at a call

    def difference(tree):
        pair = next(p for p in jax.tree.leaves(tree, is_leaf=_is_pair) if _is_pair(p))
        return pair.weight - pair.bias

    mine, plain = tg.function(difference), jax.jit(difference)
    for pair in (PAIR, PAIR, PAIR._replace(weight=jnp.zeros(3)), PAIR):
        np.testing.assert_array_equal(mine(wrap(pair)), plain(wrap(pair)))


def test_a_donated_tuple_comes_back_step_by_step():
    step = tg.function(lambda p: Swapped(p.weight + 1, p.bias), donate_argnums=0)
    pair = jax.tree.map(jnp.copy, PAIR)
    for _ in range(3):
        pair = step(pair)
    assert (float(pair.weight[0]), float(pair.bias[0])) == (5.0, 100.0)


def _is_pair(value: object) -> bool:
    return isinstance(value, Swapped)
