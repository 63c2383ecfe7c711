"""Primitives that nobody here has heard of pass through whole: Pallas, FFI, somebody's own."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental import pallas as pl
from jax.experimental.sparse import BCOO, sparsify
from jax.experimental.sparse.transform import SparseTrace
from jax.extend import core as extend_core
from jax.interpreters import batching, mlir

import tracegraph as tg
from tests.differential.harness import differential

X = jnp.arange(8.0)


def double_kernel(x_ref: Any, o_ref: Any) -> None:
    o_ref[...] = x_ref[...] * 2


@differential
def test_pallas(jit: Any) -> Any:
    shape = jax.ShapeDtypeStruct(X.shape, X.dtype)
    double = pl.pallas_call(double_kernel, out_shape=shape, interpret=True)
    return jit(lambda x: double(x) + double(x + 1))(X)


@differential
def test_pallas_with_a_grid(jit: Any) -> Any:
    double = pl.pallas_call(
        double_kernel,
        out_shape=jax.ShapeDtypeStruct(X.shape, X.dtype),
        grid=(2,),
        in_specs=[pl.BlockSpec((4,), lambda i: (i,))],
        out_specs=pl.BlockSpec((4,), lambda i: (i,)),
        interpret=True,
    )
    return jit(double)(X), jit(lambda x: jit(double)(x) - x)(X)


def ffi_cholesky(x: Any) -> Any:
    """Calls a LAPACK routine that jaxlib registers, by its FFI name."""
    call = jax.ffi.ffi_call(
        "lapack_spotrf_ffi",
        (jax.ShapeDtypeStruct((3, 3), jnp.float32), jax.ShapeDtypeStruct((), jnp.int32)),
        input_layouts=[(0, 1)],
        output_layouts=[(0, 1), ()],
    )
    return call(x, uplo=np.uint8(ord("L")))


@differential
def test_ffi_call(jit: Any) -> Any:
    jnp.linalg.cholesky(jnp.eye(3))  # loads and registers the library
    return jit(lambda x: ffi_cholesky(x)[0] + 1)(jnp.eye(3) * 4)


def make_primitive(name: str) -> Any:
    """A primitive that triples, as a library of its own would define it."""
    primitive = extend_core.Primitive(name)
    primitive.def_abstract_eval(lambda x: x)
    primitive.def_impl(lambda x: x * 3)
    mlir.register_lowering(primitive, mlir.lower_fun(lambda x: x * 3, multiple_results=False))
    batching.primitive_batchers[primitive] = lambda args, dims: (primitive.bind(*args), dims[0])
    return primitive


TRIPLE = make_primitive("test_triple")
FALSE_SIN = make_primitive("sin")
FALSE_TRANSPOSE = make_primitive("transpose")


@differential
def test_somebodys_own_primitive(jit: Any) -> Any:
    f = jit(lambda x: TRIPLE.bind(x) + TRIPLE.bind(TRIPLE.bind(x)))
    return f(X), jax.vmap(f)(X), jit(lambda x: jax.lax.map(f, x))(X)


@pytest.mark.parametrize("primitive", [FALSE_SIN, FALSE_TRANSPOSE], ids=str)
def test_a_primitive_with_the_name_of_a_known_one(primitive: Any) -> None:
    """It is not taken for JAX's own: nothing is known of it."""
    differential(lambda jit: jit(lambda x: primitive.bind(primitive.bind(x)) + jnp.sin(x))(X))()


def test_an_unknown_op_is_never_merged_or_dropped() -> None:
    @tg.function
    def f(x: Any) -> Any:
        TRIPLE.bind(x)
        return TRIPLE.bind(x) + TRIPLE.bind(x)

    names = [op.name for op in f.graph(X).body]
    assert names.count("foreign.test_triple") == 3


@differential
def test_primitive_with_parameters_of_every_kind(jit: Any) -> Any:
    primitive = extend_core.Primitive("test_parameters")
    primitive.def_abstract_eval(lambda x, **_: x)

    def lower(x: Any, *, table: Any, nested: Any, scale: Any, maker: Any) -> Any:
        return maker(x * scale) + sum(table) + len(nested[1])

    mlir.register_lowering(primitive, mlir.lower_fun(lower, multiple_results=False))
    parameters = {
        "table": (np.int8(1), np.int64(2), True),
        "nested": (frozenset({3}), ("a", None, range(3))),
        "scale": np.float32(2),
        "maker": jnp.sin,
    }
    return jit(lambda x: primitive.bind(x, **parameters))(X)


def seen_by_an_interpreter(jit: Any) -> list[str]:
    """The primitives in a decorated function, as a trace that is not JAX's own meets them."""
    keep, seen = SparseTrace.process_primitive, list[str]()

    def spy(self: Any, primitive: Any, tracers: Any, params: Any) -> Any:
        if "jaxpr" in params:
            seen.extend(eqn.primitive.name for eqn in params["jaxpr"].jaxpr.eqns)
        return keep(self, primitive, tracers, params)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SparseTrace, "process_primitive", spy)
        found = sparsify(jit(lambda m, x: (m @ x)[::-1][::-1]), use_tracer=True)(
            BCOO.fromdense(jnp.eye(8)), X
        )
    np.testing.assert_array_equal(found, X)
    return seen


def test_an_interpreter_sees_what_the_user_wrote() -> None:
    """It may know no others, or give them a meaning under which a law does not hold."""
    assert "rev" in seen_by_an_interpreter(jax.jit)
    assert seen_by_an_interpreter(tg.function) == seen_by_an_interpreter(jax.jit)


def test_so_does_one_around_a_transformation() -> None:
    def differentiated(jit: Any) -> Any:
        return lambda f: lambda m, x: jax.jvp(lambda y: jit(f)(m, y), (x,), (x,))[1]

    seen = seen_by_an_interpreter(differentiated(jax.jit))
    assert "rev" in seen
    assert seen_by_an_interpreter(differentiated(tg.function)) == seen
