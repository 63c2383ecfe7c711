from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jax import lax

from compiler.analysis.cost import nbytes
from compiler.ir.builder import build_graph, finish_graph
from compiler.ir.equality import structurally_equal
from compiler.ir.types import ArrayType
from compiler.ir.walk import clone, walk
from compiler.lowering.import_jaxpr import import_jaxpr
from compiler.passes.fuse import GROUP, Fuse, fusion_groups
from compiler.rewrite.rewriter import Rewriter

N = 64
X = np.ones((N, N), np.float32)
BYTES = X.nbytes


def imported(function, *arrays):
    return import_jaxpr(jax.make_jaxpr(function)(*arrays))


def fused(graph, **options):
    """The graph after the pass, and how many changes the pass made."""
    rewriter = Rewriter(graph)
    Fuse(**options).run(graph, rewriter)
    return rewriter.changes


def groups(function, *arrays, **options):
    """The names of the ops of each group."""
    graph = imported(function, *arrays)
    fused(graph, **options)
    return [[op.name for op in group.ops] for group in fusion_groups(graph)]


def test_a_chain_is_one_group():
    assert groups(lambda x: lax.exp(lax.neg(lax.sin(x))), X) == [["sin", "neg", "exp"]]


def test_one_op_is_no_group():
    assert groups(lax.neg, X) == []


def test_a_dot_divides():
    found = groups(lambda x: lax.neg(lax.sin(lax.dot(lax.exp(lax.neg(x)), x))), X)
    assert found == [["neg", "exp"], ["sin", "neg"]]


def test_a_diamond_inside_is_one_group():
    def diamond(x):
        y = lax.sin(x)
        return lax.neg(y) * lax.exp(y)

    assert groups(diamond, X) == [["sin", "neg", "exp", "mul"]]


def test_a_value_that_is_also_read_outside_stays_stored():
    def shared(x):
        y = lax.sin(x)
        return lax.neg(lax.exp(y)), lax.dot(y, y)

    assert groups(shared, X) == [["exp", "neg"]]


def test_a_returned_value_stays_stored():
    assert groups(lambda x: (lax.sin(x), lax.neg(lax.sin(x))), X) == [["sin", "neg"]]


def test_reductions_are_roots_only():
    def norm(x):
        return lax.sqrt(lax.reduce_sum(x * x, (1,)))

    assert groups(norm, X) == [["mul", "reduce_sum"]]


def test_a_cheap_producer_is_computed_again_under_a_broadcast():
    def spread(x):
        return lax.broadcast_in_dim(lax.neg(x), (64, N), (1,)) * 2

    (group,) = groups(spread, X[0])
    assert "neg" in group


def test_a_dear_producer_is_not():
    def spread(x):
        return lax.broadcast_in_dim(lax.exp(x), (4096, N), (1,)) * 2

    (group,) = groups(spread, X[0])
    assert "exp" not in group


def test_groups_are_bounded():
    def chain(x):
        for _ in range(10):
            x = lax.neg(x)
        return x

    assert [len(g) for g in groups(chain, X, max_group_ops=4)] == [2, 4, 4]
    assert groups(chain, X, max_group_ops=1) == []


def test_effects_are_left_alone():
    def noisy(x):
        return lax.neg(lax.optimization_barrier(lax.sin(x)))

    assert groups(noisy, X) == []


def test_regions_have_groups_of_their_own():
    def loop(x):
        return lax.fori_loop(0, 3, lambda _, v: lax.neg(lax.sin(v)), lax.exp(lax.cos(x)))

    assert groups(loop, X) == [["cos", "exp"], ["sin", "neg"]]


def test_empty_arrays_save_nothing():
    assert groups(lambda x: lax.neg(lax.sin(x)), X[:0]) == []


def test_the_report():
    def report(x, y):
        return lax.exp(lax.neg(x * y))

    graph = imported(report, X, X)
    fused(graph)
    (group,) = fusion_groups(graph)
    assert group.inputs == graph.parameters
    assert group.outputs == graph.outputs
    assert group.bytes_saved == 2 * 2 * BYTES
    assert group.flops == 2 * N * N
    assert {frame.function.split(".")[-1] for frame in group.frames} == {"report"}
    text = str(group)
    assert text.startswith(f"group 0: mul, neg, exp: saves {4 * BYTES} bytes, {2 * N * N} FLOPs")
    assert "\n" not in text


def test_a_second_run_changes_nothing():
    graph = imported(lambda x: lax.exp(lax.neg(lax.sin(x))) @ x, X)
    assert fused(graph) == 3
    assert fused(graph) == 0


def test_marks_that_no_longer_hold_are_taken_away():
    graph = imported(lambda x: lax.exp(lax.neg(lax.sin(x))), X)
    fused(graph)
    assert fused(graph, max_group_ops=1) == 3
    assert not any(GROUP in op.attributes for op in walk(graph))


def test_bisection_stops_the_pass():
    graph = imported(lambda x: lax.exp(lax.neg(lax.sin(x))), X)
    rewriter = Rewriter(graph, limit=2)
    Fuse().run(graph, rewriter)
    assert rewriter.changes == 2


def test_without_its_marks_the_graph_is_what_it_was():
    def program(x):
        return jax.nn.softmax(jnp.tanh(x @ x)), lax.scan(lambda c, r: (c + r, c * r), x[0], x)

    before = imported(program, X)
    after = clone(before)
    assert fused(after) > 0
    rewriter = Rewriter(after)
    for op in walk(after):
        rewriter.remove_attribute(op, GROUP)
    assert structurally_equal(before, after)


UNARY, BINARY, OPAQUE = (
    ("neg", "exp", "convert_element_type"),
    ("add", "mul"),
    ("foreign.op", "copy"),
)


@st.composite
def random_graphs(draw):
    """Graphs of up to thirty ops, fusable and not, that read any earlier values."""
    type = ArrayType((8,), np.dtype(np.float32))
    graph, builder = build_graph("random", [type, type])
    values = list(graph.parameters)
    for _ in range(draw(st.integers(1, 30))):
        name = draw(st.sampled_from(UNARY + BINARY + OPAQUE))
        count = 1 if name in UNARY else 2
        operands = [
            values[-1 - draw(st.integers(0, min(5, len(values) - 1)))] for _ in range(count)
        ]
        values.append(builder.op(name, operands, [type]).result)
    kept = draw(st.lists(st.sampled_from(values), min_size=1, max_size=4))
    return finish_graph(graph, kept)


def reachable_groups(graph):
    """For each op, the groups that a path to it has already left."""
    left = {}
    for op in graph.body:
        found = set()
        for value in op.operands:
            producer = value.producer
            if producer is None:
                continue
            found |= left[producer]
            if producer.attributes.get(GROUP) not in (None, op.attributes.get(GROUP)):
                found.add(producer.attributes[GROUP])
        left[op] = found
    return left


@given(random_graphs(), st.integers(1, 8))
def test_no_path_leaves_a_group_and_comes_back(graph, limit):
    fused(graph, max_group_ops=limit)
    for op, left in reachable_groups(graph).items():
        assert op.attributes.get(GROUP) not in left


@given(random_graphs(), st.integers(1, 8))
def test_the_rules_hold_on_any_graph(graph, limit):
    fused(graph, max_group_ops=limit)
    found = fusion_groups(graph)
    assert [group.index for group in found] == list(range(len(found)))
    firsts = [list(graph.body).index(group.ops[0]) for group in found]
    assert firsts == sorted(firsts)
    for group in found:
        assert 2 <= len(group.ops) <= limit
        assert len(group.outputs) <= 1
        assert group.bytes_saved > 0
        assert not {op.name for op in group.ops} & set(OPAQUE)
        inner = [v for op in group.ops for v in op.results if v not in group.outputs]
        assert group.bytes_saved >= sum(2 * nbytes(value) for value in inner if value.has_uses)


@given(random_graphs())
def test_the_pass_is_deterministic_and_idempotent(graph):
    other = clone(graph)
    fused(graph)
    fused(other)
    assert structurally_equal(graph, other)
    assert fused(graph) == 0


@pytest.mark.parametrize(
    ("options", "text"), [({}, "fuse"), ({"max_group_ops": 8}, "fuse{max_group_ops=8}")]
)
def test_its_text(options, text):
    assert str(Fuse(**options)) == text
