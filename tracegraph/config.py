"""Settings read from the environment, each at the moment it is needed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

DUMP_VARIABLE: Final = "TRACEGRAPH_DUMP_TO"
VERIFY_VARIABLE: Final = "TRACEGRAPH_VERIFY"
CACHE_VARIABLE: Final = "TRACEGRAPH_CACHE_DIR"


def dump_directory() -> Path | None:
    """Where to write a dump of every function compiled; None for no dumps."""
    value = os.environ.get(DUMP_VARIABLE, "")
    return Path(value).expanduser() if value else None


def cache_directory() -> Path:
    """The folder of all that is kept between processes: measured choices, compiled programs."""
    value = os.environ.get(CACHE_VARIABLE, "")
    base = os.environ.get("XDG_CACHE_HOME", "") or "~/.cache"
    return Path(value or Path(base) / "tracegraph").expanduser()


def verify_each() -> bool:
    """Whether to verify the graph after every pass that changed it."""
    return os.environ.get(VERIFY_VARIABLE, "") not in ("", "0")
