"""``tracegraph dump``: stages, formats, files."""

from __future__ import annotations

import pydot
import pytest

from compiler.ir.parser import parse_graph

STEP = ("dump", "user_project:step", "--arg", "f32[8,4]", "--arg", "f32[4,2]")


def names(text):
    return [op.name for op in parse_graph(text).body]


def test_the_optimized_graph_is_the_default(cli):
    result = cli(*STEP)
    assert (result.exit_code, result.stderr) == (0, "")
    assert {"tanh", "dot_general"} <= set(names(result.stdout))
    assert "sin" not in names(result.stdout)
    assert result.stdout == cli(*STEP, "--stage", "optimized").stdout


def test_the_captured_graph_is_what_was_written(cli):
    assert "sin" in names(cli(*STEP, "--stage", "captured").stdout)


@pytest.mark.parametrize("stage", ["1", "dce", "1 dce"])
def test_a_pass_by_number_and_by_name(cli, stage):
    result = cli(*STEP, "--pipeline", "dce", "--stage", stage)
    assert result.exit_code == 0
    assert "sin" not in names(result.stdout)


def test_all_stages_one_after_the_other(cli):
    result = cli(*STEP, "--pipeline", "dce", "--stage", "all")
    headers = [line for line in result.stdout.splitlines() if line.startswith("//")]
    assert headers == ["// stage: captured", "// stage: 1 dce", "// stage: optimized"]
    captured, after, optimized = result.stdout.split("// stage: ")[1:]
    assert "sin" in captured
    assert after.partition("\n")[2].strip() == optimized.partition("\n")[2].strip()


def test_a_stage_that_does_not_exist(cli):
    result = cli(*STEP, "--pipeline", "dce", "--stage", "dse")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        "there is no stage dse\n"
        "  where: --stage dse\n"
        "  expected: one of captured, 1 dce, optimized, all\n"
        "  found: dse\n"
        "  what to do: did you mean dce?\n"
    )


def test_an_unknown_pass(cli):
    result = cli(*STEP, "--pipeline", "dcee")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("there is no pass named dcee\n")
    assert result.stderr.endswith("  what to do: did you mean dce?\n")


def test_locations(cli):
    assert 'user_project.py":7' in cli(*STEP, "--stage", "captured", "--locations").stdout
    assert "loc(" not in cli(*STEP, "--stage", "captured").stdout


def test_dot(cli):
    (graph,) = pydot.graph_from_dot_data(cli(*STEP, "--format", "dot").stdout)
    assert any("tanh" in node.get("label") for node in graph.get_nodes() if node.get("label"))


def test_a_file_holds_what_stdout_would(cli, project):
    shown = cli(*STEP).stdout
    result = cli(*STEP, "--output", "step.tg")
    assert (result.exit_code, result.stdout) == (0, "")
    assert (project / "step.tg").read_text() == shown
    assert sorted(path.name for path in project.iterdir() if path.is_file()) == [
        "step.tg",
        "user_project.py",
    ]


def test_a_file_that_cannot_be_written(cli):
    result = cli(*STEP, "--output", "absent/step.tg")
    assert result.exit_code == 2
    assert result.stderr == (
        "the output cannot be written\n"
        "  where: absent/step.tg\n"
        "  expected: a file in a folder that exists and may be written to\n"
        "  found: No such file or directory\n"
        "  what to do: make the folder, or name another file\n"
    )


def test_a_keyword_of_a_type_becomes_a_parameter(cli):
    text = cli(*STEP, "--kwarg", "scale=f32[]").stdout
    assert len(parse_graph(text).parameters) == 3


def test_a_static_parameter_of_a_plain_function(cli):
    words = ("dump", "user_project:plain", "--arg", "f32[2]", "--arg", "3", "--static", "n")
    text = cli(*words, "--stage", "captured").stdout
    assert names(text).count("mul") == 3


def test_an_error_of_the_function_shows_the_users_traceback(cli, project):
    result = cli("dump", "user_project:raising", "--arg", "f32[]")
    assert (result.exit_code, result.stdout) == (1, "")
    lines = result.stderr.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[1] == f'  File "{project}/user_project.py", line 23, in raising'
    assert "RuntimeError: the user's own mistake" in lines
    assert sum(line.startswith("  File ") for line in lines) == 1
