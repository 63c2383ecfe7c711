"""The names of JAX that may change, each checked for what the compiler expects of it."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import pytest
from jax.extend.core import Primitive

from compiler.lowering import jax_compat

X = jnp.arange(4.0)


def test_a_foreign_primitive_with_a_known_name_is_not_builtin() -> None:
    assert not jax_compat.is_builtin(Primitive("cos"))
    assert jax_compat.primitive_by_name("cos") is jax.lax.cos_p
    assert jax_compat.primitive_by_name("no such primitive") is None


def test_splice_needs_a_running_trace() -> None:
    with pytest.raises(TypeError, match="jit trace"):
        jax_compat.splice(jax.make_jaxpr(jnp.sin)(X), [X])


def test_splice_adds_the_equations_as_they_are() -> None:
    inner = jax.make_jaxpr(lambda x: jnp.sin(x) * 2)(X)
    outer = jax.make_jaxpr(lambda x: jax_compat.splice(inner, [x]))(X)
    before, after = (jax_compat.split_jaxpr(j).equations for j in (inner, outer))
    assert [e.primitive for e in after] == [e.primitive for e in before]
    assert [e.source_info for e in after] == [e.source_info for e in before]


def test_trace_state() -> None:
    seen: list[tuple[bool, bool]] = []

    def look(x: Any) -> Any:
        seen.append((jax_compat.at_top_level(), jax_compat.is_tracing_for_jit()))
        return x

    look(X), jax.jit(look)(X), jax.vmap(look)(X), jax.grad(look)(1.0)
    assert seen == [(True, False), (False, True), (False, False), (False, False)]


def test_misses_are_intercepted_and_hits_are_not() -> None:
    misses: list[Any] = []

    def on_miss(compile: Any, args: Any, kwargs: Any) -> Any:
        misses.append((args, kwargs))
        return compile(*args, **kwargs)

    f = jax_compat.intercept_misses(jax.jit(lambda x, y=1: x + y), on_miss)
    assert f(X).tolist() == f(X).tolist() == (X + 1).tolist()
    assert len(misses) == 1
    f(X, y=2)
    assert misses[1][1] == {"y": 2}


def test_an_uncached_answer_is_asked_for_again() -> None:
    asked: list[int] = []

    def on_miss(compile: Any, args: Any, kwargs: Any) -> Any:
        asked.append(1)
        return jax_compat.uncached("answer")

    f = jax_compat.intercept_misses(jax.jit(lambda x: x), on_miss)
    assert (f(X), f(X), len(asked)) == ("answer", "answer", 2)


def test_static_positions_and_arguments() -> None:
    f = jax.jit(lambda a, n, *, b: a, static_argnums=1)
    assert jax_compat.static_positions(f) == ({1}, {"n"})
    assert jax_compat.traced_arguments(f, (1.0, 2), {"b": (3.0, None)}) == [1.0, 3.0]
    assert jax_compat.function_name(f) == "<lambda>"


def test_attached_methods_stay_behind() -> None:
    f = jax.jit(jnp.sin)
    jax_compat.attach_methods(f, {"lower": lambda: "mine"})
    assert f.lower() == "mine"
    assert "lower" not in list(vars(f))
    wrapped = functools.wraps(f)(lambda x: f(x) * 2)
    assert jax.jit(wrapped).lower(X).out_info.shape == (4,)
    assert jax_compat.method(f, "lower")(X).out_info.shape == (4,)


def test_check_finds_a_broken_jaxpr() -> None:
    jaxpr = jax.make_jaxpr(jnp.sin)(X)
    parts = jax_compat.split_jaxpr(jaxpr)
    jax_compat.check_jaxpr(jax_compat.build_jaxpr(parts))
    with pytest.raises(Exception, match="not defined"):
        jax_compat.check_jaxpr(jax_compat.build_jaxpr(parts._replace(equations=[])))


def test_sharding_text_is_empty_for_plain_arrays() -> None:
    (aval,) = jax.make_jaxpr(jnp.sin)(X).in_avals
    assert jax_compat.aval_sharding_text(aval) == ""
