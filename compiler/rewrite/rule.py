"""Rules: named laws with a pattern, guards, a replacement and a numerics class. Frozen values."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, TypeAlias, cast

from compiler.ir.errors import TracegraphError
from compiler.ir.graph import Operation
from compiler.rewrite.expression import Term
from compiler.rewrite.match import Match
from compiler.rewrite.numerics import Numerics
from compiler.rewrite.pattern import Pattern, bound_names, root_names, wrong_counts

Guard: TypeAlias = Callable[[Match], str | None]
"""A named predicate: None where it holds, else the reason why it does not."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a replacement returns where it finds that the rule does not apply after all."""

    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class WithReaders:
    """A replacement that takes ops which read the root with it.

    Attributes:
        terms: a term for each result of the root; None for a result that only ``readers`` read.
        readers: the ops that go, each with a term for every result. Terms read nothing that comes
            after the root.
    """

    terms: Sequence[Term | None]
    readers: Mapping[Operation, Sequence[Term]]


Replacement: TypeAlias = Term | Sequence[Term] | WithReaders | Refusal
"""One term for each result of the root op, or the reason why there is none."""

CHEAPER: Final = ""
"""The rule fires where the cost model says that it saves time: see ``driver``."""

RESERVED: Final = frozenset({"root", "ops", "type", "get"})
"""What a match calls something else than a bound name."""

_NAME: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


@dataclass(frozen=True, slots=True)
class Example:
    """A JAX program, with the types of its arguments.

    Attributes:
        function: takes arrays; written so that it works for any sizes.
        arguments: the arguments' types as text, with sizes by name or number: ``"f32[m,k]"``.
        sizes: what the names stand for; 3, 4, 5 ... in the order of their first use otherwise.
        reason: for a program on which the rule must not fire, a part of the near miss's reason.
    """

    function: Callable[..., Any]
    arguments: tuple[str, ...]
    sizes: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    reason: str = ""


def example(
    function: Callable[..., Any], *arguments: str, reason: str = "", **sizes: int
) -> Example:
    """An example: a function, the types of its arguments and the sizes named in them."""
    return Example(function, arguments, MappingProxyType(sizes), reason)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, weakref_slot=True)
class Rule:
    """A law by which one expression may stand for another. Compared by identity.

    Attributes:
        name: in lower case with hyphens; what reports and pipelines call it.
        law: the law in words or as a formula.
        pattern: what it matches; an op pattern, or alternatives that are.
        replace: what stands for the root's results, from a match; may refuse with a reason.
        numerics: what the law does to the numbers.
        transparent: whether every derivative and batching rule sees through it: it may then also be
            applied to a function that somebody outside differentiates or batches.
        guards: further conditions, checked in order.
        normal_form: the name of the normal form that the rule leads to, for a rule that pays by
            what it makes possible; ``CHEAPER`` for one that fires only where it saves time.
        examples: programs on which it fires; the first is shown in the docs. One that is given
            alone, not in a tuple, is a tuple of one; so with guards and rejects.
        rejects: programs on which it must not fire, one for each guard at least.
        elsewhere: which other systems have it, and under what name.
    """

    name: str
    law: str
    pattern: Pattern
    replace: Callable[[Match], Replacement]
    numerics: Numerics = Numerics.EXACT
    transparent: bool = False
    guards: tuple[Guard, ...] = ()
    normal_form: str = CHEAPER
    examples: tuple[Example, ...] = ()
    rejects: tuple[Example, ...] = ()
    elsewhere: str = ""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise _wrong(self, "a name in lower case with hyphens", repr(self.name))
        if not isinstance(self.numerics, Numerics):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise _wrong(self, "numerics=Numerics.EXACT or another class", repr(self.numerics))
        taken = bound_names(self.pattern) & RESERVED
        if taken:
            raise _wrong(self, f"names other than {', '.join(sorted(RESERVED))}", min(taken))
        if not root_names(self.pattern):
            raise _wrong(self, "a pattern whose root is an op", str(self.pattern))
        for name, takes, given in wrong_counts(self.pattern):
            raise _wrong_number(self, name, takes, given)
        object.__setattr__(self, "guards", _several(self.guards))
        for name in ("examples", "rejects"):
            cases = _several(getattr(self, name))
            if not all(isinstance(case, Example) for case in cases):
                raise _wrong(self, f'{name}=(example(f, "f32[n]"),)', f"{getattr(self, name)!r}")
            object.__setattr__(self, name, cases)

    @property
    def roots(self) -> frozenset[str]:
        """The names of the ops at which it may fire."""
        return root_names(self.pattern)


def terms_by_op(
    root: Operation, replacement: Term | Sequence[Term] | WithReaders
) -> dict[Operation, list[Term | None]]:
    """The terms of a replacement by the op whose results they stand for.

    Raises:
        TracegraphError: a result that is left out has other readers than those that go.
    """
    if replacement is None:  # pyright: ignore[reportUnnecessaryComparison]
        raise TracegraphError(
            "the replacement is nothing",
            where=str(root.location),
            expected="a value, an expression, a sequence of them, or a Refusal",
            found="None",
            hint='return Refusal("why") where the rule does not apply',
        )
    if isinstance(replacement, WithReaders):
        _check_unread(root, replacement)
        return {root: list(replacement.terms), **{o: [*t] for o, t in replacement.readers.items()}}
    return {root: list(replacement) if isinstance(replacement, Sequence) else [replacement]}


def _check_unread(root: Operation, replacement: WithReaders) -> None:
    for value, term in zip(root.results, replacement.terms, strict=True):
        others = [reader.name for reader in value.readers if reader not in replacement.readers]
        if term is None and others:
            raise TracegraphError(
                f"the replacement leaves out result {value.index} of {root.name}, which is read",
                where=str(root.location),
                expected="a term for each result that anything but the named readers reads",
                found=f"it is read by {', '.join(others)}",
                hint="name these ops among the readers as well, or give a term for the result",
            )


def guard_name(guard: Guard) -> str:
    """How reports call a guard."""
    return str(getattr(guard, "__name__", type(guard).__name__)).strip("_")


def _several(given: Any) -> tuple[Any, ...]:
    return tuple(cast("Iterable[Any]", given)) if isinstance(given, Iterable) else (given,)


def _wrong_number(rule: Rule, name: str, takes: int, given: int) -> TracegraphError:
    plural = "" if takes == 1 else "s"
    return TracegraphError(
        f"the rule {rule.name!r} cannot be made: its pattern can match no {name}",
        expected=f"{takes} operand{plural}, as {name} takes",
        found=f"{given} in the pattern",
        hint=f"write them all, or op.{name}.any() for whatever it reads; attributes go by keyword",
    )


def _wrong(rule: Rule, expected: str, found: str) -> TracegraphError:
    return TracegraphError(
        f"the rule {rule.name!r} cannot be made",
        expected=expected,
        found=found,
        hint='write it like Rule(name="log-of-exp", pattern=op.log(op.exp(x)), ...)',
    )
