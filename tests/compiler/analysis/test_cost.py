from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from compiler.analysis.constants import trip_count
from compiler.analysis.cost import Cost, cost_of, graph_cost
from compiler.ir.builder import build_graph, finish_graph
from compiler.ir.types import ArrayType, SymbolicDim
from compiler.ir.walk import walk
from compiler.lowering.import_jaxpr import import_jaxpr

ROW = lax.ScatterDimensionNumbers((), (0,), (0,))


def ones(*shape, dtype=np.float32):
    return np.ones(shape, dtype)


def imported(function, *arrays):
    return import_jaxpr(jax.make_jaxpr(function)(*arrays))


def cost(function, *arrays):
    return graph_cost(imported(function, *arrays))


def only(graph, name):
    (op,) = (op for op in walk(graph) if op.name == name)
    return op


def test_costs_add_and_scale():
    one = Cost(1, 2, 3, 4)
    assert one + one == 2 * one == one * 2 == Cost(2, 4, 6, 8)
    assert one.bytes == 7
    assert not (one + one.estimated()).exact


def test_elementwise():
    assert cost(lax.add, ones(8, 16), ones(8, 16)) == Cost(128, 0, 2 * 512, 512)


def test_an_operand_read_twice_counts_once():
    assert cost(lambda x: lax.mul(x, x), ones(8)) == Cost(8, 0, 32, 32)


def test_transcendentals_stand_apart():
    assert cost(lax.exp, ones(8)) == Cost(0, 8, 32, 32)


def test_integer_pow_counts_multiplications():
    assert cost(lambda x: lax.integer_pow(x, 2), ones(8)).flops == 8
    assert cost(lambda x: lax.integer_pow(x, 7), ones(8)).flops == 4 * 8
    assert cost(lambda x: lax.integer_pow(x, -1), ones(8)).flops == 8


def test_dot():
    assert cost(jnp.dot, ones(8, 16), ones(16, 32)) == Cost(
        2 * 8 * 16 * 32, 0, 4 * (8 * 16 + 16 * 32), 4 * 8 * 32
    )


def test_batched_dot():
    found = cost(lambda x, y: jnp.einsum("bij,bjk->bik", x, y), ones(3, 4, 5), ones(3, 5, 6))
    assert found.flops == 2 * 3 * 4 * 5 * 6
    assert found.exact


@pytest.mark.parametrize("groups", [1, 2])
def test_convolution(groups):
    def convolve(x, w):
        return lax.conv_general_dilated(x, w, (1, 1), "SAME", feature_group_count=groups)

    found = cost(convolve, ones(2, 4, 8, 8), ones(6, 4 // groups, 3, 3))
    assert found.flops == 2 * (2 * 6 * 8 * 8) * (3 * 3) * (4 // groups)
    assert found.exact


def test_convolution_with_channels_last():
    def convolve(x, w):
        numbers = ("NHWC", "HWIO", "NHWC")
        return lax.conv_general_dilated(x, w, (2, 2), "VALID", dimension_numbers=numbers)

    found = cost(convolve, ones(1, 9, 9, 3), ones(3, 3, 3, 5))
    assert found.flops == 2 * (1 * 4 * 4 * 5) * (3 * 3) * 3


def test_reductions():
    assert cost(lambda x: lax.reduce_sum(x, (1,)), ones(4, 8)) == Cost(4 * 7, 0, 128, 16)
    assert cost(lambda x: lax.cumsum(x, 1), ones(4, 8)).flops == 4 * 7
    pool = cost(
        lambda x: lax.reduce_window(x, -np.inf, lax.max, (2, 2), (2, 2), "VALID"), ones(8, 8)
    )
    assert pool.flops == 16 * 3


def test_attention():
    batch, heads, n, d = 2, 3, 16, 8

    def attention(q, k, v):
        scores = jnp.einsum("bhqd,bhkd->bhqk", q, k)
        return jnp.einsum("bhqk,bhkd->bhqd", jnp.exp(scores), v)

    found = cost(attention, *[ones(batch, heads, n, d)] * 3)
    assert found.flops == 2 * (2 * batch * heads * n * n * d)
    assert found.transcendentals == batch * heads * n * n


def test_views_are_free_and_windows_cost_their_own_size():
    assert cost(lambda x: lax.reshape(x, (64,)), ones(8, 8)) == Cost()
    assert cost(lambda x: lax.slice(x, (0,), (2,)), ones(1000)) == Cost(0, 0, 8, 8)
    update = cost(lambda x, u: lax.dynamic_update_slice(x, u, (np.int32(3),)), ones(1000), ones(2))
    assert update == Cost(0, 0, 8 + 4, 8)
    places, updates = ones(2, 1, dtype=np.int32), ones(2)
    added = cost(lambda x, i, u: lax.scatter_add(x, i, u, ROW), ones(1000), places, updates)
    assert added == Cost(2, 0, 8 + 16, 8)


def test_scan_multiplies_by_its_length():
    def step(carry, x):
        return carry + x, carry * x

    found = cost(lambda c, xs: lax.scan(step, c, xs), ones(4), ones(10, 4))
    assert found == 10 * (2 * Cost(4, 0, 32, 16))


def test_nested_scans():
    def outer(carry, _):
        return lax.scan(lambda c, _: (c * c, None), carry, None, length=3)[0], None

    assert cost(lambda c: lax.scan(outer, c, None, length=5), ones(4)).flops == 4 * 15


def counting(start, step, limit, compare=lax.lt):
    def run(x):
        return lax.while_loop(
            lambda s: compare(s[0], limit), lambda s: (s[0] + step, s[1] * s[1]), (start, x)
        )

    return run


@pytest.mark.parametrize(
    ("kind", "step", "limit", "compare", "expected"),
    [
        (np.int8, 50, 126, lax.lt, None),
        (np.int8, 63, 126, lax.lt, 2),
        (np.uint8, 100, 250, lax.lt, None),
        (np.int8, 1, 127, lax.le, None),
        (np.int8, 1, 126, lax.le, 127),
        (np.int32, 2, 2**31 - 1, lax.lt, None),
    ],
)
def test_counters_that_wrap_are_not_counted(kind, step, limit, compare, expected):
    function = counting(kind(0), kind(step), kind(limit), compare)
    assert trip_count(only(imported(function, ones(4)), "while")) == expected


@pytest.mark.parametrize(
    ("start", "step", "limit", "compare", "expected"),
    [
        (0, 1, 10, lax.lt, 10),
        (0, 3, 10, lax.lt, 4),
        (0, 1, 10, lax.le, 11),
        (5, 1, 5, lax.lt, 0),
        (9, 1, 5, lax.lt, 0),
        (0, -1, 5, lax.lt, None),
        (0, 1, 10, lax.ne, None),
    ],
)
def test_trip_counts(start, step, limit, compare, expected):
    function = counting(np.int32(start), np.int32(step), np.int32(limit), compare)
    loop = only(imported(function, ones(4)), "while")
    assert trip_count(loop) == expected
    if expected is not None:
        rounds, iterations = 0, start
        while compare(iterations, limit):
            rounds, iterations = rounds + 1, iterations + step
        assert rounds == expected
        found = cost_of(loop)
        assert found.exact
        assert found.flops == expected * (4 + 1) + (expected + 1)


def test_a_loop_of_unknown_length_counts_once_and_says_so():
    found = cost(lambda n, x: counting(np.int32(0), np.int32(1), n)(x), np.int32(7), ones(4))
    assert not found.exact
    assert found.flops == 5 + 2


def test_a_branch_costs_its_dearest_region():
    def function(p, x):
        return lax.cond(p, lambda v: v @ v, lambda v: v + v, x)

    found = cost(function, np.bool_(True), ones(8, 8))
    assert found.flops == 2 * 8**3
    assert not found.exact


def test_calls_cost_what_they_call():
    inner = jax.jit(lambda x: x @ x)
    assert cost(lambda x: inner(x), ones(8, 8)) == cost(lambda x: x @ x, ones(8, 8))


def test_unknown_ops_count_their_bytes_only():
    type = ArrayType((8,), np.dtype(np.float32))
    graph, builder = build_graph("f", [type])
    op = builder.op("foreign.kernel", graph.parameters, [type])
    finish_graph(graph, op.results)
    assert graph_cost(graph) == Cost(0, 0, 32, 32, exact=False)


def test_symbolic_dimensions_are_an_estimate():
    type = ArrayType((SymbolicDim("b"), 8), np.dtype(np.float32))
    graph, builder = build_graph("f", [type])
    op = builder.op("neg", graph.parameters, [type])
    finish_graph(graph, op.results)
    assert graph_cost(graph) == Cost(8, 0, 32, 32, exact=False)


ESTIMATED = {
    "sort": (lambda x: lax.sort(x), ones(8)),
    "cholesky": (lax.linalg.cholesky, ones(4, 4)),
    "fft": (lambda x: lax.fft(x, "FFT", (8,)), ones(8, dtype=np.complex64)),
    "reduce": (lambda x: lax.reduce(x, np.float32(0), lambda a, b: a - b, (0,)), ones(8)),
}


@pytest.mark.parametrize("name", ESTIMATED)
def test_estimates_are_positive_and_marked(name):
    function, x = ESTIMATED[name]
    graph = imported(function, x)
    found = cost_of(next(op for op in walk(graph) if op.name == name))
    assert found.flops > 0
    assert not found.exact


def test_every_op_of_a_program_with_a_gradient_has_a_cost():
    def loss(w, x):
        return jnp.mean(jax.nn.logsumexp(jnp.tanh(x @ w), axis=-1))

    found = cost(jax.grad(loss), ones(16, 4), ones(8, 16))
    assert found.exact
    assert found.flops >= 2 * (2 * 8 * 16 * 4)
