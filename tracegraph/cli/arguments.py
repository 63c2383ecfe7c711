"""The arguments that ``--arg`` and ``--kwarg`` give, checked against the function's signature."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from compiler.ir.errors import TracegraphError
from tracegraph.cli.errors import suggest
from tracegraph.cli.specs import ArraySpec, mapped, parse_spec
from tracegraph.cli.targets import bare


@dataclass(frozen=True, slots=True)
class Arguments:
    """The arguments of one call, still as specs or already as values."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def abstract(self) -> Arguments:
        """The same arguments with types for contents."""
        return self._map(lambda spec: spec.abstract())

    def make(self, seed: int) -> Arguments:
        """The same arguments with contents drawn from a seed."""
        rng = np.random.default_rng(seed)
        return self._map(lambda spec: spec.make(rng))

    def _map(self, make: Callable[[ArraySpec], Any]) -> Arguments:
        return Arguments(mapped(make, self.args), mapped(make, self.kwargs))


def parse_arguments(fun: Any, args: Sequence[str], kwargs: Sequence[str]) -> Arguments:
    """The arguments that ``--arg`` and ``--kwarg`` give, checked against the function's signature.

    Raises:
        TracegraphError: a spec cannot be read, or the arguments do not fit the function.
    """
    named = [_parse_kwarg(text) for text in kwargs]
    _check_names([name for name, _ in named])
    found = Arguments(tuple(parse_spec(text, f"--arg {text}") for text in args), dict(named))
    _check_signature(fun, found)
    return found


def _parse_kwarg(text: str) -> tuple[str, Any]:
    name, equals, spec = text.partition("=")
    if not (equals and name.isidentifier()):
        raise TracegraphError(
            f"{text} is no keyword argument",
            where=f"--kwarg {text}",
            expected="NAME=SPEC, such as scale=f32[] or training=True",
            found=text,
            hint="write the parameter's name, an equals sign, and the spec",
        )
    return name, parse_spec(spec, f"--kwarg {text}")


def _check_names(names: Sequence[str]) -> None:
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise TracegraphError(
            f"the argument {twice} is given twice",
            where=f"--kwarg {twice}",
            expected="each name once",
            found=f"{names.count(twice)} times --kwarg {twice}=",
            hint="leave all but one of them out",
        )


def _check_signature(fun: Any, arguments: Arguments) -> None:
    wrapped = getattr(fun, "__wrapped__", fun)
    try:
        signature = inspect.signature(wrapped)
    except (ValueError, TypeError):
        return  # some callables written in C have none; the call itself will tell
    try:
        signature.bind(*arguments.args, **arguments.kwargs)
    except TypeError as error:
        name = getattr(wrapped, "__name__", type(wrapped).__name__)
        unknown = [key for key in arguments.kwargs if key not in signature.parameters]
        advice = "give one --arg SPEC per parameter, in order, or --kwarg NAME=SPEC"
        raise TracegraphError(
            f"the arguments do not fit {name}: {error}",
            where=_source(wrapped),
            expected=f"{name}{bare(signature)}",
            found=f"{len(arguments.args)} --arg and {len(arguments.kwargs)} --kwarg",
            hint=suggest(unknown[0], signature.parameters, advice) if unknown else advice,
        ) from error


def _source(fun: Any) -> str:
    code = getattr(inspect.unwrap(fun), "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code else ""
