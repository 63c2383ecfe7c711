"""Side effects: printing, callbacks, checks, references; as often and in the same order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.experimental import checkify, io_callback

from tests.differential.harness import differential

X = jnp.arange(4.0)
SCALAR = jax.ShapeDtypeStruct((), jnp.float32)


def new_ref(value: Any) -> Any:
    """A mutable array, by the name that the installed jax has for it."""
    make: Callable[[Any], Any] | None = getattr(jax, "new_ref", None)
    if make is None:
        make = getattr(jax, "array_ref", None)
    if make is None:
        pytest.skip("this jax has no public mutable arrays")
    return make(value)


def freeze(ref: Any) -> Any:
    """The last value of a mutable array."""
    return (getattr(jax, "freeze", None) or jax.ref.freeze)(ref)


@differential
def test_debug_print(jit: Any) -> Any:
    def f(x: Any) -> Any:
        jax.debug.print("x = {x}", x=x)
        jax.debug.print("twice")
        return x * 2

    f = jit(f)
    return f(1.0), jax.block_until_ready(f(2.0))


@differential
def test_debug_print_ordered(jit: Any) -> Any:
    @jit
    def f(x: Any) -> Any:
        for i in range(4):
            jax.debug.print("{i} {x}", i=i, x=x + i, ordered=True)
        return x

    return f(1.0), f(2.0)


@differential
def test_debug_print_that_nobody_reads(jit: Any) -> None:
    jit(lambda x: jax.debug.print("only {x}", x=x.sum()))(X)


@differential
def test_debug_print_in_control_flow(jit: Any) -> Any:
    def step(c: Any, x: Any) -> Any:
        jax.debug.print("scan {x}", x=x, ordered=True)
        lax.cond(x > 1, lambda: jax.debug.print("big", ordered=True), lambda: None)
        return c + x, None

    return jit(lambda x: lax.scan(step, 0.0, x))(X)


@differential
def test_debug_print_in_a_while_loop(jit: Any) -> Any:
    def step(i: Any) -> Any:
        jax.debug.print("i = {i}", i=i)
        return i + 1

    return jit(lambda n: lax.while_loop(lambda i: i < n, step, 0))(3)


@differential
def test_debug_print_under_transformations(jit: Any) -> Any:
    @jit
    def f(x: Any) -> Any:
        jax.debug.print("x = {x}", x=x)
        return jnp.sin(x)

    return jax.grad(f)(1.0), jax.block_until_ready(jax.vmap(f)(X[:1])), jit(jax.grad(f))(2.0)


@differential
def test_debug_callback(jit: Any) -> Any:
    seen: list[float] = []

    def f(x: Any) -> Any:
        jax.debug.callback(lambda v: seen.append(float(v)), x[0], ordered=True)
        jax.debug.callback(lambda v: seen.append(float(v)), x[0], ordered=True)
        return x

    result = jit(f)(X)
    jax.effects_barrier()
    return result, seen


@pytest.mark.parametrize("ordered", [False, True])
def test_io_callback(ordered: bool) -> None:
    def program(jit: Any) -> Any:
        seen: list[float] = []

        def remember(v: Any) -> Any:
            seen.append(float(v))
            return np.float32(len(seen))

        def f(x: Any) -> Any:
            a = io_callback(remember, SCALAR, x[1], ordered=ordered)
            io_callback(remember, SCALAR, a + x[2], ordered=ordered)
            return a

        f = jit(f)
        results = f(X), f(X + 1)
        jax.effects_barrier()
        return results, seen

    differential(program)()


@differential
def test_equal_io_callbacks_are_two(jit: Any) -> Any:
    count: list[int] = []

    def f(x: Any) -> Any:
        for _ in range(3):
            io_callback(lambda _: count.append(1), None, x)
        return x

    jax.block_until_ready(jit(f)(1.0))
    jax.effects_barrier()
    return len(count)


@differential
def test_io_callback_in_a_scan(jit: Any) -> Any:
    seen: list[float] = []

    def step(c: Any, x: Any) -> Any:
        io_callback(lambda v: seen.append(float(v)), None, x, ordered=True)
        return c, x

    result = jit(lambda x: lax.scan(step, 0, x))(X)
    jax.effects_barrier()
    return result, seen


@differential
def test_pure_callback(jit: Any) -> Any:
    def f(x: Any) -> Any:
        return (
            jax.pure_callback(lambda v: np.sin(v), jax.ShapeDtypeStruct((4,), jnp.float32), x) + x
        )

    return jit(f)(X)


@differential
def test_pure_callback_under_vmap(jit: Any) -> Any:
    def f(x: Any) -> Any:
        return jax.pure_callback(np.cos, SCALAR, x, vmap_method="sequential")

    return jax.vmap(jit(f))(X), jit(jax.vmap(f))(X)


@differential
def test_checkify_inside(jit: Any) -> Any:
    def f(x: Any) -> Any:
        checkify.check(x[0] > 0, "first must be positive, is {x}", x=x[0])
        return jnp.log(x)

    error, result = jit(checkify.checkify(f))(X)
    return error.get(), result


@differential
def test_checkify_outside(jit: Any) -> Any:
    f = jit(lambda x, i: x[i] / x[0])
    errors = checkify.user_checks | checkify.index_checks | checkify.float_checks
    error, result = checkify.checkify(f, errors=errors)(X, 7)
    return error.get(), result


@differential
def test_checkify_outside_of_what_is_not_read(jit: Any) -> Any:
    picks: list[Callable[[Any], Any]] = [lambda y: y[1], lambda y: y[1:2]]

    def said(pick: Callable[[Any], Any]) -> str:
        f = checkify.checkify(jit(lambda x: pick(jnp.log(x))), errors=checkify.nan_checks)
        return str(f(X - 1)[0].get())[:40]

    return [said(pick) for pick in picks]


@differential(raises=True)
def test_checkify_not_discharged(jit: Any) -> Any:
    def f(x: Any) -> Any:
        checkify.check(x[0] > 0, "positive")
        return x

    return jit(f)(X)


@differential
def test_two_refs_of_one_type(jit: Any) -> Any:
    def f(x: Any) -> Any:
        a, b = new_ref(x), new_ref(x * 2)
        return freeze(a), freeze(b)

    def total(x: Any) -> Any:
        first, second = f(x)
        return jnp.sum(first * second)

    return jit(f)(X), jit(jax.grad(total))(X), jax.grad(jit(total))(X)


@differential
def test_ref_made_inside(jit: Any) -> Any:
    def f(x: Any) -> Any:
        ref = new_ref(x)
        ref[1] = ref[0] + 10.0
        ref[...] += x
        old = ref[...]
        ref[2:] = jnp.zeros(2)
        return old, freeze(ref)

    return jit(f)(X)


@differential
def test_ref_as_argument(jit: Any) -> Any:
    ref = new_ref(X)

    def f(ref: Any, y: Any) -> Any:
        ref[0] = y
        ref[1] += ref[0]
        return ref[...] * 2

    f = jit(f)
    return f(ref, 5.0), ref[...], f(ref, 6.0), ref[...]


@differential
def test_ref_captured(jit: Any) -> Any:
    ref = new_ref(X)

    def f(y: Any) -> Any:
        ref[...] = ref[...] + y

    f = jit(f)
    f(1.0), f(1.0)
    return ref[...]


@differential
def test_two_refs_written_in_turns(jit: Any) -> Any:
    a, b = new_ref(X), new_ref(X * 10)

    @jit
    def f(b: Any, a: Any) -> Any:
        a[0] = b[1]
        b[1] = a[2]
        a[2] = b[0] + a[0]

    f(b, a), f(a, b)
    return a[...], b[...]


@differential(raises=True)
def test_one_ref_twice_is_refused(jit: Any) -> Any:
    ref = new_ref(X)
    return jit(lambda a, b: a[...] + b[...])(ref, ref)


@differential
def test_ref_in_a_loop(jit: Any) -> Any:
    def f(x: Any) -> Any:
        ref = new_ref(jnp.zeros(4))

        def step(i: Any, _: Any) -> None:
            ref[i] = x[i] * i

        lax.fori_loop(0, 4, step, None)
        return freeze(ref)

    return jit(f)(X)


@differential
def test_ref_in_a_scan_and_a_branch(jit: Any) -> Any:
    def f(x: Any) -> Any:
        ref = new_ref(jnp.float32(0))

        def write(y: Any) -> None:
            ref[...] += y

        def step(c: Any, y: Any) -> Any:
            lax.cond(y > 1, lambda: write(y), lambda: None)
            return c + 1, ref[...]

        return lax.scan(step, 0, x), freeze(ref)

    return jit(f)(X)


@differential
def test_ref_through_a_decorated_function(jit: Any) -> Any:
    inner = jit(lambda ref, y: ref.__setitem__(0, y))

    def f(x: Any) -> Any:
        ref = new_ref(x)
        inner(ref, 7.0)
        inner(ref, ref[0] + 1)
        return freeze(ref)

    return jit(f)(X), jax.jit(f)(X), f(X)


@differential
def test_ref_under_grad(jit: Any) -> Any:
    def f(x: Any) -> Any:
        ref = new_ref(jnp.zeros(()))
        ref[...] = jnp.sin(x)
        return ref[...] * 2

    return jax.grad(jit(f))(1.0), jit(jax.grad(f))(1.0)


@differential
def test_ref_read_twice_around_a_write(jit: Any) -> Any:
    def f(x: Any) -> Any:
        ref = new_ref(x)
        first = ref[0]
        ref[0] = first + 1
        second = ref[0]
        return first, second, first + second

    return jit(f)(X)


@differential
def test_optimization_barrier(jit: Any) -> Any:
    f = jit(lambda x: lax.optimization_barrier((x + 1, x + 1)))
    return f(X), "optimization_barrier" in f.lower(X).as_text()
