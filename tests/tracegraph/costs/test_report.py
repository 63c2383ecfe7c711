"""``cost_report``: figures that were counted by hand, by op, line and module."""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp
import pytest
from jax import lax
from jax.experimental import pallas as pl

import tracegraph as tg
from compiler.analysis.cost import graph_cost
from tracegraph.costs.report import cost_report

F32 = 4


def ones(*shape):
    return jax.ShapeDtypeStruct(shape, jnp.float32)


def flops(function, *args):
    """The FLOPs of a function as it was written."""
    return cost_report(tg.function(function).trace(*args).captured).total.flops


def conv(x, k, **options):
    numbers = ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(x, k, dimension_numbers=numbers, **options)


def test_a_product():
    assert flops(lambda x, w: x @ w, ones(8, 16), ones(16, 32)) == 2 * 8 * 16 * 32


def test_a_batched_product():
    x, w = ones(5, 8, 16), ones(5, 16, 32)
    assert flops(lambda x, w: jnp.einsum("bij,bjk->bik", x, w), x, w) == 5 * 2 * 8 * 16 * 32


def test_a_convolution():
    # 8 x 8 places, 3 x 3 x 4 products for each of 6 features
    x, k = ones(2, 8, 8, 4), ones(3, 3, 4, 6)
    found = flops(lambda x, k: conv(x, k, window_strides=(1, 1), padding="SAME"), x, k)
    assert found == 2 * (2 * 8 * 8 * 6) * (3 * 3 * 4)


def test_a_convolution_with_stride_groups_and_dilation():
    # a dilated 3 x 3 window spans 5: (9 - 5) / 2 + 1 = 3 places each way; each group sees 2 of 4
    x, k = ones(2, 9, 9, 4), ones(3, 3, 2, 6)
    options = {
        "window_strides": (2, 2),
        "padding": "VALID",
        "rhs_dilation": (2, 2),
        "feature_group_count": 2,
    }
    assert flops(lambda x, k: conv(x, k, **options), x, k) == 2 * (2 * 3 * 3 * 6) * (3 * 3 * 2)


def test_attention():
    batch, heads, length, depth = 2, 3, 10, 4

    def attention(q, k, v):
        scores = jnp.einsum("bhqd,bhkd->bhqk", q, k)
        return jnp.einsum("bhqk,bhkd->bhqd", jax.nn.softmax(scores), v)

    q = ones(batch, heads, length, depth)
    report = cost_report(tg.function(attention).trace(q, q, q).captured)
    rows = batch * heads * length
    products = 2 * (2 * rows * length * depth)
    by_name = {row.name: row.cost for row in report.ops}
    assert sum(r.cost.flops for r in report.ops if r.name == "dot_general") == products
    assert by_name["exp"].transcendentals == rows * length
    assert by_name["reduce_sum"].flops == rows * (length - 1)
    assert by_name["sub"].flops == by_name["div"].flops == rows * length


def test_a_scan_counts_every_round():
    def loop(x, w):
        return lax.scan(lambda c, _: (jnp.tanh(c @ w), None), x, None, length=7)[0]

    report = cost_report(tg.function(loop).graph(ones(4, 8), ones(8, 8)))
    (dot,) = (row for row in report.ops if row.name == "dot_general")
    assert (dot.times, dot.cost.flops) == (7, 7 * 2 * 4 * 8 * 8)
    assert dot.cost.bytes_read == 7 * F32 * (4 * 8 + 8 * 8)
    assert report.total.transcendentals == 7 * 4 * 8
    assert report.unknown == 0


def test_a_branch_counts_the_dearer_side():
    def branch(x):
        return lax.cond(x[0, 0] > 0, lambda x: x @ x, lambda x: x + x, x)

    report = cost_report(tg.function(branch).graph(ones(8, 8)))
    assert {row.name: row.times for row in report.ops if row.name in ("dot_general", "add")} == {
        "dot_general": 1,
        "add": 0,
    }
    assert not report.total.exact


def test_a_loop_of_unknown_length_is_said():
    report = cost_report(
        tg.function(lambda x: lax.while_loop(lambda c: c.sum() < 9, lambda c: c * 2, x)).graph(
            ones(8)
        )
    )
    assert report.unknown == len([row for row in report.ops if not row.counted]) > 0
    assert "loops of unknown length" in str(report)


def test_lines_and_modules_add_up_to_the_whole():
    class Net(nn.Module):
        @nn.compact
        def __call__(self, x):
            x = nn.relu(nn.Dense(32)(x))
            return nn.Dense(4)(x)

    net, x = Net(), jnp.ones((8, 16))
    params = net.init(jax.random.key(0), x)

    @tg.function
    def gradient(params, x):
        return jax.grad(lambda p: jnp.sum(net.apply(p, x) ** 2))(params)

    graph = gradient.graph(params, x)
    report = cost_report(graph)
    whole = graph_cost(graph)
    for rows in (report.lines, report.modules):
        assert sum(row.cost.flops for row in rows) == report.total.flops == whole.flops
        assert sum(row.cost.bytes for row in rows) == whole.bytes
        assert sum(row.share for row in rows) == pytest.approx(1)
    held = {row.name: row.parameters for row in report.modules if row.parameters}
    assert held == {"Net/Dense_0": 16 * 32 + 32, "Net/Dense_1": 32 * 4 + 4}
    assert list(report.lines) == sorted(report.lines, key=lambda line: -line.share)
    assert report.lines[0].source.startswith("x = nn.relu(nn.Dense(32)(x))")


def test_scopes_in_loops_and_under_transforms():
    def loss(w, x):
        def step(c, _):
            with jax.named_scope("cell"):
                return jnp.tanh(c @ w), None

        with jax.named_scope("rnn"):
            return lax.scan(step, x, None, length=3)[0].sum()

    report = cost_report(tg.function(jax.grad(loss)).graph(ones(4, 4), ones(2, 4)))
    assert {row.name for row in report.modules} <= {"rnn/cell", "rnn", ""}
    assert max(report.modules, key=lambda row: row.cost.flops).name == "rnn/cell"


def test_an_empty_function_and_empty_arrays():
    assert cost_report(tg.function(lambda x: x).graph(ones(3))).total.flops == 0
    report = cost_report(tg.function(lambda x: x @ x.T).graph(ones(0, 0)), "H100")
    assert (report.total.flops, report.seconds) == (0, 0.0)
    assert "0 FLOPs" in str(report)


def test_step_cost_has_xlas_own_figures_beside():
    step = tg.function(lambda x, w: jnp.tanh(x @ w))
    report = step.cost(ones(64, 64), ones(64, 64))
    assert report.total.flops == 2 * 64**3
    assert report.xla.flops == pytest.approx(report.total.flops, rel=0.05)
    assert report.xla.argument_bytes == 2 * F32 * 64 * 64
    assert "XLA says" in str(report)
    assert step.cost(ones(64, 64), ones(64, 64), xla=False).xla is None


def test_arguments_of_every_kind_reach_the_function():
    step = tg.function(
        lambda tree, *, scale, n: {"y": tree["x"] * scale**n}, static_argnames=("n",)
    )
    assert step.cost({"x": ones(5)}, scale=ones(), n=2).total.flops == 5 + 1


def test_names_are_never_markup():
    def named(x):
        with jax.named_scope("[red]<b>"):
            return x + 1

    assert "[red]<b>" in str(tg.function(named).graph(ones(3)).summary())


def test_what_only_xla_can_look_into_is_named():
    def double(x_ref, o_ref):
        o_ref[...] = x_ref[...] * 2

    def run(x):
        return pl.pallas_call(double, jax.ShapeDtypeStruct(x.shape, x.dtype), interpret=True)(x) + x

    report = cost_report(tg.function(run).graph(ones(8)))
    assert report.opaque == ("pallas_call",)
    assert report.total.flops == 8
    assert not report.total.exact
    assert "the arithmetic of 1 opaque operations is not counted: pallas_call" in str(report)
    assert cost_report(tg.function(lambda x: x + x).graph(ones(8))).opaque == ()
