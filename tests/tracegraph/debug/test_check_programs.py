"""The first op that goes bad is named with its line, wherever in a program it stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import tracegraph as tg
from tests.tracegraph.debug.marks import marked

X = jnp.array([3.0, 4.0, 5.0])
BAD = jnp.array([3.0, -1.0, 0.0])


def nan_top(x: Any) -> Any:
    y = x * 2
    h = jnp.log(y)  # nan top
    return h.sum() * 3


def nan_cond(x: Any) -> Any:
    def wrong(v: Any) -> Any:
        return jnp.sqrt(v) + 1  # nan cond

    return lax.cond(x.sum() > 5, lambda v: v, wrong, x)


def nan_switch(x: Any) -> Any:
    branches = [
        lambda v: v,
        lambda v: jnp.log(v - 4),  # nan switch
        lambda v: v * 2,
    ]
    return lax.switch((x[1] < 0).astype(int), branches, x)


def nan_scan(x: Any) -> Any:
    def body(c: Any, v: Any) -> Any:
        return c + jnp.sqrt(v), v  # nan scan

    return lax.scan(body, 0.0, x)


def nan_while(x: Any) -> Any:
    def body(state: Any) -> Any:
        i, y = state
        return i + 1, jnp.sqrt(y - 0.5)  # nan while

    return lax.while_loop(lambda state: state[0] < 3, body, (0, x + 10 * (x[1] > 0)))


def nan_while_test(x: Any) -> Any:
    def test(state: Any) -> Any:
        i, y = state
        return (i < 3) & ~(jnp.log(y[1] - i) > 9)  # nan while test

    return lax.while_loop(test, lambda state: (state[0] + 1, state[1]), (0, x))


def nan_fori(x: Any) -> Any:
    return lax.fori_loop(
        0,
        4,
        lambda i, y: y + jnp.sqrt(x[0] - i + x[1]),  # nan fori
        x,
    )


def nan_nested(x: Any) -> Any:
    def inner(c: Any, v: Any) -> Any:
        y = lax.cond(v < 0, lambda u: jnp.log(u), lambda u: u, v)  # nan nested
        return c + y, y

    def outer(c: Any, v: Any) -> Any:
        total, _ = lax.scan(inner, c, x + v)
        return total, total

    return lax.scan(outer, 0.0, jnp.array([2.0, 1.5, 0.5]))


def nan_jit(x: Any) -> Any:
    @jax.jit
    def inner(v: Any) -> Any:
        return jnp.arccosh(v)  # nan jit

    return inner(x) + 1


def nan_function_in_function(x: Any) -> Any:
    @tg.function
    def inner(v: Any) -> Any:
        return jnp.log(v)  # nan function in function

    return inner(x) + 1


def nan_grad(x: Any) -> Any:
    def loss(v: Any) -> Any:
        safe = jnp.where(v > 0, v, 0.0)
        y = jnp.where(v > 0, safe**0.5, 0.0)  # nan grad
        return y.sum()

    return jax.grad(loss)(x)


def nan_vmap(x: Any) -> Any:
    def one(v: Any) -> Any:
        h = jnp.log(v)  # nan vmap
        return h * 2

    return jax.vmap(one)(x)


def nan_custom_jvp(x: Any) -> Any:
    @jax.custom_jvp
    def f(v: Any) -> Any:
        return jnp.log(v)  # nan custom jvp

    f.defjvp(lambda primals, tangents: (f(*primals), tangents[0]))
    return f(x)


def nan_custom_vjp(x: Any) -> Any:
    @jax.custom_vjp
    def f(v: Any) -> Any:
        return jnp.abs(v)

    def back(v: Any, g: Any) -> Any:
        return (g * jnp.log(v),)

    f.defvjp(lambda v: (f(v), v), back)
    # JAX says of what a backward rule computes that it stands where the function is called.
    return jax.grad(lambda v: f(v).sum())(x)  # nan custom vjp


def nan_remat(x: Any) -> Any:
    @jax.checkpoint
    def f(v: Any) -> Any:
        return jnp.sin(jnp.log(v))  # nan remat

    return jax.grad(lambda v: f(v).sum())(x)


def nan_scan_grad(x: Any) -> Any:
    def body(c: Any, v: Any) -> Any:
        return c + jnp.sqrt(jnp.maximum(v, 0.0)) * jnp.minimum(v, 0.0), None  # nan scan grad

    return jax.grad(lambda v: lax.scan(body, 0.0, v)[0])(x)


def nan_vmapped_scan(x: Any) -> Any:
    def one(v: Any) -> Any:
        def body(c: Any, _: Any) -> Any:
            return jnp.sqrt(c - 1.0), None  # nan vmapped scan

        return lax.scan(body, v, None, length=1)[0]

    return jax.vmap(one)(x)


def nan_operator(x: Any) -> Any:
    return x % (x * (x != 1))  # nan operator


def nan_fill(x: Any) -> Any:
    return jnp.take(x, jnp.where(x[1] > 0, 1, 7))  # nan fill


def inf_top(x: Any) -> Any:
    return jnp.exp(x * jnp.where(x < 0, -1000.0, 1.0)) + 1  # inf top


def inf_scan(x: Any) -> Any:
    def body(c: Any, v: Any) -> Any:
        return c * jnp.where(v <= 0, 1e30, 1.0), v  # inf scan

    return lax.scan(body, 1e10, x)


def inf_convert(x: Any) -> Any:
    return (jnp.where(x < 0, 1e6, x)).astype(jnp.float16)  # inf convert


def inf_grad(x: Any) -> Any:
    return jax.grad(lambda v: jnp.sqrt(jnp.maximum(v, 0.0)).sum())(x)  # inf grad


def index_gather(x: Any) -> Any:
    i = jnp.where(x > 0, 1, 8)
    return x[i] * 2  # index gather


def index_slice(x: Any) -> Any:
    return lax.dynamic_slice(x, (jnp.where(x[1] < 0, 2, 0),), (2,))  # index slice


def index_item(x: Any) -> Any:
    return x[jnp.where(x[1] < 0, 3, 2)]  # index item


def index_update(x: Any) -> Any:
    return lax.dynamic_update_slice(x, x[:2], (jnp.where(x[1] < 0, -4, 0),))  # index update


def index_scatter(x: Any) -> Any:
    return x.at[jnp.where(x > 0, 1, 9)].set(0.0)  # index scatter


def index_scatter_add(x: Any) -> Any:
    rows = jnp.ones((3, 4))
    return rows.at[jnp.where(x > 0, 1, 3), 2:].add(1.0)  # index scatter add


def index_vmap(x: Any) -> Any:
    return jax.vmap(lambda v: x[jnp.where(v < 0, 5, 0)])(x)  # index vmap


def index_scan(x: Any) -> Any:
    def body(c: Any, v: Any) -> Any:
        return c, x[(c + jnp.where(v > 0, 0, 3)).astype(int)]  # index scan

    return lax.scan(body, 0, x)


def index_grad(x: Any) -> Any:
    return jax.grad(lambda v: v[jnp.where(v < 0, 6, 0)].sum())(x)  # index grad


def div_int(x: Any) -> Any:
    n = x.astype(int)
    return 7 // n  # div int


def div_rem(x: Any) -> Any:
    return lax.rem(jnp.ones(3, int), x.astype(int))  # div rem


def div_float(x: Any) -> Any:
    return 1.0 / x  # div float


def div_power(x: Any) -> Any:
    return x**-2  # div power


def div_cond(x: Any) -> Any:
    return lax.cond(x[1] < 0, lambda v: v / v[2], lambda v: v, x)  # div cond


def div_while(x: Any) -> Any:
    def body(state: Any) -> Any:
        i, y = state
        return i + 1, y + 1 / (x[2] - i * (x[2] == 0) + 0.0)  # div while

    return lax.while_loop(lambda state: state[0] < 2, body, (0, x))


def div_vmap_grad(x: Any) -> Any:
    return jax.vmap(jax.grad(lambda v: jnp.log(v + 0.0)))(x)  # div vmap grad


@dataclass(frozen=True)
class Expected:
    """What is said of one program: the op, and the iterations of the loops around it."""

    op: str
    iterations: tuple[int, ...] = ()
    name: str = ""
    backward: bool = False


PROGRAMS = {
    nan_top: Expected("log", name="h"),
    nan_cond: Expected("sqrt"),
    nan_switch: Expected("log"),
    nan_scan: Expected("sqrt", (1,)),
    nan_while: Expected("sqrt", (0,)),
    nan_while_test: Expected("log", (0,)),
    nan_fori: Expected("sqrt", (3,)),
    nan_nested: Expected("log", (2, 1)),
    nan_jit: Expected("acosh"),
    nan_function_in_function: Expected("log"),
    nan_grad: Expected("mul", backward=True),
    nan_vmap: Expected("log", name="h"),
    nan_custom_jvp: Expected("log"),
    nan_custom_vjp: Expected("log", backward=True),
    nan_remat: Expected("log"),
    nan_scan_grad: Expected("mul", (2,), backward=True),
    nan_vmapped_scan: Expected("sqrt", (0,)),
    nan_operator: Expected("rem"),
    nan_fill: Expected("gather"),
    inf_top: Expected("exp"),
    inf_scan: Expected("mul", (1,)),
    inf_convert: Expected("convert_element_type"),
    inf_grad: Expected("div"),
    index_gather: Expected("gather"),
    index_slice: Expected("dynamic_slice"),
    index_item: Expected("dynamic_slice"),
    index_update: Expected("dynamic_update_slice"),
    index_scatter: Expected("scatter"),
    index_scatter_add: Expected("scatter-add"),
    index_vmap: Expected("gather"),
    index_scan: Expected("dynamic_slice", (1,)),
    index_grad: Expected("gather"),
    div_int: Expected("div"),
    div_rem: Expected("rem"),
    div_float: Expected("div"),
    div_power: Expected("integer_pow"),
    div_cond: Expected("div"),
    div_while: Expected("div", (0,)),
    div_vmap_grad: Expected("div", backward=True),
}


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_the_first_bad_op_is_named(program: Any) -> None:
    expected = PROGRAMS[program]
    check, _, rest = program.__name__.partition("_")
    with pytest.raises(tg.CheckError) as caught:
        tg.function(program, check=check)(BAD)
    error = caught.value
    frame = error.location.frame
    assert (error.op, error.iterations) == (expected.op, expected.iterations)
    assert frame is not None
    line = marked(__file__, f"{check} {rest}".replace("_", " "))
    assert (frame.file, frame.line) == (__file__, line)
    assert error.check == check
    assert error.backward is expected.backward
    assert not expected.name or error.name == expected.name


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_good_arguments_give_what_jit_gives(program: Any) -> None:
    check = program.__name__.partition("_")[0]
    found, expected = tg.function(program, check=check)(X), jax.jit(program)(X)
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert (one.dtype, one.weak_type) == (other.dtype, other.weak_type)
        np.testing.assert_array_equal(one, other)
