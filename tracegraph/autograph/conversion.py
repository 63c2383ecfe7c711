"""From a function to its converted form, made once for each: one lock, one memory."""

from __future__ import annotations

import ast
import functools
import importlib
import threading
import weakref
from types import CodeType, FunctionType
from typing import Any

from compiler.lowering import jax_compat
from tracegraph.autograph.errors import ConversionError, MissingEngineError
from tracegraph.autograph.prepare import prepare
from tracegraph.autograph.refusals import refuse_unsupported
from tracegraph.autograph.source import LAMBDA, source_of

jax_compat.hide_frames(__file__)

_lock = threading.RLock()
_factories: dict[tuple[CodeType, str], CodeType] = {}
_made: weakref.WeakKeyDictionary[FunctionType, FunctionType] = weakref.WeakKeyDictionary()
_held: weakref.WeakKeyDictionary[FunctionType, weakref.ref[FunctionType]] = (
    weakref.WeakKeyDictionary()
)
_converted: weakref.WeakSet[FunctionType] = weakref.WeakSet()


def is_converted(function: object) -> bool:
    """Whether a function was made here, or is part of one that was."""
    return isinstance(function, FunctionType) and function in _converted


def autograph_artifact(function: Any) -> Any:
    """Marks a function inside converted code as converted."""
    _converted.add(function)
    return function


def converted_function(function: FunctionType) -> FunctionType:
    """A function in converted form, the same one each time.

    Raises:
        ConversionError: it cannot be converted; the error names the line.
    """
    with _lock:
        known = _made.get(function)
        if known is None:
            known = _made[function] = _make(function)
        return known


def held_form(function: FunctionType) -> FunctionType:
    """A function in converted form for the user to hold, which knows what it was made from.

    Raises:
        ConversionError: it cannot be converted; the error names the line.
    """
    with _lock:
        known = _held.get(function)
        form = None if known is None else known()
        if form is None:
            form = _make(function)
            functools.update_wrapper(form, function)
            _held[function] = weakref.ref(form)
        return form


def converted_definition(function: FunctionType) -> ast.FunctionDef:
    """The converted definition of a function, under the function's own name."""
    with _lock:
        node = _transpiled(function).node
    name = function.__code__.co_name
    node.name = LAMBDA if name == "<lambda>" else name
    return ast.fix_missing_locations(node)


def _make(function: FunctionType) -> FunctionType:
    _engine()
    loader = importlib.import_module("tracegraph.autograph.loader")
    code = function.__code__
    key = (code, code.co_filename)
    if key not in _factories:
        _factories[key] = loader.compiled(_transpiled(function), code)
    operators = importlib.import_module("tracegraph.autograph.operators")
    made = loader.instantiate(_factories[key], function, operators)
    for name in ("__module__", "__name__", "__qualname__", "__doc__", "__annotations__"):
        setattr(made, name, getattr(function, name))
    return autograph_artifact(made)


def _transpiled(function: FunctionType) -> Any:
    transpiler = _engine()
    source = source_of(function)
    refuse_unsupported(source.node, source.filename)
    try:
        return transpiler.transpile(prepare(source.node, source.owner), _namespace(function))
    except Exception as error:
        raise ConversionError(
            f"{function.__name__} cannot be converted",
            where=f"{source.filename}:{source.node.lineno}",
            found=f"{type(error).__name__}: {error}",
            hint="move what is unusual into a function of its own, or write jax.lax.cond, "
            "jax.lax.scan and jax.lax.while_loop yourself",
        ) from None


def _namespace(function: FunctionType) -> dict[str, Any]:
    """The names that a function sees from outside; only the names count."""
    return {**function.__globals__, **dict.fromkeys(function.__code__.co_freevars)}


def _engine() -> Any:
    """The module that speaks with the engine.

    Raises:
        MissingEngineError: the engine is not installed.
    """
    try:
        return importlib.import_module("tracegraph.autograph.transpiler")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "malt":
            raise
        raise MissingEngineError(
            'Python control flow needs diastatic-malt: pip install "tracegraph[autograph]"'
        ) from None
