"""Calls in converted code: the user's own functions are converted, a library's never are."""

from __future__ import annotations

import builtins
import functools
import inspect
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any, Final

from compiler.lowering import jax_compat
from tracegraph.autograph import values
from tracegraph.autograph.conditionals import extremum
from tracegraph.autograph.conversion import converted_function, is_converted
from tracegraph.autograph.errors import SourceError
from tracegraph.autograph.source import call_of
from tracegraph.userlines import is_library

jax_compat.hide_frames(__file__)

_CALLERS: Final = (map, filter, sorted, functools.reduce, functools.partial)
"""What of Python's own library calls the functions that it is given."""
_EXTREMA: Final = (builtins.min, builtins.max)


def converted_call(
    function: Any, args: tuple[Any, ...], kwargs: dict[str, Any] | None, scope: Any = None
) -> Any:
    """Calls a function from converted code.

    Args:
        function: anything that can be called.
        args: the arguments by position.
        kwargs: those by keyword, if there are any.
        scope: the calling function's, which the engine passes.
    """
    del scope
    keywords = kwargs or {}
    extreme = any(function is each for each in _EXTREMA)
    if extreme and len(args) > 1 and not keywords and _has_traced_scalar(args):
        return extremum(function, args)
    own = convertible(function)
    if own is not function:
        return own(*args, **keywords)
    if _calls_back(function):
        args = tuple(map(convertible, args))
        keywords = {name: convertible(each) for name, each in keywords.items()}
    return function(*args, **keywords)


def convertible(function: Any) -> Any:
    """A function of the user's in converted form; anything else as it is."""
    if isinstance(function, functools.partial):
        return _partial(function)
    if isinstance(function, MethodType):
        inner = convertible(function.__func__)
        return function if inner is function.__func__ else MethodType(inner, function.__self__)
    if isinstance(function, FunctionType):
        return _own(function)
    call = call_of(function)
    if call is None:
        return function
    inner = _own(call)
    return function if inner is call else MethodType(inner, function)


def _partial(function: Any) -> Any:
    inner = convertible(function.func)
    if inner is function.func:
        return function
    return functools.partial(inner, *function.args, **function.keywords)


def _own(function: FunctionType) -> FunctionType:
    if is_converted(function) or is_library(function.__code__):
        return function
    try:
        return converted_function(function)
    except SourceError:  # made by exec, or a generator: Python runs it as it is
        return function


def _calls_back(function: Any) -> bool:
    """Whether a library's function may call the functions that it is given."""
    if any(function is each for each in _CALLERS):
        return True
    if isinstance(function, type | BuiltinFunctionType):
        return False
    module = getattr(inspect.unwrap(function) if callable(function) else function, "__module__", "")
    root = str(module or "").partition(".")[0]
    return root not in {"", "builtins", "functools", "inspect", "typing", "dataclasses", "weakref"}


def _has_traced_scalar(args: tuple[Any, ...]) -> bool:
    scalars = all(values.is_number(each) or values.is_array(each) for each in args)
    return scalars and any(values.is_traced(each) for each in args)
