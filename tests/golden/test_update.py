"""The flag that accepts what came out, and the place where it is refused."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.golden.harness import read_case

ROOT = Path(__file__).parents[2]


def pytest_run(*words: str, ci: str | None) -> subprocess.CompletedProcess[str]:
    """pytest in a process of its own, on golden cases."""
    environment = {name: value for name, value in os.environ.items() if name != "CI"}
    if ci is not None:
        environment["CI"] = ci
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *words]
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


def test_ci_refuses_to_update() -> None:
    done = pytest_run("tests/golden", "--update-golden", "--collect-only", ci="true")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "--update-golden is refused where CI is set" in done.stderr


@pytest.mark.parametrize("words", [("--update-golden",), ()])
def test_elsewhere_it_is_taken_and_ci_runs_without_it(words: tuple[str, ...]) -> None:
    done = pytest_run("tests/golden", *words, "--collect-only", ci=None if words else "true")
    assert done.returncode == 0


def test_a_case_is_written_as_it_is_read(tmp_path: Path) -> None:
    source = ROOT / "tests" / "golden" / "passes" / "cse" / "regions.tg"
    copy = tmp_path / "regions.tg"
    shutil.copy(source, copy)
    case = read_case(copy)
    case.write(case.after)
    assert copy.read_bytes() == source.read_bytes()
    case.write("something else\n")
    assert read_case(copy).after == "something else\n"
    assert (read_case(copy).head, read_case(copy).before) == (case.head, case.before)
