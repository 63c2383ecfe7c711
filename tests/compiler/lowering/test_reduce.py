"""Shrinking a graph that fails: what is left is small, well formed, and fails in the same way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import pytest
from jax import lax

from compiler.ir import Graph, print_graph, verify, walk
from compiler.lowering.check_types import check_types
from compiler.lowering.failing import FailingStep, WrongValues, failing_steps
from compiler.lowering.import_jaxpr import import_jaxpr
from compiler.lowering.reduce import Progress, Size, reduce_graph, size_of
from compiler.passes.cse import CommonSubexpressionElimination
from compiler.passes.dce import DeadCodeElimination
from compiler.passes.pipeline import parse_pipeline
from compiler.rewrite.numerics import Numerics
from tests.compiler.passes.running import body, graph
from tests.tracegraph.broken_passes import OneUlp, WrongSign, pipeline, raising


def network(w: Any, x: Any) -> Any:
    """Some hundred ops: layers, a loop with a branch in it, a call."""
    for i in range(20):
        x = jnp.tanh(x @ w[i])

    def step(c: Any, a: Any) -> Any:
        c = jnp.where(c > 0, jnp.sin(c) + a, lax.cond(a[0] > 0, jnp.cos, lambda v: v, c))
        return c, c * 2

    c, rows = lax.scan(step, jax.nn.relu(x[0]), x)
    return {"loss": c.sum() + rows.sum(), "rows": rows, "x": x}


@pytest.fixture(scope="module")
def large() -> Graph:
    arguments = jnp.zeros((20, 8, 8)), jnp.zeros((4, 8))
    return import_jaxpr(jax.make_jaxpr(network)(*arguments)).freeze()


def names(graph: Graph) -> list[str]:
    return [op.name for op in walk(graph) if not op.is_terminator]


def has(name: str) -> Callable[[Graph], bool]:
    return lambda graph: name in names(graph)


@pytest.mark.parametrize("name", ["tanh", "sin", "cos", "cond", "scan", "dot_general", "max"])
def test_one_op_is_left_of_a_hundred(large: Graph, name: str) -> None:
    before = print_graph(large)
    smallest, progress = reduce_graph(large, has(name))
    verify(smallest)
    check_types(smallest)
    assert names(smallest) == [name]
    assert progress.size == size_of(smallest)
    assert 0 < progress.kept <= progress.tried
    assert print_graph(large) == before


def test_two_ops_that_depend_on_each_other(large: Graph) -> None:
    def fails(graph: Graph) -> bool:
        return any(
            op.name == "tanh" and op.operands[0].producer in producers
            for producers in [{p for p in walk(graph) if p.name == "dot_general"}]
            for op in walk(graph)
        )

    smallest, _ = reduce_graph(large, fails)
    assert names(smallest) == ["dot_general", "tanh"]


def test_an_op_that_must_stand_in_a_loop(large: Graph) -> None:
    def fails(graph: Graph) -> bool:
        return any(op.name == "sin" and op.parent.owner is not graph for op in walk(graph))

    smallest, _ = reduce_graph(large, fails)
    assert names(smallest) == ["scan", "sin"]
    verify(smallest)


def test_a_value_that_is_read_becomes_a_parameter() -> None:
    before = graph(
        "(%x: f32[4]) -> (f32[4])",
        """
        %a = sin %x : f32[4]
        %s = reduce_sum %a {axes = (0,)} : f32[]
        %b = broadcast_in_dim %s {broadcast_dimensions = (), shape = (4,)} : f32[4]
        return %b
        """,
    )
    smallest, _ = reduce_graph(before, has("broadcast_in_dim"))
    assert body(smallest).splitlines() == [
        "%b = broadcast_in_dim %s {broadcast_dimensions = (), shape = (4,)} : f32[4]",
        "return",
    ]
    assert [str(value.type) for value in smallest.parameters] == ["f32[]"]


def test_dead_code_stays_where_the_failure_needs_it() -> None:
    before = graph("(%x: f32[]) -> (f32[])", "%a = sin %x : f32[]\n%b = cos %x : f32[]\nreturn %b")
    smallest, _ = reduce_graph(before, lambda g: any(not op.has_uses for op in _sines(g)))
    assert names(smallest) == ["sin"]


def _sines(graph: Graph) -> list[Any]:
    return [op for op in walk(graph) if op.name == "sin"]


def test_results_and_parameters_go_too() -> None:
    before = graph(
        "(%x: f32[], %y: f32[]) -> (f32[], f32[], f32[])",
        "%a = sin %x : f32[]\n%b = cos %y : f32[]\nreturn %a, %b, %y",
    )
    smallest, _ = reduce_graph(before, lambda g: any(value.producer for value in g.outputs))
    assert len(smallest.parameters) == len(smallest.outputs) == size_of(smallest).ops == 1


def test_result_names_stay_with_their_results(large: Graph) -> None:
    assert large.result_names == ("['loss']", "['rows']", "['x']")
    smallest, _ = reduce_graph(large, lambda g: "['x']" in g.result_names)
    assert smallest.result_names == ("['x']",)
    assert names(smallest) == []


def test_every_smaller_graph_is_reported_and_smaller(large: Graph) -> None:
    seen: list[Progress] = []
    smallest, last = reduce_graph(large, has("sin"), progress=seen.append)
    sizes = [progress.size for progress in seen]
    assert sizes == sorted(set(sizes), reverse=True)
    assert sizes[-1] == size_of(smallest) == last.size
    assert sizes[0] < size_of(large)
    assert str(Size(3, 5)) == "3 operations"


def test_no_candidate_is_begun_when_time_is_up(large: Graph) -> None:
    smallest, progress = reduce_graph(large, has("sin"), max_seconds=0)
    assert smallest is large
    assert progress.tried == 0


def test_a_question_that_raises_means_no(large: Graph) -> None:
    def fails(graph: Graph) -> bool:
        if len(names(graph)) < 90:
            raise RuntimeError("another failure")
        return True

    smallest, progress = reduce_graph(large, fails)
    assert len(names(smallest)) == 90
    assert progress.kept < progress.tried


def test_a_type_without_constants_keeps_its_op() -> None:
    def f(keys: Any) -> Any:
        return lax.scan(lambda c, k: (jax.random.fold_in(c, 1), jax.random.bits(k)), keys[0], keys)

    before = import_jaxpr(jax.make_jaxpr(f)(jax.random.split(jax.random.key(0), 3)))
    smallest, _ = reduce_graph(before, has("random_fold_in"))
    verify(smallest)
    assert names(smallest) == ["random_fold_in"]


RAISING = raising(ValueError("boom"), lambda g: has("cos")(g) and has("scan")(g))


def test_a_pass_that_raises(large: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CommonSubexpressionElimination, "run", RAISING)
    steps = parse_pipeline("inline,cse,dce")
    (way,) = failing_steps(large, steps)
    assert way == FailingStep(steps, "the pass cse", "ValueError")
    assert str(way) == "the pass cse fails with ValueError"
    smallest, _ = reduce_graph(large, way)
    assert sorted(names(smallest)) == ["cos", "scan"]
    assert list(failing_steps(smallest, steps)) == [way]


def test_a_pass_that_raises_something_else_is_another_failure(
    large: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(self: Any, graph: Graph, rewriter: Any) -> None:
        raise ValueError("boom") if has("cos")(graph) else KeyError("another")

    monkeypatch.setattr(CommonSubexpressionElimination, "run", run)
    (way,) = failing_steps(large, parse_pipeline("cse"))
    smallest, _ = reduce_graph(large, way)
    assert "cos" in names(smallest)


def test_a_broken_dce_does_not_stop_the_reduction(
    large: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DeadCodeElimination, "run", raising(RuntimeError("boom"), has("cos")))
    (way,) = failing_steps(large, parse_pipeline("dce"))
    smallest, _ = reduce_graph(large, way)
    assert names(smallest) == ["cos"]


@pytest.mark.parametrize(
    ("wrong", "left"), [(OneUlp(), ["sin"]), (WrongSign(), ["scan", "add"])], ids=["ulp", "sign"]
)
def test_wrong_values(large: Graph, wrong: Any, left: list[str]) -> None:
    way = WrongValues(pipeline("inline,cse", wrong), Numerics.EXACT)
    assert way(large)
    smallest, _ = reduce_graph(large, way)
    assert way(smallest)
    assert sorted(left) == sorted(set(names(smallest)) - {"constant"})
    assert str(way) == "the results differ"


def test_wrong_values_within_the_class_are_no_failure(large: Graph) -> None:
    assert not WrongValues(pipeline(OneUlp()), Numerics.ROUNDING)(large)
    assert WrongValues(pipeline(WrongSign()), Numerics.FINITE)(large)
    assert not WrongValues(pipeline("inline,cse,dce"), Numerics.EXACT)(large)
