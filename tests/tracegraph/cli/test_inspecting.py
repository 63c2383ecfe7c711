"""``dump``, ``cost``, ``kernels``, ``explain``, ``diff``: of functions and of graphs in files."""

from __future__ import annotations

import json

import pytest

from tests.tracegraph.cli.conftest import MODULE

STEP = (f"{MODULE}:step", "--arg", "f32[4,8]", "--arg", "f32[8,8]")


@pytest.fixture
def graph_file(cli):
    assert cli("dump", *STEP, "--stage", "captured", "-o", "step.tg").exit_code == 0
    return "step.tg"


def output(result):
    assert result.exit_code == 0, result.stderr
    return result.stdout


def test_one_graph_is_not_compared_with_itself(cli, graph_file):
    result = cli("diff", graph_file)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        "one graph file cannot be compared with itself\n"
        "  where: step.tg\n"
        "  expected: two targets, or a function, which has a graph before and after the passes\n"
        "  found: a file with one graph\n"
        "  what to do: name a second target after it\n"
    )
    assert "@step" in output(cli("diff", *STEP))


@pytest.mark.parametrize("command", ["cost", "kernels", "explain"])
def test_a_function_and_its_file(cli, graph_file, command):
    for target in (STEP, (graph_file,)):
        assert "@step" in output(cli(command, *target))


def test_cost(cli):
    text = output(cli("cost", *STEP, "--device", "TPU v5e", "--xla"))
    assert "on TPU v5e: at least" in text
    assert "XLA says" in text
    assert f"{MODULE}.py:8" in text


def test_xla_is_asked_of_a_graph_file_too(cli, graph_file):
    assert "XLA says" in output(cli("cost", graph_file, "--xla"))
    assert "XLA says" not in output(cli("cost", graph_file))


def test_an_unknown_device(cli):
    result = cli("cost", *STEP, "--device", "abacus")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "no device is described by 'abacus'" in result.stderr


def test_kernels(cli):
    text = output(cli("kernels", *STEP))
    assert "dot_general" in text
    assert f"{MODULE}.py:8" in text


def test_explain_says_that_a_function_has_its_own_level(cli, graph_file):
    assert "numerics fast" in output(cli("explain", graph_file, "--numerics", "fast"))
    result = cli("explain", *STEP, "--numerics", "fast")
    assert result.exit_code == 2
    assert "--numerics cannot change" in result.stderr


def test_diff_of_one_is_from_captured_to_optimized(cli):
    text = output(cli("diff", *STEP))
    assert "\n- %" in text
    assert "sin" in text


def test_diff_of_two(cli, graph_file):
    assert "0 changed, 0 removed, 0 added" in output(cli("diff", graph_file, graph_file))
    text = output(cli("diff", graph_file, *STEP))
    assert "1 removed" in text


def test_dump_of_a_file(cli, graph_file):
    assert output(cli("dump", graph_file)).startswith("tracegraph.ir 1")
    dumped = output(cli("dump", graph_file, "--pipeline", "dce", "--stage", "dce"))
    assert "sin" not in dumped
    assert output(cli("dump", "-", stdin=dumped)) == dumped


@pytest.mark.parametrize("form", ["json", "model-explorer"])
def test_dump_as_json(cli, graph_file, form):
    assert json.loads(output(cli("dump", graph_file, "--format", form)))


def test_dump_as_python_and_as_a_table(cli, graph_file):
    namespace = {}
    exec(output(cli("dump", graph_file, "--format", "python")), namespace)
    assert callable(namespace["step"])
    assert "%dot" in output(cli("dump", *STEP, "--format", "table"))


def test_a_file_takes_no_arguments(cli, graph_file):
    result = cli("cost", graph_file, "--arg", "f32[]")
    assert result.exit_code == 2
    assert "step.tg takes no arguments" in result.stderr


def test_a_file_that_is_not_there(cli, graph_file):
    result = cli("cost", "stp.tg")
    assert result.exit_code == 2
    assert "did you mean step.tg?" in result.stderr


@pytest.mark.parametrize(
    "words", [("kernels",), ("cost", "--xla"), ("dump", "--format", "stablehlo")]
)
def test_a_file_that_does_not_hold_all_is_bad_input(cli, project, words):
    (project / "captured.tg").write_text(
        "tracegraph.ir 1\n"
        "graph @f(captured %c: f32[3]) -> (f32[3]) {\n  %y = sin %c : f32[3]\n  return %y\n}\n"
    )
    result = cli(words[0], "captured.tg", *words[1:])
    assert result.exit_code == 2
    assert result.stderr.startswith("graph @f was read from text")
    assert f"  where: the command line of `tracegraph {words[0]}`\n" in result.stderr
