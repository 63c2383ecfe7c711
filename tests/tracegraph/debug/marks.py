"""Finds lines of a test's own source by the comments on them."""

from __future__ import annotations

from pathlib import Path


def marked(file: str, mark: str) -> int:
    """The number of the one line that ends in ``# <mark>``."""
    lines = Path(file).read_text(encoding="utf-8").splitlines()
    found = [number for number, line in enumerate(lines, 1) if line.endswith(f"# {mark}")]
    assert len(found) == 1, f"{mark!r} stands on the lines {found}"
    return found[0]
