"""The command as a process: exit codes, streams, no escape codes."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.architecture.sources import ROOT


def call(project, *words):
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.run(
        [sys.executable, "-m", "tracegraph", *words],
        cwd=project,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_table_is_on_stderr_and_plain(project):
    graph = "tracegraph.ir 1\ngraph @f(%x: f32[4]) -> (f32[4]) {\n  return %x\n}\n"
    (project / "f.tg").write_text(graph)
    done = call(project, "opt", "f.tg", "--pipeline", "dce")
    assert (done.returncode, done.stdout) == (0, graph)
    assert "1 dce" in done.stderr
    assert "\x1b" not in done.stderr


def test_bad_input_exits_2_without_a_traceback(project):
    done = call(project, "dump", "user_project:stpe")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1] == "  what to do: did you mean step?"
    assert "Traceback" not in done.stderr


def test_the_users_error_exits_1_with_the_users_traceback_only(project):
    done = call(project, "run", "user_project:raising", "--arg", "f32[]")
    assert (done.returncode, done.stdout) == (1, "")
    files = [line for line in done.stderr.splitlines() if line.startswith("  File ")]
    assert files == [f'  File "{project}/user_project.py", line 23, in raising']
