"""A failing optimisation never breaks a call: the result is right, one warning says what failed."""

from __future__ import annotations

import re
import tempfile
import warnings
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

import tracegraph as tg
from compiler.ir import parse_graph
from compiler.passes.cse import CommonSubexpressionElimination
from compiler.passes.manager import PassManager
from compiler.passes.pipeline import parse_pipeline


def twice(x: jax.Array) -> jax.Array:
    return jnp.sin(x) + jnp.sin(x)


@pytest.fixture(autouse=True)
def _compiled_anew() -> None:
    jax.clear_caches()  # what another test compiled of the same function would be found


@pytest.fixture
def broken_cse(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(self: object, graph: object, rewriter: object) -> None:
        raise ValueError("no sense in this graph")

    monkeypatch.setattr(CommonSubexpressionElimination, "run", run)


@pytest.mark.usefixtures("broken_cse")
def test_a_pass_that_raises_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACEGRAPH_DUMP_TO", str(tmp_path))
    step = tg.function(twice)
    with pytest.warns(tg.OptimizationWarning, match="the pass cse failed") as seen:
        result = step(jnp.ones(3))
    assert result.tolist() == twice(jnp.ones(3)).tolist()
    (warning,) = seen
    assert warning.filename == __file__
    found = re.search(r"tracegraph opt (\S+)", str(warning.message))
    assert found is not None
    text = Path(found[1]).read_text()
    assert "// ValueError: no sense in this graph" in text
    assert text.startswith("// pipeline: cse,")


@pytest.mark.usefixtures("broken_cse")
def test_under_test_it_is_an_error() -> None:
    """Warnings are errors there, so no suite passes over a pass that fails."""
    with pytest.raises(tg.OptimizationWarning, match="the pass cse failed and was left out"):
        tg.function(twice)(jnp.ones(3))


@pytest.mark.usefixtures("broken_cse")
def test_without_a_dump_folder_the_reproducer_is_a_temporary_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.warns(tg.OptimizationWarning, match="tracegraph opt") as seen:
        tg.function(twice)(jnp.ones(3))
    (file,) = tmp_path.iterdir()
    assert str(file) in str(seen[0].message)


@pytest.mark.usefixtures("broken_cse")
def test_a_reproducer_that_cannot_be_written_leaves_the_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "no" / "such"))
    monkeypatch.setattr(Path, "mkdir", lambda *_, **__: (_ for _ in ()).throw(OSError("full")))
    with pytest.warns(tg.OptimizationWarning, match="the pass cse failed") as seen:
        result = tg.function(twice)(jnp.ones(3))
    assert result.tolist() == twice(jnp.ones(3)).tolist()
    assert "tracegraph opt" not in str(seen[0].message)


@pytest.mark.usefixtures("broken_cse")
def test_the_other_passes_still_run() -> None:
    step = tg.function(lambda x: jax.nn.relu(x))
    with pytest.warns(tg.OptimizationWarning):
        trace = step.trace(jnp.ones(3))
    assert "jit" in str(trace.captured)
    assert "jit" not in str(trace.optimized)
    assert not any("cse" in run.title for run in trace.passes)


@pytest.mark.usefixtures("broken_cse")
def test_it_warns_once_per_signature(recwarn: pytest.WarningsRecorder) -> None:
    step = tg.function(twice)
    with pytest.warns(tg.OptimizationWarning):
        step(jnp.ones(3))
    step(jnp.zeros(3))
    assert step.trace(jnp.ones(3)).stages
    assert list(recwarn) == []


def test_the_reproducer_shows_the_failure_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken_cse: None
) -> None:
    monkeypatch.setenv("TRACEGRAPH_DUMP_TO", str(tmp_path))
    with pytest.warns(tg.OptimizationWarning):
        tg.function(twice)(jnp.ones(3))
    (file,) = tmp_path.glob("*.tg")
    pipeline = file.read_text().partition("\n")[0].removeprefix("// pipeline: ")
    result = PassManager(parse_pipeline(pipeline)).run(parse_graph(file.read_text()))
    assert [str(failure.error) for failure in result.failures] == ["no sense in this graph"]


def test_an_export_that_raises_leaves_the_plain_program(monkeypatch: pytest.MonkeyPatch) -> None:
    def export(graph: object) -> object:
        raise RuntimeError("no way out")

    monkeypatch.setattr("tracegraph.program.export_jaxpr", export)
    step = tg.function(twice, donate_argnums=0)
    x = jnp.ones(3)
    with pytest.warns(tg.OptimizationWarning, match="no way out"):
        result = step(x)
    assert result.tolist() == twice(jnp.ones(3)).tolist()
    assert x.is_deleted()
    with pytest.raises(tg.TracegraphError, match="has no graph"):
        step.graph(jnp.ones(3))


def test_a_pass_that_changes_the_result_type_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    def export(graph: object) -> object:
        return jax.make_jaxpr(lambda x: x.astype(jnp.float16))(jnp.ones(3))

    monkeypatch.setattr("tracegraph.program.export_jaxpr", export)
    with pytest.warns(tg.OptimizationWarning, match="returns other types than the function"):
        result = tg.function(twice)(jnp.ones(3))
    assert result.dtype == jnp.float32


def test_a_dump_that_cannot_be_written_is_one_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "occupied"
    file.write_text("a file, not a folder")
    monkeypatch.setenv("TRACEGRAPH_DUMP_TO", str(file))
    with pytest.warns(tg.OptimizationWarning, match=r"nothing was dumped .*What to do: name"):
        result = tg.function(twice)(jnp.ones(3))
    assert result.tolist() == twice(jnp.ones(3)).tolist()
    assert file.read_text() == "a file, not a folder"


@pytest.mark.parametrize("text", ["cse{deep=1}", "cs", "cse,,dce", "repeat(cse"])
def test_a_wrong_pipeline_is_told_at_once(text: str) -> None:
    with pytest.raises(tg.TracegraphError):
        tg.function(twice, passes=text)


def test_a_captured_array_that_was_deleted_is_jits_own_error() -> None:
    array = jnp.arange(6.0) * 1
    array.delete()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(RuntimeError, match="Array has been deleted"):
            tg.function(lambda x: x + array)(jnp.ones(6))
