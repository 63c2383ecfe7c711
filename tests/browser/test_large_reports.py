"""Reports of large graphs in a browser: quick to open, and alive."""

from __future__ import annotations

import pytest

from compiler.passes.pipeline import Pipeline, parse_pipeline
from tests.tracegraph.report.graphs import layered
from tracegraph.report.content import content_of
from tracegraph.report.document import Report
from tracegraph.report.subject import graph_subject

SECONDS = 3.0
MEGABYTES = 5


def report(ops, pipeline=None, **options):
    subject = graph_subject(layered(ops, **options), pipeline or Pipeline(()))
    return Report(content_of(subject, compiled=str))


def test_two_thousand_ops_open_in_three_seconds(open_report):
    made = report(2_000, parse_pipeline("cse,dce,fuse"))
    assert len(made.html) < MEGABYTES << 20
    assert 0 < open_report(made).seconds() < SECONDS


@pytest.mark.parametrize("scopes", [True, False])
def test_twenty_thousand_ops_are_collapsed_and_open_by_group(open_report, scopes):
    page = open_report(report(20_000, scopes=scopes))
    assert len(page.shown()) < 100
    key = page.ask("[...report.graph.places.values()].find((p) => p.isGroup && !p.open).key")
    before = set(page.shown())
    page.do(f"report.graph.view.getElementById({key!r}).emit('tap')")
    assert set(page.shown()) != before
    page.page.fill("#search", "layer_150" if scopes else "%tanh_4000")
    page.until("report.model.selection.size === 1")
    assert page.selected() == ["tanh"]
    assert "tanh" in page.shown()
    page.page.click("#expand")
    assert len(page.shown()) < 500


@pytest.mark.slow
def test_a_hundred_thousand_ops_are_a_note_and_groups(open_report):
    page = open_report(report(100_000))
    assert "100,000 operations are too many" in page.page.inner_text("#messages")
    assert 0 < len(page.shown()) < 100
    assert page.page.locator("#panel tr.link").count()
