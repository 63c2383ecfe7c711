"""Times in a report: measured when they are asked for, floors on a device, and whose they are."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import pytest

import tracegraph as tg
from compiler.passes.pipeline import parse_pipeline
from tracegraph.costs.report import cost_report
from tracegraph.report import report_graph

SLOW = tg.DeviceSpec("slow", {"f32": 1e3}, 1e3, "made up")


def plain(w, x):
    hidden = jnp.tanh(x @ w)
    return jax.lax.scan(lambda c, _: (c @ w, None), hidden, None, length=4)[0]


step = tg.function(plain)
W, X = jnp.ones((64, 64)), jnp.ones((16, 64))


@pytest.fixture(scope="module")
def measured():
    return step.report(W, X, profile=True, device=SLOW).content


def last_ops(content):
    return [content["ops"][op] for op, *_ in content["stages"][-1]["ops"]]


def test_nothing_is_measured_and_no_device_is_named_unless_asked():
    content = step.report(W, X).content
    assert content["profile"] is content["device"] is None
    assert not any(key in op for op in content["ops"] for key in ("m", "e", "d"))
    assert all(kernel["seconds"] == 0 for kernel in content["kernels"])
    assert all(line[6:] == (0, 0) for line in content["lines"])


def test_the_measured_time_is_all_on_ops_but_for_the_share_that_is_said(measured):
    about = measured["profile"]
    assert (about["calls"], about["note"]) == (10, "")
    assert about["in_kernels"] > 0
    assert about["wall"] > 0
    assert 0 <= about["unattributed"] < 1
    on_ops = sum(op.get("m", 0) for op in last_ops(measured))
    assert on_ops == pytest.approx(about["in_kernels"] * (1 - about["unattributed"]), rel=0.01)
    on_kernels = sum(kernel["seconds"] for kernel in measured["kernels"])
    assert on_kernels == pytest.approx(about["in_kernels"], rel=0.01)


def test_the_lines_have_the_times_of_their_ops(measured):
    first = plain.__code__.co_firstlineno
    times = {line: (floor, time) for _, line, *_, floor, time in measured["lines"]}
    assert times[first + 1][1] > 0
    assert times[first + 2][1] > 0
    on_ops = sum(op.get("m", 0) for op in last_ops(measured))
    assert sum(time for _, time in times.values()) == pytest.approx(on_ops, rel=0.01)


def test_floors_are_those_of_the_cost_report(measured):
    expected = cost_report(step.graph(W, X), SLOW)
    assert measured["device"]["name"] == "slow"
    assert measured["device"]["source"] == "made up"
    assert measured["device"]["floor"] == pytest.approx(expected.seconds, rel=1e-3)
    floors = sorted(op["e"] for op in last_ops(measured) if "e" in op)
    found = sorted(row.floor.seconds for row in expected.ops if row.floor.bound)
    assert floors == pytest.approx(found, rel=1e-3)
    bounds = {op["n"]: op["d"] for op in last_ops(measured) if "d" in op}
    # 2 * 16 * 64 * 64 FLOPs at 1e3 a second, and four times as much in the loop
    assert bounds["dot_general"] == "compute"
    dots = [op["e"] for op in last_ops(measured) if op["n"] == "dot_general"]
    assert sorted(dots) == pytest.approx([131.072, 4 * 131.072], rel=1e-3)
    assert sum(line[6] for line in measured["lines"]) == pytest.approx(expected.seconds, rel=1e-3)


def test_a_graph_of_a_file_has_floors():
    graph = step.trace(W, X).captured
    content = report_graph(graph, parse_pipeline("inline,dce"), "H100").content
    assert content["device"]["name"] == "H100"
    assert any("e" in op for op in last_ops(content))


def test_donated_arguments_and_state_are_measured():
    donating = tg.function(lambda x: jnp.sin(x) * 2, donate_argnums=0)
    x = jnp.ones(256)
    content = donating.report(x, profile=True).content
    assert not x.is_deleted()
    assert any("m" in op for op in last_ops(content))


def test_shapes_cannot_be_measured():
    with pytest.raises(tg.TracegraphError) as error:
        step.report(W, jax.ShapeDtypeStruct((16, 64), jnp.float32), profile=True)
    assert "nothing can be measured on shapes" in str(error.value)
    assert "float32[16, 64]" in str(error.value)


def test_an_unknown_device_is_one_error():
    with pytest.raises(tg.TracegraphError, match="no device is described by 'abacus'"):
        step.report(W, X, device="abacus")


def test_a_function_that_fails_is_reported_and_not_measured():
    @tg.function
    def failing(x):
        raise ValueError("no")

    report = failing.report(X, profile=True, device=SLOW)
    assert isinstance(report.error, ValueError)
    assert report.content["profile"] is None
