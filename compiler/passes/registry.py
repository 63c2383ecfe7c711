"""The passes by name, and passes made from the text of their options."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import Field, is_dataclass
from functools import cache
from typing import Any, Final

from compiler.ir.errors import TracegraphError
from compiler.passes.base import Option, Pass, option_fields
from compiler.passes.canonicalize import Canonicalize
from compiler.passes.cse import CommonSubexpressionElimination
from compiler.passes.dce import DeadCodeElimination
from compiler.passes.fold_constants import FoldConstants
from compiler.passes.fuse import Fuse
from compiler.passes.inline import InlineCalls
from compiler.passes.lower_platform import LowerPlatform
from compiler.passes.rewrite import Rewrite
from compiler.passes.roll_layers import RollLayers
from compiler.passes.spread import SpreadDots
from compiler.passes.tile import TileRows
from compiler.passes.unroll import Unroll

_NAME: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_KINDS: Final = (bool, int, str)
_registered: dict[str, type[Pass]] = {}


def passes() -> Mapping[str, type[Pass]]:
    """All passes by their names, those that a user has registered last."""
    return {**_own(), **_registered}


def register(cls: type[Pass]) -> type[Pass]:
    """Adds a pass of the user's own, so that pipelines may name it; returns the class.

    It takes the place of the class that was registered under its name before, if there is one, so
    that a notebook's cell may run twice. Pipelines made before keep the class that they have.

    Raises:
        TracegraphError: a pass of tracegraph itself has its name, the name cannot be written, or a
            field is no option.
    """
    name = str(getattr(cls, "name", ""))
    _check_name(cls, name)
    if not is_dataclass(cls) or not all(_is_option(field) for field in option_fields(cls)):
        raise TracegraphError(
            f"the options of the pass {name} cannot be written in a pipeline",
            expected="a frozen dataclass whose fields have defaults that are bool, int or str",
            found=", ".join(f"{field.name}: {field.type}" for field in option_fields(cls)),
            hint='mark a field that is no option by field(metadata={"hidden": True})',
        )
    _registered[name] = cls
    return cls


def unregister(cls: type[Pass]) -> None:
    """Takes the pass registered under the name of this one away; no error if there is none."""
    _registered.pop(cls.name, None)


def _check_name(cls: type[Pass], name: str) -> None:
    if not _NAME.fullmatch(name):
        raise TracegraphError(
            f"the pass {cls.__name__} cannot be registered under this name",
            expected="a name in lower case with hyphens",
            found=repr(name),
            hint='write name: ClassVar[str] = "my-pass" in the class',
        )
    if name == "repeat" or name in _own():
        raise TracegraphError(
            f"the pass {cls.__name__} cannot be registered under this name: it is taken",
            expected="a name that no pass of tracegraph itself has",
            found=f"{name!r}, which is what pipelines call {_meaning(name)}",
            hint="choose another name",
        )


def _meaning(name: str) -> str:
    return f"the pass {_own()[name].__name__}" if name in _own() else "a repetition of passes"


def _is_option(field: Field[Any]) -> bool:
    return isinstance(field.default, _KINDS)


@cache
def _own() -> Mapping[str, type[Pass]]:
    known: tuple[type[Pass], ...] = (
        InlineCalls,
        Canonicalize,
        FoldConstants,
        CommonSubexpressionElimination,
        DeadCodeElimination,
        Rewrite,
        TileRows,
        LowerPlatform,
        RollLayers,
        SpreadDots,
        Unroll,
        Fuse,
    )
    return {cls.name: cls for cls in known}


def make_pass(name: str, options: Mapping[str, str], *, where: str = "") -> Pass:
    """A pass from its name and the text of its options.

    Raises:
        TracegraphError: there is no such pass or option, or a value is of the wrong kind.
    """
    cls = passes().get(name)
    if cls is None:
        raise _unknown(f"there is no pass named {name}", name, [*passes(), "repeat"], where)
    known: dict[str, Any] = {field.name: field.default for field in option_fields(cls)}
    values: dict[str, Option] = {}
    for key, text in options.items():
        if key not in known:
            raise _unknown(f"the pass {name} has no option {key}", key, list(known), where)
        values[key] = _value(name, key, text, known[key], where)
    try:
        return cls(**values)
    except TracegraphError as error:  # a value that the pass itself refuses
        raise TracegraphError(
            error.what, where=where, expected=error.expected, found=error.found, hint=error.hint
        ) from None


def _value(name: str, key: str, text: str, default: Option, where: str) -> Option:
    if isinstance(default, bool) and text in ("true", "false"):
        return text == "true"
    if isinstance(default, int) and not isinstance(default, bool) and text.lstrip("-").isdigit():
        return int(text)
    if isinstance(default, str):
        return text
    raise TracegraphError(
        f"the option {key} of the pass {name} has a value of the wrong kind",
        where=where,
        expected="true or false" if isinstance(default, bool) else "a whole number",
        found=text,
        hint=f"for example {name}{{{key}={str(default).lower()}}}",
    )


def _unknown(what: str, name: str, known: list[str], where: str) -> TracegraphError:
    close = difflib.get_close_matches(name, known, n=3)
    hint = f"did you mean {' or '.join(close)}?" if close else "take one of those expected"
    hint = hint if known else "leave it out, and the braces"
    return TracegraphError(
        what, where=where, expected=", ".join(known) or "no options", found=name, hint=hint
    )
