"""``step.profile``: measured time on kernels, ops and lines, and what could not be attributed."""

from __future__ import annotations

import gzip
import json
import tempfile

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import tracegraph as tg
from tracegraph.executable.report import kernel_report
from tracegraph.profiling.events import Event, read_events
from tracegraph.profiling.report import profile_report

pytestmark = pytest.mark.filterwarnings("ignore:Some donated buffers were not usable")


def step(x, w):
    y = jnp.tanh(x @ w)
    return lax.scan(lambda c, _: (c @ w, None), y, None, length=4)[0]


def test_time_is_put_on_kernels_lines_and_ops():
    x = jnp.ones((128, 128))
    report = tg.function(step).profile(x, x, calls=3)
    assert (report.calls, report.note) == (3, "")
    assert report.wall > 0
    assert report.in_kernels > 0
    assert 0 <= report.unattributed < 0.9
    first = step.__code__.co_firstlineno
    assert {line.frame.line for line in report.lines} >= {first + 1, first + 2}
    assert sum(line.seconds for line in report.lines) == pytest.approx(
        report.in_kernels * (1 - report.unattributed)
    )
    assert any(one.op.name == "dot_general" for one in report.ops)
    runs = {one.runs for one in report.kernels if one.kernel.times == 4}
    assert runs == {4.0}
    assert "on no operation" in str(report)


def test_donated_arguments_are_kept():
    x = jnp.ones(16)
    report = tg.function(lambda x: x + 1, donate_argnums=0).profile(x, calls=2)
    np.testing.assert_array_equal(x, np.ones(16))
    assert report.wall > 0


def test_trees_and_keywords():
    report = tg.function(lambda tree, *, n: tree["x"] * n, static_argnames="n").profile(
        {"x": jnp.ones(8)}, n=3, calls=1
    )
    assert report.function == "<lambda>"


def test_no_call_cannot_be_measured():
    with pytest.raises(tg.TracegraphError, match="nothing can be measured in no call"):
        tg.function(lambda x: x).profile(jnp.ones(2), calls=0)


def test_another_profile_in_the_way_is_one_error(tmp_path):
    with jax.profiler.trace(str(tmp_path)):
        with pytest.raises(tg.TracegraphError) as error:
            tg.function(lambda x: x + 1).profile(jnp.ones(2), calls=1)
        assert "the profiler is running already" in str(error.value)


def test_no_place_for_temporary_files_is_one_error(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "not-there"))
    with pytest.raises(tg.TracegraphError, match="the profile cannot be written") as caught:
        tg.function(step).profile(jnp.ones((2, 2)), jnp.ones((2, 2)), calls=1)
    assert "not-there" in caught.value.found
    assert "TMPDIR" in caught.value.hint


def known():
    graph = tg.function(step)
    x = jax.ShapeDtypeStruct((8, 8), jnp.float32)
    return graph.kernels(x, x)


def test_events_of_other_modules_and_of_loops_do_not_count():
    kernels = known()
    name = kernels.kernels[0].name
    events = [
        Event(kernels.module, name, 2.0),
        Event(kernels.module, name, 4.0),
        Event("jit_other", name, 100.0),
        Event(kernels.module, "while.1", 100.0),
    ]
    report = profile_report(kernels, events, 2, 5.0)
    assert report.in_kernels == 3.0
    assert [(one.name, one.runs, one.seconds) for one in report.kernels] == [(name, 1.0, 3.0)]


def test_where_the_profiler_says_nothing_the_report_says_so(tmp_path):
    report = profile_report(known(), read_events(tmp_path), 3, 0.25)
    assert (report.kernels, report.unattributed, report.wall) == ((), 1.0, 0.25)
    assert "the profiler named no kernel" in str(report)


def test_a_kernel_without_ops_is_not_attributed():
    graph = tg.function(lambda x: jnp.exp(x)).graph(jax.ShapeDtypeStruct((8,), jnp.float32))
    hlo = (
        "HloModule jit_f\n\nENTRY %m (x: f32[8]) -> f32[8] {\n"
        "  %x = f32[8]{0} parameter(0)\n"
        '  %e = f32[8]{0} exponential(%x), metadata={op_name="jit(f)/exp"}\n'
        "  ROOT %c = f32[8]{0} copy(%e)\n}\n"
    )
    events = [Event("jit_f", "e", 3.0), Event("jit_f", "c", 1.0)]
    report = profile_report(kernel_report(graph, hlo), events, 1, 4.0)
    assert report.unattributed == 0.25
    assert [one.op.name for one in report.ops] == ["exp"]


def test_the_newest_trace_is_read(tmp_path):
    event = {"ph": "X", "name": "a", "dur": 5, "args": {"hlo_op": "a", "hlo_module": "m"}}
    other = {"ph": "X", "name": "end: a", "dur": 5, "args": {}}
    folder = tmp_path / "plugins" / "profile" / "now"
    folder.mkdir(parents=True)
    with gzip.open(folder / "host.trace.json.gz", "wt") as file:
        json.dump({"traceEvents": [event, other, {"ph": "M"}]}, file)
    assert list(read_events(tmp_path)) == [Event("m", "a", 5e-6)]
