"""Advice for a name that is not there."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(name: str, names: Iterable[str], otherwise: str) -> str:
    """``did you mean ...?`` for the nearest of the names, or the other advice if none is near."""
    close = difflib.get_close_matches(name, list(names), n=3, cutoff=0.5)
    return f"did you mean {' or '.join(close)}?" if close else otherwise
