"""The edge between a user's code and ours: what an error shows of the way that it came."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, overload

from compiler.ir.errors import TracegraphError
from compiler.lowering import jax_compat
from tracegraph.userlines import line_of

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

jax_compat.hide_frames(__file__)


@overload
def boundary(entry: type[T]) -> type[T]: ...
@overload
def boundary(entry: Callable[P, R]) -> Callable[P, R]: ...
def boundary(entry: Any) -> Any:
    """What a user calls, whose errors of the compiler's own kind end at the caller's line.

    They name the user's line where they name no place. The way through the compiler says nothing
    that the four parts of the message do not. JAX's own switch ``JAX_TRACEBACK_FILTERING=off``
    shows it, as it shows JAX's.

    Args:
        entry: a function, or a class, whose constructor is meant.
    """
    if isinstance(entry, type):
        setattr(entry, "__init__", boundary(getattr(entry, "__init__")))  # noqa: B009, B010
        return entry

    @functools.wraps(entry)
    def bounded(*args: Any, **kwargs: Any) -> Any:
        try:
            return entry(*args, **kwargs)
        except TracegraphError as error:
            if error.expected:  # a single line, such as of a missing extra, stays one
                error.where = error.where or line_of(error)
            if jax_compat.shows_all_frames():
                raise
            raise error.with_traceback(None) from None

    return jax_compat.api_boundary(bounded)
