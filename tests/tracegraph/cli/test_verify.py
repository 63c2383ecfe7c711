"""``tracegraph verify``: the report, the exit code, and a culprit by name and line."""

from __future__ import annotations

import pytest

BROKEN = """\
import jax.numpy as jnp
import tracegraph
from tests.tracegraph.broken_passes import OneUlp, pipeline

@tracegraph.function(passes=pipeline("cse", OneUlp()))
def wrong(x):
    return jnp.cos(x) + jnp.sin(x)
"""


def test_a_right_function(cli):
    result = cli("verify", "user_project:step", "--arg", "f32[4,3]", "--arg", "f32[3,2]")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith("@step, numerics exact: ok on 5 inputs (as given, ")
    assert "['y']" in result.stdout


def test_a_plain_function_with_options(cli):
    words = ("--arg", "f32[3]", "--arg", "3", "--static", "n")
    result = cli("verify", "user_project:plain", *words, "--seeds", "1", "--edge-values")
    assert result.exit_code == 0, result.stderr
    assert "ok on 4 inputs (as given, few ulps #1, one percent #1, edge values #1)" in result.stdout


def test_donated_arguments_and_keys(cli):
    assert cli("verify", "user_project:donating", "--arg", "f32[3]").exit_code == 0
    assert cli("verify", "user_project:keys", "--arg", "key<fry>[]").exit_code == 0


def test_a_wrong_function_fails_and_says_where(cli, project):
    (project / "user_broken.py").write_text(BROKEN)
    result = cli("verify", "user_broken.py:wrong", "--arg", "f32[4]")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "WRONG" in result.stderr
    last = result.stderr.splitlines()[-1]
    assert last.startswith("first broken by the rule one-ulp-rule in step `2 one-ulp`, change ")
    assert last.endswith("user_broken.py:7 (wrong)")
    allowed = cli("verify", "user_broken.py:wrong", "--arg", "f32[4]", "--numerics", "rounding")
    assert allowed.exit_code == 0


def test_a_function_that_raises_shows_the_users_traceback(cli):
    result = cli("verify", "user_project:raising", "--arg", "f32[4]")
    assert result.exit_code == 1
    assert "RuntimeError: the user's own mistake" in result.stderr


@pytest.mark.parametrize("words", [("--seeds", "-1"), ("--numerics", "exakt"), ("--arg", "f32[")])
def test_wrong_options(cli, words):
    result = cli("verify", "user_project:step", *words)
    assert result.exit_code == 2
    assert "  what to do: " in result.stderr
