"""Every way of writing the decorator, and what the decorated object looks like."""

from __future__ import annotations

import functools
import inspect
import warnings
from typing import Any

import jax
import jax.numpy as jnp
import pytest

import tracegraph as tg
from tests.differential.harness import differential

X = jnp.arange(4.0)


def scaled(x: jax.Array, y: float = 2.0, *rest: float, z: float = 3.0, **named: float) -> jax.Array:
    """Scales x."""
    return x * y + z + sum(rest) + sum(named.values())


@differential
def test_bare(jit: Any) -> Any:
    @jit
    def f(x: jax.Array) -> jax.Array:
        return jnp.sin(x)

    return f(X)


@differential
def test_called_with_options_only(jit: Any) -> Any:
    if jit is jax.jit:  # the call without a function is newer than the oldest jax
        jit = functools.partial(functools.partial, jax.jit)
    return jit(static_argnums=1)(lambda x, n: x * n)(X, 3)


@differential
def test_partial_as_decorator(jit: Any) -> Any:
    @functools.partial(jit, static_argnames="n")
    def f(x: jax.Array, n: int) -> jax.Array:
        return x * n

    return f(X, n=3), f(X, 3)


@differential
def test_lambda(jit: Any) -> Any:
    return jit(lambda x: x + 1)(X)


@differential
def test_partial_object(jit: Any) -> Any:
    return jit(functools.partial(scaled, y=3.0))(X), jit(functools.partial(scaled, X))(1.0)


@differential
def test_builtin(jit: Any) -> Any:
    return jit(max)([jnp.float32(1)])


@differential
def test_numpy_ufunc_of_jax(jit: Any) -> Any:
    return jit(jnp.add)(X, 1), jit(jax.nn.relu)(-X)


@differential
def test_decorated_twice(jit: Any) -> Any:
    return jit(jit(scaled))(X)


class Layer:
    """A class whose methods are decorated in every way."""

    def __init__(self, weight: float) -> None:
        self.weight = weight

    def __call__(self, x: jax.Array) -> jax.Array:
        return x * self.weight

    def scale(self, x: jax.Array) -> jax.Array:
        return x + self.weight


@differential
def test_callable_object(jit: Any) -> Any:
    return jit(Layer(2.0))(X)


@differential
def test_bound_method(jit: Any) -> Any:
    layer = Layer(2.0)
    f = jit(layer.scale)
    return f(X), f.__wrapped__ == layer.scale


@differential
def test_methods_of_a_class(jit: Any) -> Any:
    class Decorated(Layer):
        @functools.partial(jit, static_argnums=0)
        def __call__(self, x: jax.Array) -> jax.Array:
            return x * self.weight

        @functools.partial(jit, static_argnames="self")
        def method(self, x: jax.Array) -> jax.Array:
            return x - self.weight

        @classmethod
        @functools.partial(jit, static_argnums=0)
        def of_class(cls, x: jax.Array) -> jax.Array:
            return x + len(cls.__name__)

        @staticmethod
        @jit
        def of_none(x: jax.Array) -> jax.Array:
            return x / 3

        @property
        @functools.partial(jit, static_argnums=0)
        def computed(self) -> jax.Array:
            return jnp.full(2, self.weight)

    layer = Decorated(2.0)
    return layer(X), layer.method(X), layer.of_class(X), Decorated.of_none(X), layer.computed


@differential
def test_method_of_a_pytree(jit: Any) -> Any:
    @jax.tree_util.register_pytree_node_class
    class Node:
        def __init__(self, x: Any) -> None:
            self.x = x

        def tree_flatten(self) -> Any:
            return (self.x,), None

        @classmethod
        def tree_unflatten(cls, _: None, children: Any) -> Any:
            return cls(*children)

        @jit
        def double(self) -> Any:
            return type(self)(self.x * 2)

    return Node(X).double().double().x


@differential
def test_every_kind_of_parameter(jit: Any) -> Any:
    def f(a: Any, /, b: Any, c: Any = 3, *d: Any, e: Any, g: Any = 7.0, **h: Any) -> Any:
        return {"a": a, "b": b, "c": c, "d": d, "e": e, "g": g, "h": h}

    f = jit(f)
    return f(1, 2, e=5), f(1, b=2, e=5), f(1, 2, 3, 4, 5, e=6, z=8, y=9), f(X, X, e=X, g=None)


@differential
def test_keyword_order_does_not_matter(jit: Any) -> Any:
    count = []

    @jit
    def f(**named: Any) -> Any:
        count.append(1)
        return named

    return f(b=1, a=2), f(a=2, b=1), list(f(z=0, c=1)), len(count)


@differential(raises=True)
def test_missing_argument(jit: Any) -> Any:
    return jit(scaled)()


@differential(raises=True)
def test_unknown_keyword_argument(jit: Any) -> Any:
    return jit(lambda x: x)(X, y=1)


@differential(raises=True)
def test_not_callable(jit: Any) -> Any:
    return jit(3)


@differential
def test_unknown_option(jit: Any) -> Any:
    with pytest.raises(TypeError):
        jit(scaled, no_such_option=1)


@differential(raises=True)
def test_generator_function(jit: Any) -> Any:
    return jit(lambda x: (y for y in x))(X)


@differential
def test_names_help_and_signature(jit: Any) -> Any:
    f = jit(scaled)
    return (
        [f.__name__, f.__qualname__, f.__module__, f.__doc__, f.__annotations__],
        [str(inspect.signature(f)), f.__wrapped__ is scaled, inspect.unwrap(f) is scaled],
        [callable(f), inspect.isfunction(f), type(f).__name__, repr(f)],
    )


@differential
def test_help_text(jit: Any) -> None:
    help(jit(scaled))


@differential
def test_identity_and_hash(jit: Any) -> Any:
    f, g = jit(scaled), jit(scaled)
    return f == f, hash(f) == hash(f), f == g, f in {f: 1}, isinstance(f, type(jax.jit(scaled)))


@pytest.mark.parametrize("name", [n for n in dir(jax.jit(scaled)) if not n.startswith("__")])
def test_has_every_attribute_of_a_jit_callable(name: str) -> None:
    assert hasattr(tg.function(scaled), name)


@differential
def test_user_attributes_on_the_function(jit: Any) -> Any:
    def f(x: jax.Array) -> jax.Array:
        return x

    f.tag = "mine"  # pyright: ignore[reportFunctionMemberAccess]
    f._private = "mine, too"  # pyright: ignore[reportFunctionMemberAccess]
    decorated = jit(f)
    decorated.other = 2
    return decorated.tag, decorated._private, decorated.other


@differential(raises=True)
def test_none_is_no_function(jit: Any) -> Any:
    return jit(None)


@differential(raises=True)
def test_none_with_options_is_no_function(jit: Any) -> Any:
    return jit(None, static_argnums=0)


def test_the_function_is_no_keyword() -> None:
    with pytest.raises(TypeError, match="by position"):
        tg.function(fun=scaled)  # pyright: ignore[reportCallIssue]


def test_the_filters_of_warnings_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def touched(*_: object, **__: object) -> None:
        raise AssertionError("they belong to all threads")

    monkeypatch.setattr(warnings, "simplefilter", touched)
    assert float(tg.function(scaled)(2.0)) == float(jax.jit(scaled)(2.0))
