from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import pytest

from compiler.ir import Effect, Graph, parse_graph, print_graph
from compiler.passes.base import Pass
from compiler.passes.canonicalize import Canonicalize
from compiler.passes.cse import CommonSubexpressionElimination
from compiler.passes.dce import DeadCodeElimination
from compiler.passes.instruments import (
    Event,
    Instrument,
    Limit,
    OrderedEffects,
    Reproducer,
    Snapshots,
    Verify,
)
from compiler.passes.manager import PassManager, Result
from compiler.passes.pipeline import DEFAULT_PIPELINE, Pipeline, Repeat, parse_pipeline
from compiler.rewrite.rewriter import Rewriter
from tests.compiler.passes.running import body, graph

CSE, DCE = CommonSubexpressionElimination(), DeadCodeElimination()
SIGNATURE = "(%x: f32[]) -> (f32[])"
TWICE = """
    %a = sin %x : f32[]
    %b = sin %x : f32[]
    %c = cos %b : f32[]
    %d = cos %a : f32[]
    %r = add %c, %d : f32[]
    return %r
"""


@dataclass(frozen=True, slots=True)
class Fail(Pass):
    """Raises when at most so many ops are left, having changed something before."""

    name: ClassVar[str] = "fail"
    below: int = 100

    def run(self, graph: Graph, rewriter: Rewriter) -> None:
        if len(graph.body) <= self.below:
            for op in graph.body:
                rewriter.set_attribute(op, "spoiled", True)
            raise ValueError("no luck")


@dataclass(frozen=True, slots=True)
class AddOne(Pass):
    """Changes something every time."""

    name: ClassVar[str] = "add-one"
    idempotent: ClassVar[bool] = False

    def run(self, graph: Graph, rewriter: Rewriter) -> None:
        first = next(iter(graph.body))
        if rewriter.may_change():
            rewriter.create(first, "neg", graph.parameters, [graph.parameters[0].type])


@dataclass(frozen=True, slots=True, eq=False)
class Watched(Pass):
    """Changes nothing and notes how many ops the graphs had that it was run on."""

    name: ClassVar[str] = "watched"
    seen: list[int] = field(default_factory=list, metadata={"hidden": True})

    def run(self, graph: Graph, rewriter: Rewriter) -> None:
        del rewriter
        self.seen.append(len(graph.body))


@dataclass(frozen=True, slots=True, eq=False)
class WatchedOften(Watched):
    """The same, but the manager may not count on it."""

    name: ClassVar[str] = "watched-often"
    idempotent: ClassVar[bool] = False


@dataclass(frozen=True, slots=True)
class Break(Pass):
    """Leaves a graph that does not verify: an op that reads what comes later."""

    name: ClassVar[str] = "break"

    def run(self, graph: Graph, rewriter: Rewriter) -> None:
        first, *_, last, _ = graph.body
        rewriter.set_operand(first, 0, last.result)


def run(*steps: Pass | Repeat, instruments: tuple[Instrument, ...] = ()) -> Result:
    return PassManager(Pipeline(steps), instruments).run(graph(SIGNATURE, TWICE).freeze())


def test_the_captured_graph_is_not_touched_and_the_result_is_frozen() -> None:
    before = graph(SIGNATURE, TWICE).freeze()
    text = print_graph(before)
    result = PassManager(parse_pipeline(DEFAULT_PIPELINE)).run(before)
    assert print_graph(before) == text
    assert result.graph.frozen
    assert result.graph is not before


def test_every_pass_is_recorded() -> None:
    first, second = run(CSE, DCE).runs
    assert (first.title, first.changes, first.ops_before, first.ops_after) == ("1 cse", 2, 5, 3)
    assert (second.title, second.changes, second.ops_before, second.ops_after) == ("2 dce", 0, 3, 3)
    assert first.milliseconds >= 0


def test_a_repeat_stops_when_nothing_changes() -> None:
    runs = run(Canonicalize(), Repeat(Pipeline((CSE, DCE)), 4)).runs
    assert [one.title for one in runs] == [
        "1 canonicalize",
        "2.1.1 cse",
        "2.1.2 dce",
        "2.2.1 cse",
        "2.2.2 dce",
    ]


def test_a_pass_is_not_run_again_where_it_would_change_nothing() -> None:
    watched = Watched()
    run(CSE, watched, watched, Canonicalize(), watched)
    assert watched.seen == [4]  # of the same graph, once: canonicalize changed nothing
    watched = Watched()
    run(watched, CSE, watched, CSE, DCE, watched)
    assert watched.seen == [6, 4]
    watched = WatchedOften()
    run(watched, watched)
    assert watched.seen == [6, 6]


def test_a_repeat_is_bounded() -> None:
    assert len(run(Repeat(Pipeline((AddOne(),)), 3)).runs) == 3


def test_a_pass_that_fails_is_left_out_and_the_others_run() -> None:
    result = run(CSE, Fail(), DCE)
    assert [one.title for one in result.runs] == ["1 cse", "3 dce"]
    assert body(result.graph) == body(run(CSE, DCE).graph)
    (failure,) = result.failures
    assert (failure.name, str(failure.error), failure.reproducer) == (
        "the pass fail",
        "no luck",
        None,
    )


def test_a_pass_that_fails_late_keeps_what_it_did_before(tmp_path: Path) -> None:
    fail = Fail(below=4)
    loop = Repeat(Pipeline((fail, CSE)), 3)
    result = run(loop, DCE, instruments=(Reproducer(tmp_path),))
    titles = [one.title for one in result.runs]
    assert titles == ["1.1.1 fail{below=4}", "1.1.2 cse", "1.2.2 cse", "2 dce"]
    (failure,) = result.failures
    assert failure.reproducer is not None
    text = failure.reproducer.read_text()
    assert text.startswith(
        "// pipeline: fail{below=4},cse,repeat{max=1}(fail{below=4},cse),dce\n"
        "// ValueError: no luck\n"
    )
    before = parse_graph(text)
    assert body(before) == body(run(CSE).graph)
    assert list(tmp_path.iterdir()) == [failure.reproducer]


def test_a_folder_that_cannot_be_written_is_no_second_failure(tmp_path: Path) -> None:
    occupied = tmp_path / "file"
    occupied.write_text("")
    (failure,) = run(Fail(), instruments=(Reproducer(occupied),)).failures
    assert failure.reproducer is None


def test_a_graph_that_cannot_be_printed_is_no_second_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Graph) -> str:
        raise ValueError("no text")

    monkeypatch.setattr("compiler.passes.instruments.print_graph", refuse)
    result = run(Fail(), CSE, instruments=(Reproducer(tmp_path),))
    (failure,) = result.failures
    assert failure.reproducer is None
    assert str(failure.error) == "no luck"
    assert body(result.graph) == body(run(CSE).graph)


def test_two_passes_may_fail() -> None:
    result = run(Fail(), CSE, Fail(below=50), DCE)
    assert [failure.name for failure in result.failures] == [
        "the pass fail",
        "the pass fail{below=50}",
    ]
    assert body(result.graph) == body(run(CSE, DCE).graph)


def test_a_graph_that_does_not_verify_is_a_failure_of_its_pass() -> None:
    snapshots = Snapshots()
    result = run(CSE, Break(), instruments=(Verify(), snapshots))
    assert [failure.name for failure in result.failures] == ["the pass break"]
    assert body(result.graph) == body(run(CSE).graph)
    assert [title for title, _ in snapshots.stages] == ["1 cse"]


def test_snapshots_are_taken_on_change_and_are_frozen() -> None:
    snapshots = Snapshots()
    result = run(CSE, DCE, AddOne(), instruments=(snapshots,))
    assert [title for title, _ in snapshots.stages] == ["1 cse", "3 add-one"]
    assert all(stage.frozen for _, stage in snapshots.stages)
    assert print_graph(snapshots.stages[-1][1]) == print_graph(result.graph)


@dataclass(frozen=True, slots=True)
class DropLast(Pass):
    """Erases the last op before the return, whatever its effects."""

    name: ClassVar[str] = "drop-last"

    def run(self, graph: Graph, rewriter: Rewriter) -> None:
        *_, last, _ = graph.body
        rewriter.erase(last)


def test_ordered_effects_are_watched() -> None:
    text = "%a = sin %x : f32[]\n%b = sin %x {effects = ()} : f32[]\nreturn %a"
    before = graph(SIGNATURE, text)
    *_, last, _ = before.body
    last.effects = frozenset({Effect("IO", ordered=True)})
    result = PassManager(Pipeline((DropLast(),)), (OrderedEffects(),)).run(before)
    (failure,) = result.failures
    assert "changed the sequence of ordered effects" in str(failure.error)
    assert "IO!" in str(failure.error)


@pytest.mark.parametrize("allowed", range(6))
def test_a_limit_lets_only_the_first_changes_happen(allowed: int) -> None:
    """Merging makes two changes, adding one; what is added is dead, and erasing it makes one."""
    result = run(CSE, AddOne(), DCE, instruments=(Limit(allowed),))
    assert sum(one.changes for one in result.runs) == min(allowed, 4)


class Record(Instrument):
    """Notes every call."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def start(self) -> None:
        self.calls.append("start")

    def before(self, event: Event) -> None:
        self.calls.append(f"before {event.title}")

    def after(self, event: Event) -> None:
        self.calls.append(f"after {event.title}: {event.changes}, then {event.rest}")

    def failed(self, event: Event, error: Exception) -> None:
        self.calls.append(f"failed {event.title}: {error}")


def test_instruments_are_told_of_everything_in_order() -> None:
    record = Record()
    run(CSE, Fail(), instruments=(record,))
    attempt = ["start", "before 1 cse", "after 1 cse: 2, then cse,fail"]
    assert record.calls == [*attempt, "before 2 fail", *attempt, "failed 2 fail: no luck"]
