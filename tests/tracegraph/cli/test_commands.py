"""The group: its help, its version, and commands and options that do not exist."""

from __future__ import annotations

import pytest

import tracegraph
from tracegraph.cli import COMMANDS


def test_version(cli):
    result = cli("--version")
    assert (result.exit_code, result.stdout) == (
        0,
        f"tracegraph, version {tracegraph.__version__}\n",
    )


@pytest.mark.parametrize("words", [(), ("--help",)])
def test_help_lists_every_command(cli, words):
    result = cli(*words)
    assert result.exit_code == 0
    assert [line.split()[0] for line in result.stdout.split("Commands:\n")[1].splitlines()] == [
        "dump",
        "report",
        "explain",
        "cost",
        "kernels",
        "diff",
        "opt",
        "run",
        "verify",
        "reduce",
        "demo",
    ]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(cli, command):
    result = cli(command, "--help")
    assert result.exit_code == 0
    assert result.stdout.startswith(f"Usage: tracegraph {command} [OPTIONS]")


def test_unknown_command(cli):
    result = cli("dmp")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        "there is no command dmp\n"
        "  where: the command line\n"
        "  expected: dump, report, explain, cost, kernels, diff, opt, run, verify, reduce, demo\n"
        "  found: dmp\n"
        "  what to do: did you mean dump?\n"
    )


def test_missing_argument(cli):
    result = cli("dump")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        "Missing argument 'MODULE:FUNCTION|FILE'\n"
        "  where: the command line of `tracegraph dump`\n"
        "  expected: tracegraph dump [OPTIONS] MODULE:FUNCTION|FILE\n"
        "  what to do: see `tracegraph dump --help`\n"
    )


@pytest.mark.parametrize("words", [("--bogus",), ("run", "--bogus"), ("demo", "--epochs", "0")])
def test_wrong_options_are_told_in_four_parts(cli, words):
    result = cli(*words)
    assert result.exit_code == 2
    assert "  where: the command line of `tracegraph" in result.stderr
    assert "  what to do: see `tracegraph" in result.stderr
