"""One signature: stages, records and the promise that the result types stay."""

from __future__ import annotations

import gc
import itertools
import weakref
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tracegraph as tg
from compiler.ir import count_ops, structurally_equal, verify
from compiler.passes.fuse import Fuse

X = jnp.arange(4.0)


def body(x: Any) -> Any:
    return jnp.sin(x) * 1.0 + jnp.sin(x), jax.nn.softmax(x)


def test_stages_run_from_the_captured_graph_to_the_optimized_one() -> None:
    trace = tg.function(body).trace(X)
    graphs = [trace.captured, *(stage.graph for stage in trace.stages)]
    for before, after in itertools.pairwise(graphs):
        assert not structurally_equal(before, after)
    assert structurally_equal(graphs[-1], trace.optimized)
    for graph in graphs:
        verify(graph)
        assert graph.frozen


def test_stages_are_the_passes_that_changed_something() -> None:
    trace = tg.function(body).trace(X)
    assert len(trace.stages) == sum(run.changes > 0 for run in trace.passes)


def test_records_count_operations() -> None:
    trace = tg.function(body).trace(X)
    assert trace.passes[0].ops_before == count_ops(trace.captured)
    assert trace.passes[-1].ops_after == count_ops(trace.optimized)
    for before, after in zip(trace.passes, trace.passes[1:], strict=False):
        assert before.ops_after == after.ops_before


def test_marks_are_made_when_somebody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    marked: list[str] = []
    monkeypatch.setattr(Fuse, "run", lambda _, graph, __: marked.append(graph.name))
    step = tg.function(body, passes="inline,fuse,cse,fuse")
    jax.tree.map(np.testing.assert_array_equal, step(X), jax.jit(body)(X))
    assert marked == ["body"]  # the one in the middle, which a later pass could read
    trace = step.trace(X)
    assert [run.title for run in trace.passes] == ["1 inline", "2 fuse", "3 cse", "4 fuse"]
    assert marked == ["body", "body"]
    assert trace.optimized is trace.optimized


def test_a_marking_pass_that_fails_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("no marks today")

    monkeypatch.setattr(Fuse, "run", fails)
    step = tg.function(body)
    step(X)  # no warning: nobody has looked
    trace = step.trace(X)
    with pytest.warns(tg.OptimizationWarning, match="the pass fuse failed .* no marks today"):
        assert trace.optimized.frozen
    assert [run.title for run in trace.passes][-1] != "8 fuse"


def test_captured_arrays_are_never_donated() -> None:
    large = jnp.arange(5000.0)
    graph = tg.function(lambda x: x + large[:4], donate_argnums=0).trace(X).captured
    assert [(info.captured, info.donated) for info in graph.parameter_info] == [
        (True, False),
        (False, True),
    ]


def test_verification_after_every_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACEGRAPH_VERIFY", "1")
    assert tg.function(body).trace(X).stages


@pytest.mark.parametrize(
    "value", [1, 2.0, X, X.astype(int), jnp.asarray(3), jax.random.key(0)], ids=repr
)
def test_result_types_stay(value: Any) -> None:
    trace = tg.function(lambda x: (x, [1, 2.0, x])).trace(value)
    assert (
        trace.program.jaxpr.out_avals == jax.make_jaxpr(lambda x: (x, [1, 2.0, x]))(value).out_avals
    )


def test_programs_go_with_the_traces_of_jit() -> None:
    box = {"weights": jnp.zeros((300, 300))}
    step = tg.function(lambda x: x @ box["weights"])
    step(jnp.ones((2, 300)))
    weights = weakref.ref(box["weights"])
    box["weights"] = jnp.ones((2, 2))
    jax.clear_caches()
    gc.collect()
    assert weights() is None
    assert not step.signatures()
