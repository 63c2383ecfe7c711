"""Errors reach the user as under plain jit: type, message and the user's own lines alone."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from tests.differential.harness import assert_same, differential, observe, user_frames

X = jnp.arange(4.0)


class UserError(Exception):
    """An error of the user's own."""


class Interrupt(BaseException):
    """Like KeyboardInterrupt, no Exception."""


def raise_user_error(x: Any) -> Any:
    raise UserError("the user's own words", x.shape)


def raise_interrupt(x: Any) -> Any:
    raise Interrupt(str(x.shape))


def raise_chained(x: Any) -> Any:
    try:
        raise_user_error(x)
    except UserError as error:
        raise ValueError("second") from error


def python_if(x: Any) -> Any:
    if x[0] > 0:
        return x
    return -x


def python_while(x: Any) -> Any:
    while x.sum() < 10:
        x = x + 1
    return x


def recurse(x: Any) -> Any:
    return recurse(x + 1)


TRACE_ERRORS = {
    "own_class": raise_user_error,
    "base_exception": raise_interrupt,
    "chained": raise_chained,
    "bool": python_if,
    "while": python_while,
    "int": lambda x: range(int(x[0])),
    "float": lambda x: float(x[0]),
    "index": lambda x: [1, 2, 3][x[0].astype(int)],
    "numpy": lambda x: np.sin(x),
    "item": lambda x: x[0].item(),
    "tolist": lambda x: x.tolist(),
    "nonzero": lambda x: jnp.nonzero(x),
    "boolean_mask": lambda x: x[x > 1],
    "shape_from_value": lambda x: jnp.zeros(x[0].astype(int)),
    "iteration_over_scalar": lambda x: list(x[0]),
    "assignment": lambda x: x.__setitem__(0, 1),
    "shapes": lambda x: x @ jnp.ones((3, 3)),
    "broadcast": lambda x: x + jnp.ones(3),
    "reshape": lambda x: x.reshape(3, 3),
    "concatenate": lambda x: jnp.concatenate([x, jnp.ones((2, 2))]),
    "dtype": lambda x: lax.add(x, jnp.int32(1)),
    "bitwise_of_floats": lambda x: x & 1,
    "bad_axis": lambda x: x.sum(axis=4),
    "scan_carry": lambda x: lax.scan(lambda c, y: (c.astype(int), y), x[0], x),
    "scan_lengths": lambda x: lax.scan(lambda c, y: (c, y), 0, (x, x[1:])),
    "cond_branches": lambda x: lax.cond(x[0] > 0, lambda: x, lambda: x[0]),
    "cond_predicate": lambda x: lax.cond(x, lambda: x, lambda: x),
    "while_carry": lambda x: lax.while_loop(lambda c: True, lambda c: c[0], x),
    "while_condition": lambda x: lax.while_loop(lambda c: c, lambda c: c, x),
    "grad_of_vector": lambda x: jax.grad(lambda y: y)(x),
    "grad_of_while": lambda x: jax.grad(
        lambda y: lax.while_loop(lambda c: c < 3.0, lambda c: c * 2, y)
    )(x[0]),
    "vmap_sizes": lambda x: jax.vmap(jnp.add)(x, x[1:]),
    "unbound_axis": lambda x: lax.psum(x, "nobody"),
    "key_arithmetic": lambda x: jax.random.key(0) + x,
    "attribute": lambda x: x.no_such_attribute,
    "key_error": lambda x: {}[x.shape],
    "zero_division": lambda x: 1 / 0,
    "assertion": lambda x: pytest.fail("no"),
    "inner_jit": lambda x: jax.jit(raise_user_error)(x),
    "inner_scan": lambda x: lax.scan(lambda c, y: raise_user_error(y), 0, x),
    "inner_grad": lambda x: jax.grad(raise_user_error)(x),
    "hash": lambda x: {x: 1},
    "format": lambda x: f"{x[0]:.2f}",
}


@pytest.mark.parametrize("name", TRACE_ERRORS)
def test_while_tracing(name: str) -> None:
    assert_same(lambda jit: jit(TRACE_ERRORS[name])(X), raises=True)


@pytest.mark.parametrize("name", ["own_class", "bool", "shapes", "inner_scan", "base_exception"])
@pytest.mark.parametrize(
    "way", ["trace", "lower", "eval_shape", "grad", "vmap", "jit", "make_jaxpr"]
)
def test_while_tracing_in_another_way(name: str, way: str) -> None:
    def program(jit: Any) -> Any:
        f = jit(TRACE_ERRORS[name])
        if way in ("trace", "lower", "eval_shape"):
            return getattr(f, way)(X)
        return getattr(jax, way)(f)(X[None])

    assert_same(program, raises=True)


@pytest.mark.parametrize("name", ["own_class", "bool", "shapes"])
def test_in_a_function_of_ours_in_another(name: str) -> None:
    assert_same(lambda jit: jit(lambda x: jit(TRACE_ERRORS[name])(x))(X), raises=True)


def test_the_last_line_is_the_users() -> None:
    def line(x: Any) -> Any:
        raise UserError

    for decorator in (jax.jit, __import__("tracegraph").function):
        error = observe(lambda jit: jit(line)(X), decorator).error
        assert isinstance(error, UserError)
        last = list(user_frames(error))[-1]
        assert last == (__file__, line.__code__.co_firstlineno + 1, "line")


@differential
def test_raised_only_once(jit: Any) -> Any:
    """An error does not make the user's Python run again, and the function works afterwards."""
    calls = []

    @jit
    def f(x: Any) -> Any:
        calls.append(len(calls))
        if len(calls) == 1:
            raise UserError
        return x

    with pytest.raises(UserError):
        f(X)
    return f(X), f(X), calls


@differential
def test_unbounded_recursion(jit: Any) -> Any:
    with pytest.raises(RecursionError):
        jit(recurse)(X)


@differential
def test_error_in_a_callback(jit: Any) -> Any:
    def fail(x: Any) -> Any:
        raise UserError("in a callback")

    def f(x: Any) -> Any:
        return jax.pure_callback(fail, jax.ShapeDtypeStruct((), jnp.float32), x[0])

    with pytest.raises(Exception, match="in a callback") as caught:
        jax.block_until_ready(jit(f)(X))
    return type(caught.value)


@differential(raises=True)
def test_debug_nans(jit: Any) -> Any:
    with jax.debug_nans(True):
        return jit(lambda x: jnp.log(x) * 2)(-X - 1)


@differential
def test_debug_nans_without_a_nan(jit: Any) -> Any:
    with jax.debug_nans(True):
        return jit(lambda x: jnp.log(x) * 2)(X + 1)


@differential(raises=True)
def test_debug_infs(jit: Any) -> Any:
    with jax.debug_infs(True):
        return jit(lambda x: 1 / x)(X)


@differential
def test_disable_jit(jit: Any) -> Any:
    calls = []

    @functools.partial(jit, static_argnums=1)
    def f(x: Any, n: int) -> Any:
        calls.append(1)
        return python_if(x) * n

    with jax.disable_jit():
        results = f(X, 2), f(X, 2), jax.grad(lambda x: f(x, 3)[1])(X)
    return results, len(calls)


@differential(raises=True)
def test_leaked_tracer(jit: Any) -> Any:
    kept = []
    jit(lambda x: kept.append(x))(X)
    return kept[0] + 1


@differential
def test_checking_leaks_finds_nothing(jit: Any) -> Any:
    with jax.checking_leaks():
        return jit(lambda x: jit(jnp.sin)(x) + lax.scan(lambda c, y: (c, y), 0, x)[1])(X)


@differential
def test_checking_leaks_finds_a_leak(jit: Any) -> Any:
    kept = []
    # jax 0.7.2 may run out of referrers while it explains the leak; it has found it all the same.
    with jax.checking_leaks(), pytest.raises(Exception, match=r"Leaked|list index out of range"):
        jit(lambda x: kept.append(x))(X)


@differential(raises=True)
def test_transfer_guard(jit: Any) -> Any:
    f = jit(lambda x: x + 1)
    f(X)
    with jax.transfer_guard("disallow"):
        return f(np.arange(4.0, dtype=np.float32))


@differential(raises=True)
def test_numpy_dtype_promotion_strict(jit: Any) -> Any:
    with jax.numpy_dtype_promotion("strict"):
        return jit(lambda x: x + jnp.arange(4))(X)


@differential(raises=True)
def test_rank_promotion_raise(jit: Any) -> Any:
    with jax.numpy_rank_promotion("raise"):
        return jit(lambda x: x + jnp.ones((4, 4)))(X)


@differential(raises=True)
def test_overflowing_python_int(jit: Any) -> Any:
    return jit(lambda x: x)(2**40)


@differential(raises=True)
def test_no_execution(jit: Any) -> Any:
    with jax.no_execution():
        return jit(lambda x: x)(X)


@differential
def test_no_tracing(jit: Any) -> None:
    if not hasattr(jax, "no_tracing"):
        pytest.skip("this jax has no public no_tracing")
    f = jit(lambda x: x)
    f(X)
    with jax.no_tracing():
        f(X)
        with pytest.raises(RuntimeError, match="re-tracing function"):
            f(np.ones(2))
