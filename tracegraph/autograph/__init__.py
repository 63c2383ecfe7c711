"""Python control flow on traced values: ``if``, ``while``, ``for`` become JAX's operations.

``tg.function(autograph=True)`` converts the function first; ``convert`` does it alone, for plain
``jax.jit``, ``jax.grad`` or ``jax.vmap``. The engine that reads the source is diastatic-malt,
imported when the first function is converted.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable
from types import FunctionType, MethodType
from typing import Any, ParamSpec, TypeVar

from compiler.lowering import jax_compat
from tracegraph.autograph.conversion import (
    converted_definition,
    held_form,
    is_converted,
)
from tracegraph.autograph.errors import ControlFlowError, ConversionError
from tracegraph.autograph.source import call_of
from tracegraph.boundary import boundary

__all__ = ["ControlFlowError", "ConversionError", "convert", "to_code"]

P = ParamSpec("P")
R = TypeVar("R")

jax_compat.hide_frames(__file__)


@boundary
def convert(function: Callable[P, R], /) -> Callable[P, R]:
    """A function whose control flow on traced values is made of JAX's operations.

    On values that Python knows it runs as the plain one. The functions of the user's own that it
    calls, or hands to a library's function, are converted when they are reached.

    Args:
        function: a function, lambda, bound method, ``functools.partial``, or an object with a
            ``__call__`` written in Python.

    Returns:
        The function in converted form, with the same name and signature.

    Raises:
        ConversionError: its source cannot be had, or says something that cannot be converted.
        MissingEngineError: diastatic-malt is not installed.
    """
    if isinstance(function, functools.partial):
        return _partial(function)
    if isinstance(function, MethodType):
        return MethodType(convert(function.__func__), function.__self__)
    if is_converted(function):
        return function
    if isinstance(function, FunctionType):
        return held_form(function)
    call = call_of(function)
    if call is None:
        raise _not_a_function(function)
    return MethodType(convert(call), function)


@boundary
def to_code(function: Callable[..., Any], /) -> str:
    """The source of a function in converted form, to be read.

    Args:
        function: what ``convert`` takes, or what it gave.

    Raises:
        ConversionError: as in ``convert``.
    """
    plain = function
    while isinstance(plain, functools.partial):
        plain = plain.func
    plain = getattr(plain, "__func__", plain)
    plain = getattr(plain, "__wrapped__", plain) if is_converted(plain) else plain
    definition = plain if isinstance(plain, FunctionType) else call_of(plain)
    if definition is None:
        raise _not_a_function(function)
    return ast.unparse(converted_definition(definition))


def _partial(function: Any) -> Any:
    return functools.partial(convert(function.func), *function.args, **function.keywords)


def _not_a_function(function: object) -> ConversionError:
    return ConversionError(
        "this cannot be converted",
        expected="a function written in Python, or a method, or an object with a __call__",
        found=f"{function!r}, a {type(function).__name__}",
        hint="convert the plain function first, then jit it or wrap it",
    )
