"""Objects that a function uses without being given them: through its closure, globals or self.

They are arguments in disguise: their values are inputs of every call, and what the function
changes in them is written back.
"""

# jax annotates its functions in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import functools
import gc
import threading
import types
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import jax

from compiler.lowering import jax_compat
from tracegraph.state import nnx_objects
from tracegraph.userlines import is_library, names_in

jax_compat.hide_frames(__file__)


LENDING: Final = threading.RLock()
"""Held while captured objects hold values of a trace: nobody else may read or lend them then."""


class FrozenStateWarning(UserWarning):
    """A value of an nnx object went into the compiled function as a constant."""


def captured_objects(fun: Callable[..., Any]) -> list[Any]:
    """The nnx objects that a function reaches by itself, each once, in a fixed order.

    Looked through are closures, globals that the code names, defaults, the arguments of partials,
    the object of a bound method, and the same of every function of the user's that is reached.
    """
    found: dict[int, Any] = {}
    for value in _reached(fun, set()):
        for leaf in nnx_objects.stateful_leaves(value):
            found.setdefault(id(leaf), leaf)
    return list(found.values())


@contextmanager
def lent(originals: Sequence[Any], copies: Sequence[Any]) -> Generator[None]:
    """While it is open, captured objects hold the values of their traced copies.

    At the end what was changed in the originals is in the copies, and the originals are as before,
    whether or not the user's function raised.
    """
    pairs = list(zip(nnx_objects.variables(originals), nnx_objects.variables(copies), strict=True))
    if not pairs:
        yield
        return
    raw = nnx_objects.raw_reader()
    before = [raw(copy) for _, copy in pairs]
    with LENDING:
        undo = [nnx_objects.lend(original, raw(copy)) for original, copy in pairs]
        try:
            yield
            for (original, copy), value in zip(pairs, before, strict=True):
                if raw(original) is not value:
                    nnx_objects.assign(copy, raw(original))
        finally:
            for restore in undo:
                restore()


def warn_frozen(constants: Iterable[Any], name: str) -> None:
    """One warning if a constant of a traced function is the value of an nnx variable.

    What ``captured_objects`` cannot see (an object inside an object that JAX does not know) ends
    here: said, and not silently out of date after the next update.
    """
    arrays = [value for value in constants if isinstance(value, jax.Array)]
    if not arrays or nnx_objects.loaded() is None:
        return
    holders = [other for other in gc.get_referrers(*arrays) if nnx_objects.is_variable(other)]
    if not holders:
        return
    kinds = ", ".join(sorted({type(holder).__name__ for holder in holders}))
    warnings.warn(
        f"{name} was traced with the present values of nnx variables ({kinds}) as constants: an "
        "update of them will not be seen. Pass the object that holds them as an argument, or hold "
        "it in a variable that the function names.",
        FrozenStateWarning,
        stacklevel=2,
    )


def _reached(value: Any, seen: set[int]) -> Iterator[Any]:
    """The values that a function reaches by name, functions of the user's looked through."""
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, functools.partial):
        parts: list[Any] = [value.func, *value.args, *value.keywords.values()]
    elif isinstance(value, types.MethodType):
        parts = [value.__func__, value.__self__, *_attributes(value.__self__)]
    elif isinstance(value, types.FunctionType) and not is_library(value.__code__):
        parts = list(_named(value))
    elif callable(value) and hasattr(value, "__wrapped__"):
        parts = [getattr(value, "__wrapped__")]  # noqa: B009 - pyright knows only functions here
    else:
        yield value
        return
    for part in parts:
        yield from _reached(part, seen)


def _named(function: types.FunctionType) -> Iterator[Any]:
    """What the code of a function refers to outside its own variables."""
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # not assigned yet
            continue
    yield from function.__defaults__ or ()
    yield from (function.__kwdefaults__ or {}).values()
    for name in names_in(function.__code__):
        if name in function.__globals__:
            yield function.__globals__[name]
    if "__wrapped__" in vars(function):
        yield vars(function)["__wrapped__"]


def _attributes(owner: Any) -> list[Any]:
    """What an object of the user's own class holds; an nnx object is found whole."""
    if nnx_objects.is_stateful(owner) or isinstance(owner, (type, types.ModuleType)):
        return []
    return list(getattr(owner, "__dict__", {}).values())
