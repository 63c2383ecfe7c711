"""Every keyword of ``jax.jit`` is accepted and means the same."""

from __future__ import annotations

import inspect
import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tracegraph as tg
from tests.differential.harness import differential

X = jnp.arange(4.0)


def fresh() -> jax.Array:
    """An array that nobody else holds, so that it may be donated."""
    return jnp.arange(4.0) + 0


@differential
def test_static_argnums(jit: Any) -> Any:
    f = jit(lambda x, n, k: x * n + k, static_argnums=(1, 2))
    return f(X, 2, 3), f(X, 2, 4), f(X, 2, 3.0)


@differential
def test_static_argnums_negative(jit: Any) -> Any:
    return jit(lambda x, n: x * n, static_argnums=-1)(X, 2)


@differential
def test_static_argnames(jit: Any) -> Any:
    def f(x: Any, mode: str = "a", n: int = 1) -> Any:
        return x * n if mode == "a" else -x

    f = jit(f, static_argnames=("mode", "n"))
    return f(X), f(X, "b"), f(X, mode="b"), f(X, n=4), f(x=X, n=4, mode="a")


@differential
def test_static_number_implies_name(jit: Any) -> Any:
    return jit(lambda x, n: x * n, static_argnums=1)(X, n=3)


@differential
def test_static_equality_decides_on_a_retrace(jit: Any) -> Any:
    count = []

    def f(x: Any, n: Any) -> Any:
        count.append(n)
        return x * n

    f = jit(f, static_argnums=1)
    f(X, 1), f(X, 1), f(X, True), f(X, 2), f(X, 1)
    return count


@differential(raises=True)
def test_static_not_hashable(jit: Any) -> Any:
    return jit(lambda x, n: x, static_argnums=1)(X, [1])


@differential(raises=True)
def test_static_argnums_out_of_range(jit: Any) -> Any:
    return jit(lambda x: x, static_argnums=3)(X)


@differential(raises=True)
def test_static_argnames_unknown(jit: Any) -> Any:
    return jit(lambda x: x, static_argnames="y")(X)


@differential(raises=True)
def test_static_array_like(jit: Any) -> Any:
    return jit(lambda x, n: x, static_argnums=1)(X, np.ones(2))


@differential
def test_donate_argnums(jit: Any) -> Any:
    a, b = fresh(), fresh()
    result = jit(lambda a, b: a + b, donate_argnums=0)(a, b)
    return result, a.is_deleted(), b.is_deleted()


@differential
def test_donate_argnames(jit: Any) -> Any:
    def f(a: Any, b: Any) -> Any:
        return a + b, a - b

    a, b = fresh(), fresh()
    f = jit(f, donate_argnames=("a", "b"))
    return f(a, b=b), a.is_deleted(), b.is_deleted()


@differential
def test_donate_pytree(jit: Any) -> Any:
    tree = {"w": fresh(), "b": [fresh()]}
    result = jit(lambda t, x: jax.tree.map(lambda y: y * x, t), donate_argnums=0)(tree, 2.0)
    return result, [leaf.is_deleted() for leaf in jax.tree.leaves(tree)]


@differential(raises=True)
def test_donated_and_used_again(jit: Any) -> Any:
    a = fresh()
    jit(lambda a: a + 1, donate_argnums=0)(a)
    return a + 1


@differential(raises=True)
def test_donated_and_passed_again(jit: Any) -> Any:
    a, f = fresh(), jit(lambda a: a + 1, donate_argnums=0)
    f(a)
    return f(a)


@differential(raises=True)
def test_donated_twice_in_one_call(jit: Any) -> Any:
    a = fresh()
    return jit(lambda a, b: (a + 1, b + 2), donate_argnums=(0, 1))(a, a)


@differential
def test_donated_but_unused(jit: Any) -> Any:
    a, b = fresh(), fresh()
    return jit(lambda a, b: b + 1, donate_argnums=0)(a, b), a.is_deleted()


@differential
def test_donated_of_another_size(jit: Any) -> Any:
    a = fresh()
    return jit(lambda a: a.sum(), donate_argnums=0)(a), a.is_deleted()


@differential
def test_donated_and_returned(jit: Any) -> Any:
    a = fresh()
    return jit(lambda a: a, donate_argnums=0)(a), a.is_deleted()


@differential(raises=True)
def test_donated_and_static(jit: Any) -> Any:
    return jit(lambda a, n: a, static_argnums=1, donate_argnums=1)(X, 1)


@differential
def test_donated_numpy(jit: Any) -> Any:
    return jit(lambda a: a + 1, donate_argnums=0)(np.arange(3.0, dtype=np.float32))


@differential
def test_donation_in_a_loop(jit: Any) -> Any:
    step = jit(lambda state: {k: v * 1.5 for k, v in state.items()}, donate_argnums=0)
    state = {"a": fresh(), "b": fresh()}
    for _ in range(3):
        state = step(state)
    return state


@pytest.mark.parametrize("keep", [False, True])
def test_keep_unused(keep: bool) -> None:
    def used(jit: Any) -> Any:
        f = jit(lambda a, b, c: b + 1, keep_unused=keep)
        compiled = f.lower(X, X, X).compile()
        return f(X, X, X), compiled(X, X, X), f.lower(X, X, X).as_text().count("%arg") > 0

    differential(used)()


@differential
def test_keep_unused_decides_on_the_arguments_of_the_executable(jit: Any) -> Any:
    def arguments(**options: Any) -> int:
        text = jit(lambda a, b: b + 1, **options).lower(X, X).as_text()
        return text.split("@main(")[1].split("->")[0].count("%arg")

    return arguments(), arguments(keep_unused=True)


@differential
def test_inline(jit: Any) -> Any:
    inner = jit(lambda x: jnp.sin(x) + 1, inline=True)
    jaxpr = jax.make_jaxpr(lambda x: inner(x) * 2)(X)
    return inner(X), [e.primitive.name for e in jaxpr.eqns]


@differential
def test_not_inline(jit: Any) -> Any:
    inner = jit(lambda x: jnp.sin(x) + 1)
    jaxpr = jax.make_jaxpr(lambda x: inner(x) * 2)(X)
    return inner(X), [e.primitive.name for e in jaxpr.eqns]


@differential
def test_device(jit: Any) -> Any:
    return jit(lambda x: x + 1, device=jax.devices()[3])(X)


@differential
def test_backend(jit: Any) -> Any:
    return jit(lambda x: x + 1, backend="cpu")(X)


@differential(raises=True)
def test_device_and_backend(jit: Any) -> Any:
    return jit(lambda x: x, device=jax.devices()[0], backend="cpu")(X)


@differential
def test_compiler_options(jit: Any) -> Any:
    return jit(lambda x: x + 1, compiler_options={"xla_cpu_enable_fast_math": False})(X)


@differential
def test_compiler_options_unknown(jit: Any) -> Any:
    with pytest.raises(Exception, match="no_such_option"):
        jit(lambda x: x + 1, compiler_options={"no_such_option": 1})(X)


@differential
def test_shardings_of_one_device(jit: Any) -> Any:
    there = jax.sharding.SingleDeviceSharding(jax.devices()[2])
    return (
        jit(lambda x: x + 1, in_shardings=there)(X),
        jit(lambda x: x + 1, out_shardings=there)(X),
        jit(lambda x: {"a": x, "b": -x}, out_shardings={"a": there, "b": None})(X),
    )


@differential(raises=True)
def test_shardings_of_wrong_structure(jit: Any) -> Any:
    there = jax.sharding.SingleDeviceSharding(jax.devices()[2])
    return jit(lambda x: x + 1, out_shardings=(there, there))(X)


@differential(raises=True)
def test_in_shardings_with_keyword_arguments(jit: Any) -> Any:
    there = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    return jit(lambda x: x + 1, in_shardings=there)(x=X)


def test_every_keyword_of_jit_is_covered() -> None:
    keywords = set(inspect.signature(jax.jit).parameters) - {"fun", "abstracted_axes"}
    assert keywords == {
        "in_shardings",
        "out_shardings",
        "static_argnums",
        "static_argnames",
        "donate_argnums",
        "donate_argnames",
        "keep_unused",
        "device",
        "backend",
        "inline",
        "compiler_options",
    }


def test_the_keywords_of_its_own() -> None:
    kinds = inspect.signature(tg.function).parameters.values()
    assert [p.name for p in kinds if p.kind is p.KEYWORD_ONLY] == [
        "passes",
        "rules",
        "numerics",
        "autotune",
        "roll_layers",
        "donate_replaced",
        "autograph",
        "input_signature",
        "buckets",
        "static_nonarrays",
        "check",
        "cache",
        "max_traces",
        "max_ops",
        "max_compile_seconds",
        "max_peak_bytes",
    ]


@differential
def test_numbers_of_arguments_in_an_array(jit: Any) -> Any:
    return jit(lambda x, y: (x, y), donate_argnums=np.array([0, 1]))(X + 1, X + 2)


def test_a_word_about_an_old_option_is_of_the_users_line() -> None:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        warnings.filterwarnings("ignore", module="tracegraph")  # as Python does but for scripts
        tg.function(lambda x: x, device=jax.devices()[0])
    assert [one.filename for one in said] == [__file__]
