"""The object at run time: stages, caches, retraces, threads and wrappers."""

from __future__ import annotations

import contextlib
import functools
import logging
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export
from jax.extend.core import jaxpr_as_fun

from tests.differential.harness import differential

X = jnp.arange(4.0)


def square_sum(x: Any, *, power: Any = 2) -> Any:
    """A function of the module, which pickle can find."""
    return {"sum": (x**power).sum(), "x": x}


@differential
def test_lower_and_compile(jit: Any) -> Any:
    compiled = jit(square_sum).lower(X).compile()
    return compiled(X), compiled(X + 1), compiled.in_tree, compiled.out_tree


@differential
def test_lower_with_keywords_and_static(jit: Any) -> Any:
    f = jit(square_sum, static_argnames="power")
    compiled = f.lower(X, power=3).compile()
    return compiled(X), str(compiled.args_info), compiled.out_info


@differential(raises=True)
def test_compiled_refuses_other_shapes(jit: Any) -> Any:
    return jit(square_sum).lower(X).compile()(X[:2])


@differential(raises=True)
def test_compiled_refuses_other_structure(jit: Any) -> Any:
    return jit(square_sum).lower(X).compile()(X, X)


@differential
def test_lower_from_shapes_only(jit: Any) -> Any:
    shape = jax.ShapeDtypeStruct((4,), jnp.float32)
    lowered = jit(square_sum).lower(shape)
    return lowered.in_tree, lowered.out_tree, lowered.out_info, lowered.compile()(X)


@differential
def test_trace(jit: Any) -> Any:
    traced = jit(square_sum).trace(X)
    avals = traced.jaxpr.in_avals, traced.jaxpr.out_avals
    return avals, traced.out_info, traced.args_info, traced.fun_name, traced.lower().compile()(X)


@differential
def test_lowering_for_another_platform(jit: Any) -> Any:
    return "tpu" in str(jit(square_sum).trace(X).lower(lowering_platforms=("tpu",)).as_text())


@differential
def test_compile_with_options(jit: Any) -> Any:
    lowered = jit(square_sum).lower(X)
    return lowered.compile(compiler_options={"xla_embed_ir_in_executable": True})(X)


@differential
def test_compiled_analyses(jit: Any) -> Any:
    compiled = jit(square_sum).lower(X).compile()
    memory = compiled.memory_analysis()
    cost = compiled.cost_analysis()
    return memory.argument_size_in_bytes, memory.output_size_in_bytes, cost["flops"]


@differential
def test_eval_shape(jit: Any) -> Any:
    f = jit(square_sum)
    return f.eval_shape(X), jax.eval_shape(f, X), f.eval_shape(jax.ShapeDtypeStruct((2,), int))


@differential
def test_stages_are_wrapped(jit: Any) -> Any:
    return isinstance(jit(square_sum), jax.stages.Wrapped)


@differential
def test_exported_and_called(jit: Any) -> Any:
    exported = export.export(jit(square_sum))(X)
    return exported.call(X), exported.in_avals, exported.out_avals, exported.fun_name


@jax.custom_vjp
def clipped(x: Any) -> Any:
    """The sine, with a derivative that is not its own."""
    return jnp.sin(x)


clipped.defvjp(lambda x: (jnp.sin(x), x), lambda _, ct: (jnp.clip(100 * ct, -5, 5),))


@pytest.mark.parametrize("f", [clipped, jax.nn.relu, jax.nn.softplus], ids=["vjp", "jvp", "nn"])
def test_exported_with_derivatives_of_its_own(f: Any) -> None:
    def run(jit: Any) -> Any:
        exported = export.export(jit(lambda x: f(x) * 2))(0.0)
        again = export.deserialize(exported.serialize(vjp_order=2))
        calls = (exported.call, again.call, jit(lambda x: f(x) * 2))
        slopes = [jax.grad(call)(0.0) for call in calls]
        return exported.call(0.0), exported.vjp().call(0.0, 1.0), slopes

    differential(run)()


@differential
def test_derivative_of_a_trace(jit: Any) -> Any:
    jaxpr = jit(lambda x: clipped(x)).trace(1.0).jaxpr
    return jax.grad(lambda x: jaxpr_as_fun(jaxpr)(x)[0])(1.0)


@differential
def test_exported_with_symbolic_shapes(jit: Any) -> Any:
    shape = jax.ShapeDtypeStruct(export.symbolic_shape("a, 3"), jnp.float32)
    exported = export.export(jit(lambda x: (x.sum(0), x.reshape(-1) * x.shape[0])))(shape)
    return exported.call(jnp.ones((2, 3))), exported.call(jnp.ones((5, 3)))


@differential
def test_exported_for_several_platforms(jit: Any) -> Any:
    exported = export.export(jit(square_sum), platforms=("cpu", "tpu", "cuda"))(X)
    return exported.platforms, exported.call(X)


@differential
def test_retraces(jit: Any) -> Any:
    """The user's Python runs exactly as often as under plain jit."""
    calls = []

    @functools.partial(jit, static_argnames="power")
    def f(x: Any, power: int = 2, **named: Any) -> Any:
        calls.append((x.shape, str(x.dtype), x.weak_type, power))
        return x**power + sum(named.values())

    arguments = [X, X + 1, np.asarray(X), X[:2], 1.0, 1, np.float32(1), jnp.int32(1), 1.0, True]
    for argument in arguments:
        f(argument)
        f(argument, power=2)
        f(argument, 3, y=1.0)
        f(argument, 3, y=2.0)
    f.lower(X), f.trace(X), f.eval_shape(X), jax.eval_shape(f, X), jax.vmap(f)(X)
    jax.grad(lambda x: f(x).sum())(X), jax.jit(f)(X), jax.make_jaxpr(f)(X)
    return calls


@differential
def test_retraces_after_clear_cache(jit: Any) -> Any:
    calls = []
    f = jit(lambda x: calls.append(1) or x)
    f(X), f(X)
    f.clear_cache()
    f(X), f(X)
    jax.clear_caches()
    f(X), f(X)
    return len(calls)


@differential
def test_retraces_by_configuration(jit: Any) -> Any:
    calls = []
    f = jit(lambda x: calls.append(1) or x @ x)
    f(X)
    with jax.default_matmul_precision("float32"):
        f(X), f(X)
    with jax.default_device(jax.devices()[1]):
        result = f(np.asarray(X))
    return result, len(calls)


@differential
def test_one_trace_serves_equal_functions(jit: Any) -> Any:
    calls = []

    def f(x: Any) -> Any:
        calls.append(1)
        return x

    jit(f)(X), jit(f)(X)
    return len(calls)


@differential
def test_cache_size(jit: Any) -> Any:
    f = jit(lambda x: x)
    sizes = [f._cache_size()]
    for argument in (X, X, X[:2], 1, 1.0):
        f(argument)
        sizes.append(f._cache_size())
    f.clear_cache()
    return sizes, f._cache_size()


@differential
def test_many_threads_call_one_function(jit: Any) -> Any:
    calls = []
    f = jit(lambda x, n: calls.append(1) or (x * n).sum(), static_argnums=1)
    barrier = threading.Barrier(8)

    def work(i: int) -> Any:
        barrier.wait()
        return [f(X + i, n % 3) for n in range(12)]

    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(work, range(8)))


@differential
def test_threads_trace_each_other(jit: Any) -> Any:
    inner = jit(lambda x: jnp.sin(x))
    fs = [jit(lambda x, i=i: inner(x) * i) for i in range(6)]
    with ThreadPoolExecutor(6) as pool:
        return list(pool.map(lambda f: (f(X), jax.grad(lambda x: f(x).sum())(X)), fs))


@differential
def test_configuration_of_a_thread(jit: Any) -> Any:
    f = jit(lambda x: x * 2)

    def work() -> Any:
        with jax.default_device(jax.devices()[2]):
            return f(np.ones(2))

    with ThreadPoolExecutor(1) as pool:
        return f(np.ones(2)), pool.submit(work).result()


def wrapped_by(jit: Any, how: Any) -> Any:
    """A function that copies the attributes of a decorated one, asked for all its methods."""
    f = jit(how(jit(square_sum)))
    jitted = jax.jit(how(jit(square_sum)))
    return (
        [g(X) for g in (f, jitted)],
        [g.lower(X).compile()(X) for g in (f, jitted)],
        [g.eval_shape(X) for g in (f, jitted)],
        [g.trace(X).out_info for g in (f, jitted)],
    )


@differential
def test_functools_wraps_around_a_decorated_function(jit: Any) -> Any:
    def how(f: Any) -> Any:
        return functools.wraps(f)(lambda x: (f(x)["sum"], 3))

    return wrapped_by(jit, how)


@differential
def test_jax_transformation_around_a_decorated_function(jit: Any) -> Any:
    return wrapped_by(jit, lambda f: jax.grad(lambda x: f(x)["sum"])), wrapped_by(jit, jax.jacfwd)


@differential
def test_function_attributes_that_have_the_names_of_methods(jit: Any) -> Any:
    def f(x: Any) -> Any:
        return x + 1

    f.trace = f.lower = f.graph = f.eval_shape = "mine"  # pyright: ignore[reportFunctionMemberAccess]
    return jit(f)(X)


@differential
def test_explained_cache_misses(jit: Any) -> Any:
    def wave(x: Any) -> Any:
        return jnp.sin(x) + 1

    f = jit(wave)
    with jax.explain_cache_misses(True), logged("jax") as messages:
        f(X), f(X), f(X[:2]), f(1.0)
        jax.grad(f)(1.0), jax.vmap(f)(X), f.lower(X[:1])
    varying = r"id=\d+|costing [\d.]+ ms"
    return [re.sub(varying, "", message).splitlines()[0] for message in messages]


@contextlib.contextmanager
def logged(name: str) -> Iterator[list[str]]:
    """What is said to a logger."""
    messages: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: messages.append(record.getMessage())
    logging.getLogger(name).addHandler(handler)
    try:
        yield messages
    finally:
        logging.getLogger(name).removeHandler(handler)
