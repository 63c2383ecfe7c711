"""How much memory this process has held at once."""

from __future__ import annotations

import resource
import sys


def peak_bytes() -> int:
    """The most bytes that the process has held so far; macOS counts bytes, Linux 1024 at a time."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
