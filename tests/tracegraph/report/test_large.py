"""Large graphs: op by op up to a limit, by group beyond it."""

from __future__ import annotations

import pytest

from compiler.analysis.cost import graph_cost
from compiler.passes.pipeline import Pipeline, parse_pipeline
from tests.tracegraph.report.graphs import layered
from tracegraph.report.content import MAX_OPS, content_of
from tracegraph.report.document import Report
from tracegraph.report.folding import MAX_ROWS
from tracegraph.report.subject import graph_subject

MEGABYTE = 1 << 20


def content(ops, pipeline=None, **options):
    subject = graph_subject(layered(ops, **options), pipeline or Pipeline(()))
    return content_of(subject, compiled=str)


def test_two_thousand_ops_are_under_five_megabytes():
    report = Report(content(2_000, parse_pipeline("cse,dce,fuse")))
    assert len(report.content["stages"][-1]["ops"]) > 2_000
    assert len(report.html) < 5 * MEGABYTE


@pytest.mark.slow
def test_a_hundred_thousand_ops_are_folded():
    graph = layered(100_000)
    found = content_of(graph_subject(graph, Pipeline(())), compiled=str)
    assert found["folded"]
    assert len(found["ops"]) <= MAX_ROWS + 1
    assert found["notes"][0].startswith("100,000 operations are too many to show one by one")
    assert sum(op.get("f", 0) for op in found["ops"]) == graph_cost(graph).flops
    assert sum(row[3] for row in found["lines"]) == graph_cost(graph).flops
    assert len(Report(found).html) < 2 * MEGABYTE


@pytest.mark.parametrize("scopes", [True, False])
def test_folded_groups_read_each_other(monkeypatch, scopes):
    monkeypatch.setattr("tracegraph.report.content.MAX_OPS", 1_000)
    found = content(5_000, scopes=scopes)
    assert found["folded"]
    assert found["memory"]["peak"] > 0
    edges = [inputs for _, _, _, inputs in found["stages"][0]["ops"]]
    assert any(edges)
    assert all(op["t"].endswith(" ops") for op in found["ops"])


def test_the_limit_is_the_last_that_is_shown_whole():
    assert MAX_OPS >= 20_000


def test_too_many_stages_leave_the_first_and_the_last(monkeypatch):
    monkeypatch.setattr("tracegraph.report.content.MAX_STAGED", 1_000)
    found = content(600, parse_pipeline("cse,dce,fuse,fuse{max_group_ops=3}"))
    assert len(found["stages"]) == 2
    assert found["notes"] == ["1 stages between the first and the last are left out for size."]
