"""``tracegraph opt``: graphs from files and stdin, pipelines, failing passes."""

from __future__ import annotations

import pytest

from compiler.passes.registry import passes

GRAPH = """\
tracegraph.ir 1
graph @f(%x: f32[4]) -> (f32[4]) {
  %dead = sin %x : f32[4]
  %y = neg %x : f32[4]
  return %y
}
"""
CLEAN = GRAPH.replace("  %dead = sin %x : f32[4]\n", "")


@pytest.fixture
def file(project):
    (project / "f.tg").write_text(GRAPH)
    return "f.tg"


def test_the_result_on_stdout_and_the_table_on_stderr(cli, file):
    result = cli("opt", file, "--pipeline", "dce", "--verify-each")
    assert (result.exit_code, result.stdout) == (0, CLEAN)
    (row,) = [line for line in result.stderr.splitlines() if "1 dce" in line]
    assert [cell.strip() for cell in row.split("│")[1:5]] == ["1 dce", "2", "1", "1"]


def test_the_default_pipeline(cli, file):
    assert cli("opt", file).stdout == CLEAN


def test_stdin(cli):
    assert cli("opt", "-", "--pipeline", "dce", stdin=GRAPH).stdout == CLEAN


def test_output_to_a_file(cli, file, project):
    result = cli("opt", file, "-o", "out.tg")
    assert (result.exit_code, result.stdout) == (0, "")
    assert (project / "out.tg").read_text() == CLEAN


@pytest.mark.parametrize("head", ["// pipeline: cse\n", "// a reproducer\n// pipeline:cse \n"])
def test_a_reproducer_names_its_pipeline(cli, head):
    result = cli("opt", "-", stdin=head + GRAPH)
    assert result.stdout == GRAPH
    assert "1 cse" in result.stderr
    assert "dce" not in result.stderr


def test_the_option_wins_over_the_header(cli):
    assert cli("opt", "-", "--pipeline", "dce", stdin="// pipeline: cse\n" + GRAPH).stdout == CLEAN


def test_the_graph_after_each_change(cli, file):
    result = cli("opt", file, "--pipeline", "cse,dce", "--print-after-each")
    assert result.stderr.startswith(f"// after 2 dce\n{CLEAN}")
    assert "// after 1 cse" not in result.stderr


def test_a_pass_that_fails_ends_the_command(cli, file, monkeypatch):
    def fail(*_):
        raise ValueError("boom")

    monkeypatch.setattr(passes()["dce"], "run", fail)
    result = cli("opt", file, "--pipeline", "cse,dce")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        "the pass dce failed\n"
        "  where: graph @f in f.tg\n"
        "  found: ValueError: boom\n"
        "  what to do: report the pass with this file; without it in --pipeline, the others run\n"
    )


def test_text_that_is_no_graph_shows_the_place(cli, project):
    (project / "bad.tg").write_text(GRAPH.replace("neg %x : f32[4]", "neg %x : f23[4]"))
    result = cli("opt", "bad.tg")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        "there is no element type f23\n"
        "  where: bad.tg:4:17\n"
        "      %y = neg %x : f23[4]\n"
        "                    ^\n"
        "  expected: an element type such as f32, bf16, i32, u8, bool, c64 or dtype<key<fry>>\n"
        "  found: `f23`\n"
        "  what to do: correct the name, or quote it if it was meant as a string\n"
    )


def test_a_file_that_does_not_exist(cli, file):
    result = cli("opt", file.replace("f", "g"))
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        "the graph cannot be read\n"
        "  where: g.tg\n"
        "  expected: a text file that holds one graph\n"
        "  found: No such file or directory\n"
        "  what to do: did you mean f.tg?\n"
    )


def test_a_file_that_is_no_text(cli, project):
    (project / "f.bin").write_bytes(b"\xff\xfe\x00")
    result = cli("opt", "f.bin")
    assert result.exit_code == 2
    assert result.stderr.startswith("the graph cannot be read\n  where: f.bin:1:1\n")
