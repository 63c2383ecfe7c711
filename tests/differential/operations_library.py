"""Linear algebra, random numbers and element types, one small function each."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from tests.differential.operations import B4, C4, I4, KEY, P4, SPD, M, X, numpy_like

LINALG = numpy_like(
    cholesky=(jnp.linalg.cholesky, SPD),
    cholesky_update=(lambda a: lax.linalg.cholesky_update(a, a[0]), SPD),
    qr=(jnp.linalg.qr, M.T),
    svd=(lambda a: jnp.linalg.svd(a, full_matrices=False), M),
    eigh=(jnp.linalg.eigh, SPD + jnp.diag(jnp.arange(3.0))),
    eig=(jnp.linalg.eig, SPD + jnp.arange(3.0)),
    schur=(jax.scipy.linalg.schur, SPD),
    lu=(lambda a: (jax.scipy.linalg.lu(a), lax.linalg.lu(a)), SPD),
    solve=(lambda a: (jnp.linalg.solve(a, a[0]), jnp.linalg.inv(a), jnp.linalg.det(a)), SPD),
    triangular=(lambda a: jax.scipy.linalg.solve_triangular(a, a[0], lower=True), SPD),
    tridiagonal=(lambda d: lax.linalg.tridiagonal_solve(d, d + 3, d, d[:, None]), P4),
    least_squares=(lambda a: jnp.linalg.lstsq(a.T, a[0])[0], M),
    expm=(jax.scipy.linalg.expm, SPD / 9),
    gradients=(jax.grad(lambda a: jnp.linalg.cholesky(a).sum() + jnp.linalg.slogdet(a)[1]), SPD),
    fft=(lambda x: (jnp.fft.fft(x), jnp.fft.irfft(jnp.fft.rfft(x)), jnp.fft.fft2(x[None])), X),
)


RANDOM = numpy_like(
    split=(lambda k: (jax.random.split(k, 3), jax.random.fold_in(k, 7), jax.random.clone(k)), KEY),
    key_data=(lambda k: jax.random.wrap_key_data(jax.random.key_data(k)), KEY),
    keys_of_numbers=(lambda s: (jax.random.key(s), jax.random.PRNGKey(s)), 5),
    keys_in_a_scan=(
        lambda k: lax.scan(
            lambda c, _: (jax.random.split(c)[0], jax.random.uniform(c)), k, None, length=3
        ),
        KEY,
    ),
    keys_indexed=(lambda k: jax.vmap(jax.random.bits)(jax.random.split(k, 4)[1:3]), KEY),
    hardware_generator=(lambda k: lax.rng_bit_generator(k, (3,)), jnp.arange(4, dtype=jnp.uint32)),
)

SAMPLERS: dict[str, tuple[Any, ...]] = {
    "bits": (),
    "uniform": (),
    "normal": (),
    "bernoulli": (),
    "exponential": (),
    "gumbel": (),
    "laplace": (),
    "logistic": (),
    "cauchy": (),
    "rademacher": (),
    "truncated_normal": (-1.0, 1.0),
    "randint": ((3,), 0, 9),
    "permutation": (X,),
    "choice": (X,),
    "categorical": (X,),
    "gamma": (2.0,),
    "beta": (2.0, 3.0),
    "poisson": (3.0,),
    "binomial": (5.0, 0.4),
    "multivariate_normal": (SPD[0], SPD),
    "maxwell": (),
    "orthogonal": (2,),
    "weibull_min": (1.0, 2.0),
}

DTYPES = numpy_like(
    **{
        f"floats_{dtype}": (
            lambda x: (x + x, x * 3, jnp.sin(x), x.sum(), x @ x, x.astype(jnp.float32), x > 1),
            X.astype(dtype),
        )
        for dtype in ("float16", "bfloat16")
    },
    **{
        f"tiny_floats_{dtype}": (
            lambda x: (x.astype(jnp.float32) * 2).astype(x.dtype),
            X.astype(dtype),
        )
        for dtype in ("float8_e4m3fn", "float8_e5m2", "float8_e4m3b11fnuz")
    },
    **{
        f"integers_{dtype}": (
            lambda x: (x + x, x * x, x.sum(), x < 2, -x),
            jnp.arange(4, dtype=dtype),
        )
        for dtype in ("int8", "uint8", "int16", "uint16", "uint32")
    },
    **{
        f"tiny_integers_{dtype}": (lambda x: x.astype(jnp.int32) + 1, jnp.arange(4, dtype=dtype))
        for dtype in ("int4", "uint4")
    },
    booleans=(lambda x: (x & ~x, x | x, x ^ x, x.sum(), x.astype(float)), B4),
    complexes=(lambda x: (x * x, x / (x + 1), jnp.abs(x), x.real, x.conj(), x @ x), C4),
    mixed=(lambda a, b, c: a * b + c * 2 + 1.5, X.astype(jnp.bfloat16), I4, B4),
)
