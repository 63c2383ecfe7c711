"""A user's values as text, for what is written down beside a call and must never break it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

_LONGEST: Final = 80


def written(value: object, write: Callable[[Any], str] = repr) -> str:
    """A value as text; its class where the value cannot say what it is.

    Args:
        value: anything of the user's.
        write: makes the text.
    """
    try:
        return write(value)
    except Exception:  # whatever a __repr__ of the user's may raise
        return f"<{type(value).__qualname__}>"


def short(value: object) -> str:
    """A value as text that fits on a line."""
    text = " ".join(written(value, _bare).split())
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


def _bare(value: object) -> str:
    return value if isinstance(value, str) else repr(value)
