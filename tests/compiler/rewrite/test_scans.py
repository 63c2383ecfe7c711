"""Scans read slot by slot, and made anew."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import compiler.lowering.host  # noqa: F401  the installed JAX behind the types of new ops
from compiler.ir import clone, structurally_equal, verify
from compiler.lowering.evaluate import evaluate
from compiler.lowering.import_jaxpr import import_jaxpr
from compiler.ops.host import host
from compiler.rewrite.driver import apply_rules
from compiler.rewrite.numerics import Numerics
from compiler.rewrite.pattern import op
from compiler.rewrite.regions import Outside, depending, graph_between, ops_behind
from compiler.rewrite.rewriter import Rewriter
from compiler.rewrite.rule import Rule, WithReaders
from compiler.rewrite.rule_set import RuleSet
from compiler.rewrite.scans import Scan, ScanDraft

X = np.arange(12, dtype=np.float32).reshape(3, 4)
W = np.arange(16, dtype=np.float32).reshape(4, 4) / 16


def program(x, w):
    return lax.scan(lambda c, t: (jnp.sin(c @ w) + t, (c * t, jnp.exp(w))), x[0], x)


def captured(function=program, *arguments):
    return import_jaxpr(jax.jit(function).trace(*(arguments or (X, W))).jaxpr)


def scan_of(graph) -> Scan:
    (found,) = [op for op in graph.body if op.name == "scan"]
    return Scan(found)


def rewritten(graph, replace):
    copy = clone(graph)
    rule = Rule(
        name="a-rule", law="a law", pattern=op.scan.any(), replace=replace, normal_form="a form"
    )
    rewriter = Rewriter(copy, "rewrite", limit=1)
    apply_rules(copy, rewriter, RuleSet([rule], Numerics.EXACT))
    assert not rewriter.log.failures, rewriter.log.failures[0].error
    verify(copy)
    return copy


def test_the_slots_of_a_scan():
    scan = scan_of(captured())
    assert (scan.length, scan.is_reversed) == (3, False)
    assert [len(slots) for slots in (scan.constants, scan.carries, scan.slices)] == [1, 1, 1]
    assert [len(slots) for slots in (scan.following, scan.rows)] == [1, 2]
    assert scan.outer(scan.slices[0]) is scan.op.operands[2]


def test_what_varies_and_what_waits_for_the_carry():
    scan = scan_of(captured())
    assert scan.rows[0] in scan.history()
    assert scan.slices[0] in scan.varying() - scan.history()
    assert scan.rows[1] not in scan.varying()


def test_a_draft_of_everything_is_the_same_scan():
    graph = captured()

    def same(m):
        scan = Scan(m.root)
        draft = ScanDraft(scan, scan.body.parameters)
        results = draft.scan(draft.copy(scan.following), draft.copy(scan.rows))
        return [*results.carries, *results.stacked]

    assert structurally_equal(rewritten(graph, same), graph)


def test_a_draft_leaves_behind_what_nobody_asks_for():
    scan = scan_of(captured())
    draft = ScanDraft(scan, [*scan.carries, *scan.slices])
    results = draft.scan(draft.copy([scan.carries[0]]), draft.copy([scan.rows[0]]))
    (region,) = results.carries[0].node.regions
    assert [inner.name for inner in region] == ["mul", "yield"]


def test_a_draft_says_what_is_bound_to_nothing():
    scan = scan_of(captured())
    draft = ScanDraft(scan, scan.carries)
    with pytest.raises(KeyError):
        draft.copy(scan.following)


def test_ops_outside_keep_their_line_and_add_the_rule():
    graph = captured()

    def exponential_outside(m):
        scan = Scan(m.root)
        terms = Outside(scan.known()).terms([scan.rows[1]])
        draft = ScanDraft(scan, scan.body.parameters, constants=terms)
        draft.bind(scan.rows[1], draft.constants[0])
        results = draft.scan(draft.copy(scan.following), draft.copy(scan.rows))
        return [*results.carries, *results.stacked]

    result = rewritten(graph, exponential_outside)
    (found,) = [op for op in result.body if op.name == "exp"]
    assert found.location.frames[0].line == program.__code__.co_firstlineno + 1
    assert found.location.rules == ("a-rule",)
    for expected, value in zip(evaluate(graph, X, W), evaluate(result, X, W), strict=True):
        np.testing.assert_array_equal(value, expected)


def test_the_ops_between_values_in_their_order():
    scan = scan_of(captured())
    names = [op.name for op in ops_behind(scan.following, frozenset(scan.body.parameters))]
    assert names == ["dot_general", "sin", "add"]
    assert scan.following[0] in depending(scan.body, scan.slices)


def test_a_part_of_a_body_can_be_batched():
    scan = scan_of(captured())
    inputs = [scan.constants[0], scan.carries[0]]
    graph = graph_between(inputs, [scan.following[0].producer.operands[0]])
    many = host().batch(graph, [False, True], 3)
    (found,) = evaluate(many, W, X)
    np.testing.assert_allclose(found, np.sin(X @ W), rtol=1e-6)


def last_row(m):
    """The scan without its stacked output, of which only the last row is read."""
    scan = Scan(m.root)
    (reader,) = m.root.results[1].readers
    draft = ScanDraft(scan, scan.body.parameters, carries=[scan.outer(scan.carries[0])])
    results = draft.scan(draft.copy([*scan.following, *scan.rows]), [])
    row = op.reshape(results.carries[1], new_sizes=(1, 4), dimensions=None, sharding=None)
    return WithReaders([results.carries[0], None], {reader: [row]})


def test_a_replacement_may_take_readers_of_the_root_with_it():
    def read(x):
        last, y = lax.scan(lambda c, t: (jnp.sin(c) + t, c * t), x[0], x)
        return last, y[2:]

    graph = captured(read, X)
    result = rewritten(graph, last_row)
    assert [op.name for op in result.body if op.name in ("scan", "slice", "reshape")] == [
        *("slice", "scan", "reshape")
    ]
    for expected, value in zip(evaluate(graph, X), evaluate(result, X), strict=True):
        np.testing.assert_array_equal(value, expected)


def test_a_result_that_has_other_readers_cannot_be_left_out():
    def read(x):
        last, y = lax.scan(lambda c, t: (jnp.sin(c) + t, c * t), x[0], x)
        return last, y[2:], y

    def forgetful(m):
        scan = Scan(m.root)
        reader = next(r for r in m.root.results[1].readers if r.name == "slice")
        last = scan.outer(scan.carries[0])
        row = op.reshape(last, new_sizes=(1, 4), dimensions=None, sharding=None)
        return WithReaders([last, None], {reader: [row]})

    graph = captured(read, X)
    rule = Rule(
        name="a-rule", law="a law", pattern=op.scan.any(), replace=forgetful, normal_form="a form"
    )
    copy = clone(graph)
    rewriter = Rewriter(copy, "rewrite")
    apply_rules(copy, rewriter, RuleSet([rule], Numerics.EXACT))
    (failure,) = rewriter.log.failures
    assert "read" in str(failure.error)
    assert structurally_equal(copy, graph)
