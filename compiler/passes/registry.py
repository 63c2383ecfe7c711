"""The passes by name, and passes made from the text of their options."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from typing import Any

from compiler.ir.errors import TracegraphError
from compiler.passes.base import Option, Pass
from compiler.passes.canonicalize import Canonicalize
from compiler.passes.cse import CommonSubexpressionElimination
from compiler.passes.dce import DeadCodeElimination
from compiler.passes.fold_constants import FoldConstants
from compiler.passes.fuse import Fuse
from compiler.passes.inline import InlineCalls


@cache
def passes() -> Mapping[str, type[Pass]]:
    """All passes by their names."""
    known: tuple[type[Pass], ...] = (
        InlineCalls,
        Canonicalize,
        FoldConstants,
        CommonSubexpressionElimination,
        DeadCodeElimination,
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
    known: dict[str, Any] = {field.name: field.default for field in fields(cls)}
    values: dict[str, Option] = {}
    for key, text in options.items():
        if key not in known:
            raise _unknown(f"the pass {name} has no option {key}", key, list(known), where)
        values[key] = _value(name, key, text, known[key], where)
    return cls(**values)


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
    return TracegraphError(
        what, where=where, expected=", ".join(known) or "no options", found=name, hint=hint
    )
