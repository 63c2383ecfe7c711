"""Control flow of every kind, one small function each."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from tests.differential.operations import SPD, X, numpy_like


def fixed_point(x: Any) -> Any:
    """A root found by steps, differentiated implicitly."""

    def solve(f: Any, start: Any) -> Any:
        return lax.fori_loop(0, 5, lambda _, y: y - f(y) / (2 * y), start)

    return lax.custom_root(
        lambda y: y**2 - x, jnp.float32(1), solve, lambda g, y: y / g(jnp.float32(1))
    )


CONTROL_FLOW = numpy_like(
    cond=(lambda x: lax.cond(x[0] > 0, jnp.sin, lambda y: y * 2, x), X),
    cond_false=(lambda x: lax.cond(x[1] > 0, lambda: x, lambda: -x), X),
    cond_unused=(lambda x: lax.cond(x[1] > 0, lambda: (x, x * 2), lambda: (-x, x))[0], X),
    switch=(lambda i, x: lax.switch(i, [jnp.sin, jnp.cos, lambda y: y], x), 1, X),
    switch_outside=(lambda i, x: lax.switch(i, [jnp.sin, jnp.cos, lambda y: y], x), -5, X),
    select_platform=(lambda x: lax.platform_dependent(x, cpu=jnp.sin, default=jnp.cos), X),
    while_loop=(
        lambda x: lax.while_loop(lambda c: c[0] < 50, lambda c: (c[0] * 2, c[1] + x), (1, x)),
        X,
    ),
    while_never=(lambda x: lax.while_loop(lambda c: c > 50, lambda c: c * 2, x), 3.0),
    while_closure=(lambda x: lax.while_loop(lambda c: c < x.sum(), lambda c: c + x[2], 0.0), X),
    fori_loop=(lambda x: lax.fori_loop(0, 5, lambda i, c: c + x[i % 4] * i, 0.0), X),
    fori_dynamic=(lambda n, x: lax.fori_loop(0, n, lambda i, c: c * x, x), 3, X),
    scan=(lambda x: lax.scan(lambda c, y: (c + y, c * y), 0.0, x), X),
    scan_reverse=(lambda x: lax.scan(lambda c, y: (c + y, c * y), 0.0, x, reverse=True), X),
    scan_unroll=(lambda x: lax.scan(lambda c, y: (c + y, c), 0.0, x, unroll=2), X),
    scan_no_inputs=(lambda x: lax.scan(lambda c, _: (c * x, None), x, None, length=3), X),
    scan_empty=(lambda x: lax.scan(lambda c, y: (c + y, y), 0.0, x[:0]), X),
    scan_constants=(lambda x: lax.scan(lambda c, i: (c + x[i], x * i), 0.0, jnp.arange(4)), X),
    scan_unused_carry=(
        lambda x: lax.scan(lambda c, y: ((c[0] + y, c[1] * 2), y), (0.0, 1.0), x)[1],
        X,
    ),
    scan_nested=(
        lambda x: lax.scan(lambda c, y: lax.scan(lambda d, z: (d + z * y, d), c, x), 0.0, x),
        X,
    ),
    scan_with_cond=(
        lambda x: lax.scan(lambda c, y: (lax.cond(y > 0, lambda: c + y, lambda: c - 1), c), 0.0, x),
        X,
    ),
    map=(lambda x: lax.map(lambda y: jnp.sin(y) * x, x), X),
    map_batched=(lambda x: lax.map(lambda y: y * 2, x, batch_size=3), X),
    grad_of_scan=(jax.grad(lambda x: lax.scan(lambda c, y: (jnp.sin(c * y), c), 1.0, x)[0]), X),
    grad_of_while=(
        lambda x: jax.jvp(
            lambda y: lax.while_loop(lambda c: c < 9, lambda c: c * y, y), (x,), (x,)
        ),
        2.0,
    ),
    remat=(jax.grad(lambda x: jax.checkpoint(lambda y: jnp.sin(jnp.sin(y)))(x).sum()), X),
    custom_root=(lambda x: (fixed_point(x), jax.grad(fixed_point)(x)), 2.0),
    custom_linear_solve=(
        lambda a, b: lax.custom_linear_solve(
            lambda x: a @ x, b, lambda _, y: jnp.linalg.solve(a, y), symmetric=True
        ),
        SPD,
        SPD[0],
    ),
    conjugate_gradient=(
        lambda a: jax.scipy.sparse.linalg.cg(lambda x: a @ x, a[0], maxiter=3)[0],
        SPD,
    ),
    inner_jits=(lambda x: jax.jit(lambda y: jax.jit(jnp.sin)(y) + 1)(jax.jit(jnp.cos)(x)), X),
    same_jit_twice=(lambda x, f=jax.jit(lambda y: y * 2 + 1): f(f(x)) + f(x), X),  # noqa: B008
    vectorized=(
        lambda x: jnp.vectorize(lambda y, z: y @ z, signature="(n),(n)->()")(x[None], x),
        X,
    ),
)
