"""Settings read from the environment, each at the moment it is needed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

DUMP_VARIABLE: Final = "TRACEGRAPH_DUMP_TO"
VERIFY_VARIABLE: Final = "TRACEGRAPH_VERIFY"
CACHE_VARIABLE: Final = "TRACEGRAPH_CACHE_DIR"


def dump_directory() -> Path | None:
    """Where to write a dump of every function compiled, not ``expanded``; None for no dumps."""
    value = os.environ.get(DUMP_VARIABLE, "")
    return Path(value) if value else None


def cache_directory() -> Path:
    """The folder of all that is kept between processes: measured choices, compiled programs.

    Raises:
        FileNotFoundError: it is below the home of a user who has none.
    """
    value = os.environ.get(CACHE_VARIABLE, "")
    base = os.environ.get("XDG_CACHE_HOME", "") or "~/.cache"
    return expanded(value or Path(base) / "tracegraph")


def expanded(path: str | Path) -> Path:
    """A path with the home of its user for ``~``.

    Raises:
        FileNotFoundError: the user has none, as a number without a name in a container.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise FileNotFoundError(f"there is no home folder for {path}") from error


def verify_each() -> bool:
    """Whether to verify the graph after every pass that changed it."""
    return os.environ.get(VERIFY_VARIABLE, "") not in ("", "0")
