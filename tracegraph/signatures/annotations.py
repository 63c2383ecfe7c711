"""Specs read from jaxtyping annotations; jaxtyping is looked at only where the user imported it."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import inspect
import re
import sys
import typing
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

from compiler.ir.errors import TracegraphError
from compiler.lowering import jax_compat
from tracegraph.signatures.spec import KEY, Size, Spec
from tracegraph.userlines import call_site

jax_compat.hide_frames(__file__)

ANNOTATIONS: Final = "annotations"
_UNREADABLE: Final = ("*", "...", "#", "?", "{")
"""What a size begins with that may be no size, several, or another one in each leaf."""
_WORDS: Final[dict[str, str]] = {"prng_key": KEY, "bool_": "bool"}


def annotated_specs(fun: Callable[..., Any]) -> Mapping[str, Spec]:
    """The specs of the arguments that have a jaxtyping annotation, by name.

    ``Float[Array, "batch 784"]`` says it of an argument, ``PyTree[Float[Array, "batch 784"]]`` of
    all its leaves. Nothing is said of arguments with other annotations.

    Raises:
        TracegraphError: there is no such annotation, or one has sizes that no spec can say.
    """
    hints = _hints(fun)
    found = {name: spec for name, hint in hints.items() if (spec := _spec(name, hint)) is not None}
    if found:
        return found
    raise TracegraphError(
        f"{getattr(fun, '__name__', fun)} has no annotations that say sizes",
        where=call_site(),
        expected='jaxtyping annotations such as x: Float[Array, "batch 784"]',
        found=", ".join(f"{name}: {hint}" for name, hint in hints.items()) or "no annotation",
        hint="annotate the arguments, or write input_signature=[tg.Spec(...)]",
    )


def _hints(fun: Callable[..., Any]) -> dict[str, Any]:
    target = fun if inspect.isroutine(fun) else getattr(fun, "__wrapped__", fun.__call__)
    try:
        hints = typing.get_type_hints(target)
    except Exception as error:  # a name that exists for type checkers only, and whatever else
        raise TracegraphError(
            f"the annotations of {getattr(fun, '__name__', fun)} cannot be read",
            where=call_site(),
            expected="annotations whose names exist when the function is decorated",
            found=f"{type(error).__name__}: {error}",
            hint="import them outside of TYPE_CHECKING, or write input_signature=[tg.Spec(...)]",
        ) from error
    return {name: hint for name, hint in hints.items() if name != "return"}


def _spec(name: str, hint: Any) -> Spec | None:
    jaxtyping = sys.modules.get("jaxtyping")
    if jaxtyping is None or not isinstance(hint, type):
        return None
    leaf = getattr(hint, "leaftype", None)
    if leaf is not None:
        return _spec(name, leaf)
    if not issubclass(hint, jaxtyping.AbstractArray):
        return None
    known: Any = hint
    names = _names(known.dtypes)
    shape = tuple(_size(name, known.dim_str, word) for word in known.dim_str.split())
    return Spec(shape, None if names is None else _known(names))


def _size(name: str, dims: str, word: str) -> Size:
    if word.startswith(_UNREADABLE):
        raise TracegraphError(
            f"the annotation of {name} has sizes that no signature can say",
            where=call_site(),
            expected='names, numbers, expressions such as "2*n", and _ for any size',
            found=f"{word!r} in {dims!r}",
            hint="write input_signature={...} with a tg.Spec for this argument",
        )
    value = re.sub(r"^\w+=", "", word)  # ``channels=3`` names a fixed size for the reader
    return None if value.startswith("_") else value


def _names(dtypes: object) -> tuple[str, ...] | None:
    """The element types in our words; None for an annotation that takes any."""
    if not isinstance(dtypes, tuple):
        return None
    listed = [str(dtype) for dtype in cast("tuple[object, ...]", dtypes)]
    return tuple(dict.fromkeys(_WORDS.get(name, name) for name in listed))


def _known(names: tuple[str, ...]) -> tuple[str, ...]:
    """The element types that the installed JAX has; jaxtyping lists newer ones too."""
    return tuple(name for name in names if name == KEY or _exists(name))


def _exists(name: str) -> bool:
    try:
        Spec((), name)
    except TracegraphError:
        return False
    return True
