"""Transparent under every transformation, inside, outside and in another function of ours."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.ad_checkpoint import checkpoint_name

import tracegraph as tg
from tests.differential.harness import assert_same, differential

X = jnp.linspace(0.1, 1.5, 4)
M = jnp.linspace(-1.0, 1.0, 12).reshape(3, 4)


def body(x: Any) -> Any:
    """A smooth function with an if, a sum and a constant, from vectors to vectors."""
    return jnp.where(x > 0.5, jnp.sin(x) * 2, jnp.exp(-x)) + x.sum() * jnp.arange(x.shape[-1])


def scalar(x: Any) -> Any:
    """The same as a number."""
    return (body(x) ** 2).sum()


def scanned(f: Any) -> Any:
    """Runs f in a scan."""
    return lambda x: lax.scan(lambda c, y: (f(c) / 10, c + y), x, jnp.stack([x, x]))


def looped(f: Any) -> Any:
    """Runs f in a while loop."""
    return lambda x: lax.while_loop(lambda s: s[0] < 3, lambda s: (s[0] + 1, f(s[1]) / 10), (0, x))


def branched(f: Any) -> Any:
    """Runs f in a branch."""
    return lambda x: lax.cond(x.sum() > 0, f, lambda y: y, x)


def custom_jvp(f: Any) -> Any:
    """Wraps f with a forward rule of its own."""
    g = jax.custom_jvp(f)
    g.defjvp(lambda p, t: (f(*p), 3.0 * t[0]))
    return g


def custom_vjp(f: Any) -> Any:
    """Wraps f with a backward rule of its own."""
    g = jax.custom_vjp(f)
    g.defvjp(lambda x: (f(x), x), lambda x, ct: (ct * x,))
    return g


def linearized(f: Any) -> Any:
    """Runs the linear part of f."""

    def run(x: Any) -> Any:
        y, pushforward = jax.linearize(f, x)
        return y, pushforward(jnp.ones_like(x))

    return run


def transposed(f: Any) -> Any:
    """Transposes the linear part of f."""

    def run(x: Any) -> Any:
        pushforward = jax.linearize(f, x)[1]
        return jax.linear_transpose(pushforward, x)(f(x))

    return run


WRAPPERS = {
    "jit": jax.jit,
    "vmap": lambda f: lambda x: jax.vmap(f)(jnp.stack([x, -x])),
    "vmap_in_axes": lambda f: lambda x: jax.vmap(f, in_axes=1, out_axes=1)(jnp.stack([x, -x], 1)),
    "jvp": lambda f: lambda x: jax.jvp(f, (x,), (jnp.ones_like(x),)),
    "vjp": lambda f: lambda x: jax.vjp(f, x)[1](x),
    "jacfwd": jax.jacfwd,
    "jacrev": jax.jacrev,
    "hessian": lambda f: jax.hessian(lambda x: f(x).sum()),
    "grad": lambda f: jax.grad(lambda x: f(x).sum()),
    "value_and_grad": lambda f: jax.value_and_grad(lambda x: f(x).sum()),
    "grad_of_vmap": lambda f: jax.grad(lambda x: jax.vmap(f)(jnp.stack([x, x])).sum()),
    "vmap_of_grad": lambda f: lambda x: jax.vmap(jax.grad(lambda y: f(y).sum()))(jnp.stack([x, x])),
    "checkpoint": jax.checkpoint,
    "grad_of_checkpoint": lambda f: jax.grad(lambda x: jax.checkpoint(f)(x).sum()),
    "scan": scanned,
    "while_loop": looped,
    "fori_loop": lambda f: lambda x: lax.fori_loop(0, 3, lambda i, y: f(y) / 10, x),
    "cond": branched,
    "map": lambda f: lambda x: lax.map(f, jnp.stack([x, -x])),
    "grad_of_scan": lambda f: jax.grad(lambda x: scanned(f)(x)[0].sum()),
    "grad_of_cond": lambda f: jax.grad(lambda x: branched(f)(x).sum()),
    "custom_jvp": custom_jvp,
    "grad_of_custom_jvp": lambda f: jax.grad(lambda x: custom_jvp(f)(x).sum()),
    "custom_vjp": custom_vjp,
    "grad_of_custom_vjp": lambda f: jax.grad(lambda x: custom_vjp(f)(x).sum()),
    "linearize": linearized,
    "linear_transpose": transposed,
    "eval_shape": lambda f: functools.partial(jax.eval_shape, f),
    "closure_convert": lambda f: lambda x: jax.closure_convert(f, x)[0](x),
    "named_call": jax.named_call,
}


@pytest.mark.parametrize("name", WRAPPERS)
def test_outside(name: str) -> None:
    """A decorated function under the transformation, as a whole called from Python."""
    assert_same(lambda jit: WRAPPERS[name](jit(body))(X))


@pytest.mark.parametrize("name", WRAPPERS)
def test_inside(name: str) -> None:
    """The transformation inside a decorated function."""
    wrapped = WRAPPERS[name]
    if name == "eval_shape":
        wrapped = lambda f: lambda x: jnp.zeros(jax.eval_shape(f, x).shape)  # noqa: E731
    assert_same(lambda jit: jit(wrapped(body))(X), ulps=2)


@pytest.mark.parametrize("name", WRAPPERS)
def test_inside_and_in_another(name: str) -> None:
    """A decorated function under the transformation, in a decorated function."""
    if name == "eval_shape":
        pytest.skip("its result is no array")
    assert_same(lambda jit: jit(WRAPPERS[name](jit(body)))(X), ulps=2)


@pytest.mark.parametrize("name", ["grad", "vmap", "jit", "scan", "checkpoint", "custom_jvp"])
def test_between_two(name: str) -> None:
    """A transformation of a decorated function that itself transforms one."""
    wrap = WRAPPERS[name]
    assert_same(lambda jit: jax.jacfwd(jit(lambda x: wrap(jit(body))(x)))(X), ulps=2)


def jaxpr_text(f: Any, *args: Any) -> str:
    """The jaxpr as text."""
    return str(jax.make_jaxpr(f)(*args))


@differential
def test_make_jaxpr_outside(jit: Any) -> Any:
    return jaxpr_text(jit(body), X), jaxpr_text(jax.grad(jit(scalar)), X)


@differential
def test_make_jaxpr_of_vmap(jit: Any) -> Any:
    return jaxpr_text(jax.vmap(jit(body)), M)


@differential
def test_differentiated_twice(jit: Any) -> Any:
    f = jit(scalar)
    return jax.grad(lambda x: jax.grad(f)(x)[0])(X), jax.hessian(f)(X)


@differential
def test_grad_with_respect_to_several(jit: Any) -> Any:
    f = jit(lambda p, x, n: (p["w"] @ x * n).sum() + p["b"], static_argnums=2)
    return jax.grad(f, argnums=(0, 1))({"w": M, "b": 1.0}, X, 3)


@differential
def test_grad_with_aux_and_integers(jit: Any) -> Any:
    f = jit(lambda x, i: ((x * i).sum(), {"i": i + 1, "x": x}))
    return jax.value_and_grad(f, has_aux=True)(X, 3)


@differential(raises=True)
def test_grad_of_integers_is_refused(jit: Any) -> Any:
    return jax.grad(jit(lambda x: x * 2))(3)


@differential
def test_vmap_with_axis_name(jit: Any) -> Any:
    f = jit(lambda x: x / lax.psum(x, "i") + lax.axis_index("i"))
    return jax.vmap(f, axis_name="i")(M)


@differential
def test_vmap_of_keywords_and_none(jit: Any) -> Any:
    f = jit(lambda x, y: x + y)
    return jax.vmap(f, in_axes=(0, None))(M, 2.0), jax.vmap(f, in_axes=(None, 1))(X[:3], M)


@differential
def test_grad_inside_closes_over_the_outer_argument(jit: Any) -> Any:
    inner = jit(lambda y, s: (y * s).sum())
    return jit(lambda x, s: jax.grad(lambda y: inner(y, s) + (y * s).sum())(x) * s)(X, 2.0)


@differential
def test_perturbation_confusion(jit: Any) -> Any:
    return jax.grad(lambda x: x * jax.grad(jit(lambda y: x + y))(1.0))(1.0)


@differential
def test_closes_over_an_outer_tracer(jit: Any) -> Any:
    def outer(x: Any) -> Any:
        return jit(lambda y: x * y)(2.0) + jit(lambda: x)()

    return jit(outer)(X), jax.grad(lambda x: outer(x).sum())(X), jax.vmap(outer)(M), outer(X)


@differential
def test_closed_over_tracer_in_a_scan(jit: Any) -> Any:
    def run(x: Any) -> Any:
        return lax.scan(lambda c, y: (jit(lambda z: z * x[1] + c)(y), c), x[0], x)[1]

    return run(X), jit(run)(X)


@differential
def test_deep_nesting(jit: Any) -> Any:
    f = body
    for _ in range(6):
        f = jit(lambda x, f=f: f(x) / 7)
    return f(X), jax.grad(lambda x: f(x).sum())(X)


@differential
def test_ours_and_plain_jit_in_turns(jit: Any) -> Any:
    f = jit(lambda x: jax.jit(lambda y: jit(body)(y) + 1)(x) * 2)
    return f(X), jax.jit(f)(X), jax.jit(jax.grad(lambda x: f(x).sum()))(X)


@differential
def test_recursion(jit: Any) -> Any:
    @functools.partial(jit, static_argnums=1)
    def power(x: Any, n: int) -> Any:
        return x if n == 1 else x * power(x, n - 1)

    return power(X, 5)


@differential
def test_custom_jvp_with_nondiff_arguments(jit: Any) -> Any:
    @functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
    def f(g: Any, x: Any) -> Any:
        return g(x)

    f.defjvp(lambda g, p, t: (g(*p), t[0] * 5))
    call = jit(lambda x: f(jit(jnp.sin), x).sum())
    return call(X), jax.grad(call)(X)


@differential
def test_custom_vjp_with_residuals_and_closure(jit: Any) -> Any:
    table = jnp.arange(4.0)

    @jax.custom_vjp
    def f(x: Any, n: Any) -> Any:
        return x * table * n

    f.defvjp(lambda x, n: (f(x, n), (x, n)), lambda r, ct: (ct * r[0] * 2, None))
    call = jit(lambda x: f(x, 3).sum())
    return call(X), jax.grad(call)(X), jit(jax.grad(call))(X)


@differential
def test_custom_gradient_and_stop_gradient(jit: Any) -> Any:
    @jax.custom_gradient
    def f(x: Any) -> Any:
        return x**2, lambda ct: ct * 7

    g = jit(lambda x: (f(x) + lax.stop_gradient(x) * x).sum())
    return g(X), jax.grad(g)(X), jit(jax.grad(g))(X)


@differential
def test_custom_batching(jit: Any) -> Any:
    @jax.custom_batching.custom_vmap
    def f(x: Any) -> Any:
        return jnp.sin(x)

    f.def_vmap(lambda size, batched, x: (jnp.cos(x), batched[0]))
    return jit(f)(X), jit(jax.vmap(f))(X), jax.vmap(jit(f))(X)


@pytest.mark.parametrize("policy", ["everything_saveable", "nothing_saveable", "dots_saveable"])
def test_checkpoint_policies(policy: str) -> None:
    def program(jit: Any) -> Any:
        f = jax.checkpoint(
            lambda w, x: jnp.sin(w @ x).sum(), policy=getattr(jax.checkpoint_policies, policy)
        )
        return jit(jax.grad(f))(M, X), jax.grad(jit(f))(M, X)

    assert_same(program)


@differential
def test_checkpoint_names(jit: Any) -> Any:
    policy = jax.checkpoint_policies.save_only_these_names("a")
    f = jax.checkpoint(lambda x: jnp.cos(checkpoint_name(jnp.sin(x), "a")).sum(), policy=policy)
    return jit(jax.grad(f))(X)


@differential
def test_ensure_compile_time_eval(jit: Any) -> Any:
    def f(x: Any) -> Any:
        with jax.ensure_compile_time_eval():
            n = int(jnp.arange(3).sum())
        return x * n

    return jit(f)(X)


@differential
def test_numpy_arguments_under_transformations(jit: Any) -> Any:
    f = jit(scalar)
    return jax.grad(f)(np.asarray(X)), jax.vmap(f)(np.asarray(M))


@differential
def test_called_in_every_way_one_after_another(jit: Any) -> Any:
    """An answer made under a transformation must not be given to a plain call, nor the reverse."""
    f = jit(body)
    first = f(X), jax.grad(lambda x: f(x).sum())(X), f(X), jax.vmap(f)(M), f(M[0])
    with jax.disable_jit():
        second = f(X)
    return first, second, f(X), jax.jit(f)(X), f(X)


@differential
def test_a_known_number_stays_weakly_typed_under_a_transformation(jit: Any) -> Any:
    """A loop of known length leaves a number of it: what it is combined with keeps its own type."""
    f = jit(lambda x: lax.while_loop(lambda s: s[0] < 5, lambda s: (s[0] + 1, s[1] * 1.1), (0, x)))
    count, _ = jax.vmap(f)(X)
    (pushed, _), _ = jax.jvp(f, (X,), (X,))
    return count, pushed, count * jnp.int8(3), jit(lambda x: jax.vmap(f)(x)[0] * jnp.int8(3))(X)


@pytest.mark.parametrize("outer", [jax.checkpoint, jax.vmap], ids=["checkpoint", "vmap"])
def test_without_jit_the_function_is_plain_python_wherever_it_is_called(outer: Any) -> None:
    """Also while somebody traces: derivatives of its own and Python's own numbers stay."""

    def run(jit: Any) -> Any:
        with jax.disable_jit():
            slope = jax.grad(jax.checkpoint(jit(jax.nn.relu)))(0.0)
            number = outer(lambda x: x * jit(lambda k: 2.0 if k > 1 else 3.0)(5))(X)
            jaxpr = jax.make_jaxpr(lambda x: x * jit(lambda k: k + 1.0)(5.0))(1.0)
            return slope, number.tolist(), str(jaxpr)

    assert run(tg.function) == run(jax.jit)


@differential
def test_the_slope_of_a_power_has_its_own_type(jit: Any) -> Any:
    slopes = [jax.grad(jit(lambda x, n=n: jnp.power(x, n)))(2.0) for n in (1.0, 2.0, -3.0, 0.5)]
    return slopes, [slope * jnp.ones(2, jnp.bfloat16) for slope in slopes]


@differential(raises=True)
def test_a_counted_while_loop_has_no_reverse_mode(jit: Any) -> Any:
    """Also where it could be a scan, which has one: the error is JAX's own."""
    f = jit(lambda x: lax.while_loop(lambda s: s[0] < 3, lambda s: (s[0] + 1, s[1] * 2), (0, x))[1])
    return jax.grad(f)(1.0)


@differential
def test_primitives_that_stand_for_others_keep_their_derivatives(jit: Any) -> Any:
    hijax = pytest.importorskip("jax.experimental.hijax", reason="newer than the oldest jax")
    if not hasattr(hijax, "HiPrimitive"):
        pytest.skip("the newest jax has none")

    class Rounded(hijax.HiPrimitive):
        def is_high(self, _: Any) -> bool:
            return True

        def abstract_eval(self, x: Any) -> Any:
            return x, set()

        def to_lojax(self, x: Any) -> Any:
            return jnp.round(x)

        def jvp(self, primals: Any, tangents: Any) -> Any:
            return rounded.bind(primals[0]), tangents[0]

        def transpose(self, ct: Any, _: Any) -> Any:
            return [ct]

    rounded: Any = Rounded("rounded")
    f = jit(lambda x: rounded.bind(x) * 2)
    return f(1.3), jax.grad(f)(1.3), jit(jax.grad(f))(1.3)


def test_a_known_number_divided_by_a_known_zero() -> None:
    """XLA divides known numbers when it compiles, and would kill the process."""
    f = tg.function(lambda x: (lax.div(x - x, x - x), lax.rem(jnp.ones_like(x), x - x)))
    quotient, remainder = f(jnp.arange(3, dtype=jnp.int32))
    assert quotient.tolist() == [-1, -1, -1]
    assert remainder.tolist() == [1, 1, 1]


def test_a_sum_of_pads_keeps_the_sign_of_zero_at_the_exact_level() -> None:
    """Zero and -0.0 are 0.0; what is joined instead is -0.0, once XLA has left out the zero."""

    def f(x: Any) -> Any:
        return jnp.pad(x[:2] * -1.0, (0, 2)) + jnp.pad(x[2:] * -1.0, (2, 0))

    found = tg.function(f, numerics="exact")(jnp.zeros(4))
    assert not jnp.signbit(found).any()
