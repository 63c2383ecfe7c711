"""Classes in arguments and results that accept nothing but arrays."""

from __future__ import annotations

from pathlib import Path
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


def test_a_cache_that_cannot_keep_it_lets_it_run(tmp_path: Path) -> None:
    settings = tg.Cache(tmp_path)
    step = tg.function(lambda s: jnp.sin(s.value) + 1, cache=settings)
    expected = jax.jit(lambda s: jnp.sin(s.value) + 1)(Strict(jnp.arange(4.0)))
    for _ in range(2):
        assert step(Strict(jnp.arange(4.0))).tolist() == expected.tolist()
    assert not [one for one in tmp_path.rglob("*") if one.is_file()]


def test_a_dump_that_cannot_be_made_lets_it_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACEGRAPH_DUMP_TO", str(tmp_path))
    step = tg.function(lambda s: s.value + 1)
    with pytest.warns(tg.OptimizationWarning, match="dumping <lambda> failed"):
        assert step(Strict(jnp.arange(4.0))).tolist() == [1, 2, 3, 4]
