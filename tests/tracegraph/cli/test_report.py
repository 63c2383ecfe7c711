"""``tracegraph report``: of functions, of graph files, and of functions that fail."""

from __future__ import annotations

import re

STEP = ("user_project:step", "--arg", "f32[8,4]", "--arg", "f32[4,2]")


def test_a_function(cli, project):
    result = cli("report", *STEP, "-o", "out.html")
    assert (result.exit_code, result.output) == (0, "out.html\n")
    text = (project / "out.html").read_text()
    assert text.startswith("<!DOCTYPE html>")
    assert "dot_general" in text


def test_report_html_is_the_default_name(cli, project):
    assert cli("report", *STEP).output == "report.html\n"
    assert (project / "report.html").is_file()


def test_a_graph_file_and_its_passes(cli, project):
    cli("dump", *STEP, "--stage", "captured", "-o", "step.tg")
    result = cli("report", "step.tg", "--pipeline", "dce", "-o", "out.html")
    assert (result.exit_code, result.output) == (0, "out.html\n")
    assert '"name":"1 dce"' in (project / "out.html").read_text()


def test_a_function_that_fails_has_a_report_and_an_exit_code(cli, project):
    result = cli("report", "user_project:raising", "--arg", "f32[3]")
    assert result.exit_code == 1
    assert result.stdout == "report.html\n"
    error, where = result.stderr.splitlines()
    assert error == "RuntimeError: the user's own mistake"
    assert re.fullmatch(r"  where: .*user_project\.py:\d+", where)
    assert "the user's own mistake" in (project / "report.html").read_text()


def test_passes_are_for_graph_files(cli):
    result = cli("report", *STEP, "--pipeline", "dce")
    assert result.exit_code == 2
    assert result.stderr.startswith("user_project:step has no use for --pipeline\n")


def test_a_folder_that_is_not_there(cli):
    result = cli("report", *STEP, "-o", "no/out.html")
    assert result.exit_code == 2
    assert "the output cannot be written" in result.stderr


def test_measured_times_and_floors_are_shown_when_asked_for(cli, project):
    result = cli("report", *STEP, "--profile", "--device", "TPU v5e", "-o", "out.html")
    assert (result.exit_code, result.output) == (0, "out.html\n")
    text = (project / "out.html").read_text()
    assert '"calls":10' in text
    assert '"name":"TPU v5e"' in text
    cli("report", *STEP)
    assert '"profile":null' in (project / "report.html").read_text()


def test_a_graph_file_has_floors_and_is_not_run(cli, project):
    cli("dump", *STEP, "--stage", "captured", "-o", "step.tg")
    assert cli("report", "step.tg", "--device", "h100").exit_code == 0
    assert '"name":"H100"' in (project / "report.html").read_text()
    result = cli("report", "step.tg", "--profile")
    assert result.exit_code == 2
    assert result.stderr.startswith("step.tg has no use for --profile\n")


def test_an_unknown_device(cli, project):
    result = cli("report", *STEP, "--device", "abacus")
    assert result.exit_code == 2
    assert "no device is described by 'abacus'" in result.stderr
    assert not (project / "report.html").exists()


def test_what_the_function_raises_while_it_is_measured_is_told(cli, project):
    source = project / "user_running.py"
    source.write_text(
        "import jax\n"
        "def late(x):\n"
        "    def fail(x):\n"
        "        raise ValueError('only when it runs')\n"
        "    return jax.pure_callback(fail, x, x)\n"
    )
    result = cli("report", "user_running:late", "--arg", "f32[3]", "--profile")
    assert result.exit_code == 1
    assert "only when it runs" in result.stderr
    assert isinstance(result.exception, SystemExit)
    assert cli("report", "user_running:late", "--arg", "f32[3]").exit_code == 0
