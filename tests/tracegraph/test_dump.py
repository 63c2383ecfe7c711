"""Dumps: a folder per compiled function, whole or not at all, written once, never in the way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import pytest

import tracegraph as tg
from compiler.ir import parse_graph, structurally_equal

X = jnp.arange(4.0)


def body(x: Any) -> Any:
    return jnp.sin(x) * 1.0 + jnp.sin(x)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where dumps go; it does not exist yet."""
    target = tmp_path / "dumps" / "here"
    monkeypatch.setenv("TRACEGRAPH_DUMP_TO", str(target))
    return target


def test_no_dump_without_the_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRACEGRAPH_DUMP_TO", raising=False)
    monkeypatch.chdir(tmp_path)
    tg.function(body)(X)
    assert list(tmp_path.iterdir()) == []


def test_a_call_writes_one_folder(folder: Path) -> None:
    f = tg.function(body)
    f(X), f(X), f.lower(X)
    (dump,) = folder.iterdir()
    assert dump.name == "0001_body"
    names = sorted(path.name for path in dump.iterdir())
    assert names[0] == "000_captured.tg"
    assert [name.partition("_")[2] for name in names if "optimized" in name] == ["optimized.tg"]
    assert [path.suffix for path in sorted(dump.iterdir())[-3:]] == [".mlir", ".hlo", ".md"]


def test_every_signature_has_its_folder(folder: Path) -> None:
    f = tg.function(body)
    f(X), f(X[:2]), tg.function(lambda x: x)(X)
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["0001_body", "0002_body", "0003_lambda"]


def test_the_files_are_what_they_say(folder: Path) -> None:
    trace = tg.function(body).trace(X)
    trace.lower()
    (dump,) = folder.iterdir()
    (optimized,) = dump.glob("*_optimized.tg")
    assert structurally_equal(parse_graph(optimized.read_text()), trace.optimized)
    captured = (dump / "000_captured.tg").read_text()
    assert structurally_equal(parse_graph(captured), trace.captured)
    assert __file__ in captured
    assert "stablehlo.sine" in next(dump.glob("*.mlir")).read_text()
    assert next(dump.glob("*.hlo")).read_text().startswith("HloModule jit_body")
    assert len(list(dump.glob("*.tg"))) == 2 + len(trace.stages)


def test_the_index_lists_passes_and_files(folder: Path) -> None:
    trace = tg.function(body).trace(X)
    trace.lower()
    (dump,) = folder.iterdir()
    index = (dump / "index.md").read_text()
    for run in trace.passes:
        assert f"| {run.title} | {run.ops_before} | {run.ops_after} | {run.changes} |" in index
    for path in dump.iterdir():
        assert path.name == "index.md" or f"({path.name})" in index


def test_the_result_is_the_same(folder: Path) -> None:
    assert tg.function(body)(X).tolist() == jax.jit(body)(X).tolist()
    assert folder.exists()


def test_the_call_itself_goes_the_ordinary_way(folder: Path) -> None:
    def mine(x: jax.Array) -> jax.Array:
        return body(x)

    step = tg.function(mine)
    step(X)
    assert step.retraces()[-1].compile_ms > 0
    assert len(list(folder.iterdir())) == 1
    for budget in ({"max_ops": 1}, {"max_compile_seconds": 1e-9}):
        with pytest.raises(tg.BudgetError):
            tg.function(lambda x: body(x), **budget)(X)


def test_nothing_half_written_stays(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any, **kwargs: Any) -> str:
        raise OSError("disk full")

    monkeypatch.setattr(Path, "write_text", fail)
    with pytest.warns(tg.OptimizationWarning, match="disk full"):
        tg.function(body)(X)
    assert list(folder.iterdir()) == []


def test_functions_under_a_transformation_are_not_dumped(folder: Path) -> None:
    jax.vmap(tg.function(body))(X[None])
    assert not folder.exists()


def test_the_index_lists_the_rules_that_fired(folder: Path) -> None:
    step = tg.function(lambda a, b: (a @ b)[:2])
    step(jnp.ones((16, 16)), jnp.ones((16, 16)))
    (dump,) = folder.iterdir()
    index = (dump / "index.md").read_text()
    assert "| slice-of-dot | rounding | " in index
    assert "test_dump.py" in index
