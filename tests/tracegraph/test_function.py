"""What a decorated function can do beyond ``jax.jit``: graphs, traces, pipelines."""

from __future__ import annotations

import copy
import inspect
from typing import Any

import jax
import jax.numpy as jnp
import pytest

import tracegraph as tg
from compiler.passes.pipeline import parse_pipeline

X = jnp.arange(4.0)


def wasteful(x: Any) -> Any:
    """Has something to do for every pass: an equal pair, a dead op, a call."""
    jnp.tanh(x)
    return jax.nn.relu(jnp.sin(x) * 1.0 + jnp.sin(x))


def names(graph: tg.Graph) -> list[str]:
    return [op.name for op in graph.body]


def test_graph_is_the_optimized_one_and_frozen() -> None:
    f = tg.function(wasteful)
    graph = f.graph(X)
    assert graph.frozen
    assert names(graph).count("sin") == 1
    assert "tanh" not in names(graph)
    assert str(graph).startswith("tracegraph.ir 1\ngraph @wasteful(%x: f32[4])")


def test_graph_of_a_call_is_not_made_again() -> None:
    f = tg.function(wasteful)
    f(X)
    assert f.graph(X) is f.graph(X + 1)
    assert f.graph(X) is not f.graph(X[:2])


def test_graph_takes_static_and_keyword_arguments() -> None:
    f = tg.function(lambda x, n, *, y: x * n + y, static_argnums=1)
    assert [str(value.type) for value in f.graph(X, 3, y=1.0).parameters] == ["f32[4]", "~f32[]"]


def test_trace_has_the_captured_graph_beside_the_optimized_one() -> None:
    trace = tg.function(wasteful).trace(X)
    assert names(trace.captured).count("sin") == 2
    assert names(trace.optimized).count("sin") == 1
    assert trace.captured.frozen
    assert len(trace.passes) > 1
    assert trace.stages
    assert min(trace.times.importing, trace.times.passes, trace.times.exporting) >= 0


def test_trace_answers_what_jax_traces_answer() -> None:
    trace, plain = tg.function(wasteful).trace(X), jax.jit(wasteful).trace(X)
    assert (trace.fun_name, trace.out_info) == (plain.fun_name, plain.out_info)
    assert trace.args_info == plain.args_info
    assert repr(trace) == "<Trace of wasteful>"
    with pytest.raises(AttributeError):
        trace.no_such_attribute  # noqa: B018


def test_no_passes() -> None:
    trace = tg.function(wasteful, passes="").trace(X)
    assert names(trace.optimized) == names(trace.captured)
    assert trace.stages == ()


def test_passes_as_text_and_as_a_pipeline() -> None:
    for passes in ("dce", parse_pipeline("dce")):
        trace = tg.function(wasteful, passes=passes).trace(X)
        assert names(trace.optimized).count("sin") == 2
        assert "tanh" not in names(trace.optimized)


def test_unknown_pass_is_told_at_the_decorator() -> None:
    with pytest.raises(tg.TracegraphError, match="no-such-pass"):
        tg.function(passes="no-such-pass")(wasteful)


def test_the_optimized_graph_is_what_runs() -> None:
    """The program that jit lowers has as many sines as the graph."""
    text = tg.function(wasteful).lower(X).as_text()
    assert text.count("stablehlo.sine") == 1
    assert "stablehlo.tanh" not in text


def test_only_the_top_level_is_optimized() -> None:
    """Whoever differentiates or batches from outside sees the plain function."""
    inside = jax.make_jaxpr(tg.function(wasteful))(X)
    assert str(inside).count("sin ") == 2


def test_an_inner_function_becomes_part_of_the_outer_graph() -> None:
    inner = tg.function(wasteful)
    graph = tg.function(lambda x: inner(x) + jnp.sin(x)).graph(X)
    assert names(graph).count("sin") == 1


def test_donation_is_in_the_graph() -> None:
    graph = tg.function(lambda a, b: a + b, donate_argnums=1).graph(X, X)
    assert [info.donated for info in graph.parameter_info] == [False, True]


def test_clear_cache_forgets_graphs() -> None:
    f = tg.function(wasteful)
    before = f.graph(X)
    f.clear_cache()
    assert f.graph(X) is not before


def test_methods_stay_behind_when_attributes_are_copied() -> None:
    f = tg.function(wasteful)
    derived = jax.jit(jax.grad(lambda x: f(x).sum()))
    assert not hasattr(jax.jit(f), "graph")
    assert derived.lower(X).out_info.shape == (4,)
    assert sorted(set(vars(f)) & {"graph", "trace", "lower", "eval_shape", "clear_cache"}) == []


def test_a_function_with_a_signature_of_its_own() -> None:
    def scaled(*values: Any, **others: Any) -> Any:
        return values[0] * others["by"]

    parameters = [
        inspect.Parameter("x", inspect.Parameter.POSITIONAL_OR_KEYWORD),
        inspect.Parameter("by", inspect.Parameter.KEYWORD_ONLY),
    ]
    setattr(scaled, "__signature__", inspect.Signature(parameters))  # noqa: B010
    f = tg.function(scaled)
    assert inspect.signature(f) == inspect.Signature(parameters)
    assert (f(X, by=2.0) == 2 * X).all()
    assert str(f.graph(X, by=2.0)).splitlines()[1].startswith("graph @scaled(%x: f32[4], %by:")


def test_public_names_have_help() -> None:
    for name in tg.__all__:
        assert name == "__version__" or getattr(tg, name).__doc__


@pytest.mark.parametrize("name", ["graph", "cost", "kernels", "profile", "report", "explain"])
def test_a_method_serves_when_nobody_holds_the_function(name: str) -> None:
    assert getattr(tg.function(wasteful), name)(X) is not None


def test_a_trace_can_be_copied() -> None:
    trace = tg.function(wasteful).trace(X)
    assert copy.copy(trace).optimized is trace.optimized
    assert copy.copy(trace).fun_name == "wasteful"
    assert not hasattr(trace, "__len__")
