"""The edge between a user's code and ours: what an error shows of the way that it came."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from compiler.ir.errors import TracegraphError
from compiler.lowering import jax_compat

P = ParamSpec("P")
R = TypeVar("R")

jax_compat.hide_frames(__file__)


def boundary(function: Callable[P, R]) -> Callable[P, R]:
    """The function, whose errors of the compiler's own kind end at the caller's line.

    The way through the compiler says nothing that the four parts of the message do not. JAX's own
    switch ``JAX_TRACEBACK_FILTERING=off`` shows it, as it shows JAX's.
    """

    @functools.wraps(function)
    def bounded(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except TracegraphError as error:
            if jax_compat.shows_all_frames():
                raise
            raise error.with_traceback(None) from None

    return jax_compat.api_boundary(bounded)
