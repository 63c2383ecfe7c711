"""Kernels beside their ops: each platform's own, at the level asked for, nowhere else."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export

import tracegraph as tg
from compiler.ir import walk
from compiler.passes.manager import PassManager
from compiler.passes.pipeline import parse_pipeline

X = jax.random.normal(jax.random.key(0), (128, 4))


def running(x):
    return jnp.cumsum(x * 2.0, axis=0) + lax_max(x)


def lax_max(x):
    return jax.lax.cummax(x, axis=0)


def names(graph):
    return [op.name for op in walk(graph)]


def test_a_kernel_stands_in_a_branch_on_the_platform():
    graph = tg.function(running).graph(X)
    conds = [op for op in walk(graph) if op.name == "cond"]
    assert len(conds) == 2
    assert all(op.attributes["branches_platforms"] == (("cpu",), None) for op in conds)


def test_the_values_are_those_of_plain_jit():
    np.testing.assert_allclose(tg.function(running)(X), jax.jit(running)(X), rtol=1e-5, atol=1e-5)


def test_each_platform_is_lowered_to_its_own():
    step = tg.function(running)
    cpu = step.trace(X).lower(lowering_platforms=("cpu",)).as_text()
    tpu = step.trace(X).lower(lowering_platforms=("tpu",)).as_text()
    assert "stablehlo.while" in cpu
    assert "stablehlo.while" not in tpu
    assert "reduce_window" not in cpu


def test_an_export_for_several_platforms_carries_both():
    exported = export.export(tg.function(running), platforms=("cpu", "tpu"))(X)
    np.testing.assert_allclose(exported.call(X), jax.jit(running)(X), rtol=1e-5, atol=1e-5)


def test_the_level_decides():
    exact = names(tg.function(running, numerics="exact").graph(X))
    assert exact.count("cond") == 1  # a maximum has the same bits in any order, a sum has not
    assert exact.count("cumsum") == 1


def test_an_op_on_few_numbers_is_not_even_looked_at():
    run = tg.function(running).trace(X[:3, :3]).passes[-2]
    assert run.title.endswith("lower-platform")
    assert not run.log.near_misses


def test_sizes_that_are_no_numbers_are_left_alone():
    """Beside an operand of known sizes, which alone is large enough to be looked at."""

    def separable(x, w):
        layout = ("NHWC", "HWIO", "NHWC")
        groups = {"dimension_numbers": layout, "feature_group_count": w.shape[-1]}
        return jax.lax.conv_general_dilated(x, w, (1, 1), "SAME", **groups)

    image = jax.ShapeDtypeStruct(export.symbolic_shape("b, 32, 32, 16"), "float32")
    weights = jnp.ones((3, 3, 1, 16))
    exported = export.export(tg.function(separable))(image, weights)
    x = jnp.ones((2, 32, 32, 16))
    np.testing.assert_allclose(exported.call(x, weights), separable(x, weights), rtol=1e-6)


def test_kernels_can_be_left_out():
    passes = "inline,lower-platform{skip=cumsum-by-rows+cummax-by-rows}"
    assert "cond" not in names(tg.function(running, passes=passes).graph(X))


def test_an_unknown_kernel_is_an_error():
    with pytest.raises(
        tg.TracegraphError, match="there is no kernel named cumsun-by-rows"
    ) as error:
        parse_pipeline("lower-platform{skip=cumsun-by-rows}")
    assert "did you mean cumsum-by-rows" in str(error.value)


def test_under_somebody_elses_transformation_the_op_stays():
    step = tg.function(running)
    expected = jax.grad(lambda x: running(x).sum())(X)
    np.testing.assert_array_equal(jax.grad(lambda x: step(x).sum())(X), expected)
    assert "platform_index" not in str(jax.make_jaxpr(step)(X))


def test_kernels_are_used_inside_loops():
    def outer(x):
        return jax.lax.scan(lambda c, _: (running(c), None), x, None, length=3)[0]

    assert names(tg.function(outer).graph(X)).count("platform_index") == 2
    np.testing.assert_allclose(tg.function(outer)(X), jax.jit(outer)(X), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("function", "asked"), [(lambda x: x + 1.0, False), (jnp.append, True)])
def test_kernels_that_need_another_op_are_tried_where_it_is(function, asked):
    """The stencils' kernel fires at elementwise ops, but only behind the joins of rolls."""
    arguments = (X,) if function is not jnp.append else (X, X)
    captured = tg.function(lambda *a: jnp.exp(function(*a))).trace(*arguments).captured
    run = PassManager(parse_pipeline("lower-platform")).run(captured)
    assert ("rolls-of-continued" in run.runs[0].log.near_misses) == asked
