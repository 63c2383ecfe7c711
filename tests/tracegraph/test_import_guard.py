"""Another project's module named ``compiler`` is told from ours at import, in one clear error."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def import_in(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "import tracegraph"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_foreign_module_is_named(tmp_path: Path) -> None:
    (tmp_path / "compiler.py").write_text("x = 1\n")
    done = import_in(tmp_path)
    assert done.returncode == 1
    message = done.stderr[done.stderr.rindex("ImportError: ") :]
    assert message == (
        "ImportError: tracegraph cannot start: `import compiler` finds another project's module\n"
        "  expected: the package `compiler` that tracegraph installs\n"
        f"  found: {tmp_path / 'compiler.py'}\n"
        "  what to do: rename that file or folder, or start Python where it is not on the path\n"
    )


def test_a_foreign_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "compiler").mkdir()
    (tmp_path / "compiler" / "__init__.py").write_text("")
    done = import_in(tmp_path)
    assert f"found: {tmp_path / 'compiler' / '__init__.py'}" in done.stderr


def test_our_own_is_accepted(tmp_path: Path) -> None:
    assert import_in(tmp_path).returncode == 0
