"""``tracegraph reduce``: smaller graphs that fail in the same way."""

from __future__ import annotations

import re

import pytest

from compiler.ir import parse_graph, walk
from compiler.passes.registry import passes
from tests.tracegraph.broken_passes import raising

LINES = "\n".join(f"  %v{i} = sin %v{i - 1} : f32[4]" for i in range(1, 40))
GRAPH = f"""\
tracegraph.ir 1
graph @f(%v0: f32[4]) -> (f32[4]) {{
{LINES}
  %c = cos %v20 : f32[4]
  %y = add %c, %v39 : f32[4]
  return %y
}}
"""


@pytest.fixture
def file(project, monkeypatch):
    def has_cos(graph):
        return any(op.name == "cos" for op in walk(graph))

    monkeypatch.setattr(passes()["cse"], "run", raising(ValueError("boom"), has_cos))
    (project / "f.tg").write_text(GRAPH)
    return "f.tg"


def names(text):
    return [op.name for op in parse_graph(text).body]


def test_the_smallest_graph_is_written_beside_the_file(cli, file, project):
    result = cli("reduce", file, "--pipeline", "inline,cse,dce")
    assert (result.exit_code, result.stdout) == (0, "")
    text = (project / "f.reduced.tg").read_text()
    assert text.startswith("// pipeline: inline,cse,dce\n// the pass cse fails with ValueError\n")
    assert names(text) == ["cos", "return"]
    first, *middle, last = result.stderr.splitlines()
    assert first == "the pass cse fails with ValueError: 41 operations"
    assert all(re.fullmatch(r"  \d+ operations after \d+\.\d s", line) for line in middle)
    assert re.fullmatch(
        r"from 41 operations to 1 in .* s, \d+ of \d+ smaller graphs failed in the same way, "
        r"written to f\.reduced\.tg",
        last,
    )
    assert sorted(path.name for path in project.glob("*tg*")) == ["f.reduced.tg", "f.tg"]


def test_the_result_shows_the_failure_again(cli, file):
    cli("reduce", file, "--pipeline", "cse,dce")
    result = cli("opt", "f.reduced.tg")
    assert result.exit_code == 1
    assert "ValueError: boom" in result.stderr
    again = cli("reduce", "f.reduced.tg", "-o", "again.tg")
    assert again.exit_code == 0
    assert "from 1 operations to 1" in again.stderr


def test_a_reproducer_names_its_pipeline(cli, file, project):
    (project / "r.tg").write_text("// pipeline: cse,fuse\n// ValueError: boom\n" + GRAPH)
    assert cli("reduce", "r.tg").exit_code == 0
    assert (project / "r.reduced.tg").read_text().startswith("// pipeline: cse,fuse\n")


def test_stdin_and_stdout(cli, file):
    result = cli("reduce", "-", "--pipeline", "cse", stdin=GRAPH)
    assert result.exit_code == 0
    assert names(result.stdout) == ["cos", "return"]


def test_output_to_a_file(cli, file, project):
    assert cli("reduce", file, "-o", "out.tg").exit_code == 0
    assert (project / "out.tg").exists()
    assert not (project / "f.reduced.tg").exists()


def test_values(cli, file, project, monkeypatch):
    def run(self, graph, rewriter):
        for op in walk(graph):
            if op.name == "cos" and rewriter.may_change():
                new = rewriter.create(op, "sin", op.operands, [op.result.type])
                rewriter.replace(op, new.results)

    monkeypatch.setattr(passes()["cse"], "run", run)
    result = cli("reduce", file, "--pipeline", "cse", "--check", "values")
    assert result.exit_code == 0
    assert result.stderr.startswith("the results differ: 41 operations\n")
    assert names((project / "f.reduced.tg").read_text()) == ["cos", "return"]


def test_values_of_64_bits(cli, project, monkeypatch):
    (project / "wide.tg").write_text(GRAPH.replace("f32", "f64"))
    result = cli("reduce", "wide.tg", "--pipeline", "dce", "--check", "values")
    assert "the same results with the pipeline dce" in result.stderr


def test_time_is_bounded(cli, file, project):
    result = cli("reduce", file, "--max-seconds", "0")
    assert result.exit_code == 0
    assert "from 41 operations to 41" in result.stderr
    assert len(names((project / "f.reduced.tg").read_text())) == 42


@pytest.mark.parametrize(
    ("check", "expected", "found"),
    [
        ("passes", "a pass that fails", "no pass failed"),
        ("values", "results that differ", "the same results"),
    ],
)
def test_a_graph_that_does_not_fail(cli, file, project, check, expected, found):
    result = cli("reduce", file, "--pipeline", "dce", "--check", check)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        "there is nothing to reduce: the pipeline does not fail on this graph\n"
        "  where: graph @f in f.tg\n"
        f"  expected: {expected}\n"
        f"  found: {found} with the pipeline dce\n"
        "  what to do: name the passes that fail with --pipeline; wrong values are found by "
        "--check values\n"
    )
    assert not (project / "f.reduced.tg").exists()


def test_values_of_a_graph_that_cannot_run(cli, project):
    text = GRAPH.replace("cos %v20", "foreign.no_such_op %v20")
    (project / "f.tg").write_text(text)
    result = cli("reduce", "f.tg", "--pipeline", "dce", "--check", "values")
    assert result.exit_code == 2
    assert result.stderr.startswith("there is no JAX primitive named foreign.no_such_op\n")


@pytest.mark.parametrize(
    "words", [("--pipeline", "cs"), ("--check", "x"), ("--max-seconds", "-1"), ("--numerics", "x")]
)
def test_wrong_options(cli, file, project, words):
    result = cli("reduce", file, *words)
    assert result.exit_code == 2
    assert "  what to do: " in result.stderr
    assert not (project / "f.reduced.tg").exists()


@pytest.mark.parametrize("text", [GRAPH[: len(GRAPH) // 2], GRAPH.replace("f32", "f23"), ""])
def test_text_that_is_no_graph(cli, project, text):
    (project / "bad.tg").write_text(text)
    result = cli("reduce", "bad.tg")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "  where: bad.tg:" in result.stderr
    assert not (project / "bad.reduced.tg").exists()


def test_a_file_that_does_not_exist(cli, file):
    result = cli("reduce", "g.tg")
    assert result.exit_code == 2
    assert result.stderr.endswith("  what to do: did you mean f.tg?\n")


def test_a_place_that_cannot_be_written_to(cli, file):
    result = cli("reduce", file, "-o", "no/such/folder.tg")
    assert result.exit_code == 2
    assert "the output cannot be written\n  where: no/such/folder.tg\n" in result.stderr
