"""``tracegraph run``: results, times, the pass table."""

from __future__ import annotations

import re

import jax
import jax.numpy as jnp
import pytest

from tracegraph.cli.run import describe

STEP = ("run", "user_project:step", "--arg", "ones:f32[8,4]", "--arg", "zeros:f32[4,2]")
TIMES = re.compile(r"first call \d+\.\d\d ms, steady call \d+\.\d\d ms \(median of 3\)")


def test_results_times_and_table(cli):
    result = cli(*STEP, "--repeat", "3")
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[:2] == [
        "['s']: f32[] = 32.",
        "['y']: f32[8,2] min 0, mean 0, max 0",
    ]
    assert TIMES.fullmatch(lines[2])
    assert lines[3].rstrip() == "passes of step"
    assert any(" dce " in line for line in lines)


def test_no_escape_codes_where_there_is_no_terminal(cli):
    assert "\x1b" not in cli(*STEP, "--repeat", "1").stdout


@pytest.mark.parametrize("command", ["run", "verify", "report"])
def test_a_seed_below_zero_is_bad_input(cli, command):
    result = cli(command, *STEP[1:], "--seed", "-1")
    assert result.exit_code == 2
    assert "'--seed': -1 is not in the range x>=0" in result.stderr


def test_the_seed_decides_the_random_contents(cli):
    words = ("run", "user_project:plain", "--arg", "f32[3]", "--arg", "1", "--static", "n")
    first, again, other = (cli(*words, "--seed", seed).stdout for seed in ("1", "1", "2"))
    assert first.splitlines()[0] == again.splitlines()[0]
    assert first.splitlines()[0] != other.splitlines()[0]


def test_a_function_that_donates_its_argument(cli):
    result = cli("run", "user_project:donating", "--arg", "zeros:f32[2]")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0] == "result: f32[2] = [1., 1.]"


def test_keys_in_and_out(cli):
    result = cli("run", "user_project:keys", "--arg", "key<fry>[]")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0] == "[0]: key<fry>[2]"
    assert result.stdout.splitlines()[1].startswith("[1]: f32[3] = [")


def test_an_error_of_the_function_shows_the_users_traceback(cli, project):
    result = cli("run", "user_project.py:raising", "--arg", "1.0")
    assert (result.exit_code, result.stdout) == (1, "")
    assert f'File "{project}/user_project.py", line 23, in raising' in result.stderr
    assert "tracegraph/cli" not in result.stderr


@pytest.mark.parametrize(
    ("value", "line"),
    [
        (jnp.array(3), "result: i32[] = 3"),
        (jnp.array([True, False]), "result: bool[2] = [ True, False]"),
        (jnp.ones((2, 2), jnp.bfloat16), "result: bf16[2,2] = [[1, 1], [1, 1]]"),
        (jnp.arange(10.0), "result: f32[10] min 0, mean 4.5, max 9"),
        (jnp.arange(10) < 4, "result: bool[10] 4 of 10 true"),
        (jnp.full(9, 3 + 4j, jnp.complex64), "result: c64[9] largest magnitude 5"),
        (jnp.full(9, jnp.nan).at[0].set(1), "result: f32[9] 8 of 9 are nan"),
        (jnp.zeros((0, 3)), "result: f32[0,3] = []"),
        (jax.random.key(0), "result: key<fry>[]"),
    ],
    ids=str,
)
def test_a_result_is_told_in_one_line(value, line):
    assert list(describe(value)) == [line]


@pytest.mark.parametrize(
    ("option", "what", "code"),
    [
        ("check='nan'", "f: the op log made a nan, at the value %log", 1),
        ("max_traces=0", "f is over its budget of traces", 1),
        ("input_signature=tracegraph.Spec((4,))", "", 2),
    ],
)
def test_a_function_that_fails_is_told_from_a_wrong_argument(cli, project, option, what, code):
    (project / "user_strict.py").write_text(
        f"import tracegraph, jax.numpy as jnp\n@tracegraph.function({option})\n"
        "def f(x):\n    return jnp.log(x - 1)\n"
    )
    result = cli("run", "user_strict:f", "--arg", "zeros:f32[3]")
    assert result.exit_code == code
    assert result.stderr.startswith(what)
    assert "  where: " in result.stderr
    assert "Traceback" not in result.stderr
