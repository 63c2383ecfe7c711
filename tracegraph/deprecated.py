"""What JAX says of the options of ``jit`` that it is about to drop.

Several jit callables stand behind one function, and JAX would say it of each. Python's filters of
warnings belong to all threads, so they are touched only where there is something to be said.
"""

from __future__ import annotations

import warnings
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from tracegraph.userlines import user_level

OPTIONS: Final = frozenset({"device", "backend"})
"""The options of ``jit`` that JAX warns about."""


@contextmanager
def said_at_users_line(options: Mapping[str, Any]) -> Generator[None]:
    """What JAX says of the options of a jit callable is said of the user's line."""
    if not options.keys() & OPTIONS:
        yield
        return
    said: list[warnings.WarningMessage] = []
    try:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")  # the filters are asked below, about the user's line
            yield
    finally:
        for warning in said:
            warnings.warn(warning.message, stacklevel=user_level())


@contextmanager
def said_before(options: Mapping[str, Any]) -> Generator[None]:
    """What JAX says of the options of one more jit callable is not said again."""
    if not options.keys() & OPTIONS:
        yield
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield
