"""Where the report's assets come from, and the stamp that says of which sources a bundle is."""

from __future__ import annotations

import hashlib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
ASSETS = ROOT / "tracegraph" / "report" / "assets"
SOURCES = ASSETS / "src"
TOOLS = ROOT / "scripts" / "report-assets"


def stamp() -> str:
    """The digest of everything that a bundle is made from."""
    digest = hashlib.sha256()
    for file in [*sorted(SOURCES.iterdir()), TOOLS / "package-lock.json"]:
        digest.update(file.name.encode())
        digest.update(file.read_bytes())
    return f"made from {digest.hexdigest()}"
