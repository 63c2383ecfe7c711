"""Patterns: what the left side of a rule is made of. Frozen values; matching is in ``match``.

A pattern stands where a value stands. An op pattern describes the op that makes the value; a
variable takes any value, and the same value wherever it is repeated. A variable in the place of an
attribute takes the attribute.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final, cast

from compiler.ir.attributes import Attribute, Attributes
from compiler.ops.definition import lookup
from compiler.rewrite.expression import Liftable, new

FLOAT: Final = "f"
INTEGER: Final = "i"
BOOL: Final = "b"
COMPLEX: Final = "c"


@dataclass(frozen=True, slots=True)
class Pattern:
    """Something that a value may match. ``a | b`` matches what either does, ``a`` first."""

    def __or__(self, other: Pattern) -> OneOf:
        left = self.choices if isinstance(self, OneOf) else (self,)
        right = other.choices if isinstance(other, OneOf) else (other,)
        return OneOf((*left, *right))


@dataclass(frozen=True, slots=True)
class Var(Pattern):
    """Any value, bound to a name; a name that is bound already takes only the same value.

    Attributes:
        name: how the match calls it.
        kinds: the element types it takes: letters of FLOAT, INTEGER, BOOL, COMPLEX; empty for all.
        rank: how many dimensions it has; None for any number.
    """

    name: str
    kinds: str = ""
    rank: int | None = None


@dataclass(frozen=True, slots=True)
class Known(Pattern):
    """A value that is known when the graph is compiled, bound to its array."""

    name: str


@dataclass(frozen=True, slots=True)
class Num(Pattern):
    """A value all of whose elements are one number that is known when the graph is compiled.

    Attributes:
        name: what the number, a numpy scalar, is bound to; may be empty.
        value: the number it must be, to the bit (0.0 is not -0.0); None for any.
    """

    name: str = ""
    value: float | None = None


@dataclass(frozen=True, slots=True)
class Rest(Pattern):
    """All remaining operands of an op, bound as a tuple. Stands last."""

    name: str


@dataclass(frozen=True, slots=True)
class OneOf(Pattern):
    """The first of several patterns that leads to a match."""

    choices: tuple[Pattern, ...]


@dataclass(frozen=True, slots=True)
class RegionPattern:
    """A region of an op, by its name.

    Attributes:
        name: the region's name, for example ``jaxpr`` or ``branches[0]``.
        outputs: patterns for the values it yields, one each; None for any.
        parameters: names that its parameters are bound to, in order; None for none.
        bind: what the region itself is bound to; may be empty.
    """

    name: str
    outputs: tuple[Pattern, ...] | None = None
    parameters: tuple[str, ...] | None = None
    bind: str = ""


@dataclass(frozen=True, slots=True)
class OpPattern(Pattern):
    """A result of an op of one of these names.

    Operands of an op that commutes match in either order. An op below the root must have no user
    outside the match unless it is ``shared``.

    Attributes:
        names: the names of the op.
        operands: a pattern for each operand; the last may be a ``Rest``; None for any operands.
        attributes: the attributes that matter: values, or variables to be bound.
        regions: patterns for the regions that matter.
        index: which result of the op is meant; None for its only one. The root means the op.
        is_shared: whether others may read it too.
        readers: the names of ops one of which every reader must be; None for any readers.
        bind: what the op itself is bound to; may be empty.
    """

    names: frozenset[str]
    operands: tuple[Pattern, ...] | None = None
    attributes: Mapping[str, Attribute | Var] = field(default_factory=lambda: MappingProxyType({}))
    regions: tuple[RegionPattern, ...] = ()
    index: int | None = None
    is_shared: bool = False
    readers: frozenset[str] | None = None
    bind: str = ""

    def shared(self) -> OpPattern:
        """The same, where the op may have other users."""
        return replace(self, is_shared=True)

    def read_by(self, name: str, *others: str) -> OpPattern:
        """The same, where ops of these names read the op, one at least, and nothing else does."""
        return replace(self, readers=frozenset([name, *others]))

    def named(self, name: str) -> OpPattern:
        """The same, with the op bound to a name."""
        return replace(self, bind=name)

    def result(self, index: int) -> OpPattern:
        """The same, for one of the results of an op that has several."""
        return replace(self, index=index)

    def having(self, *regions: RegionPattern) -> OpPattern:
        """The same, with patterns for its regions."""
        return replace(self, regions=regions)


class OpFactory:
    """Makes patterns and expressions of one op: patterns if its operands are patterns."""

    __slots__ = ("_names",)

    def __init__(self, *names: str) -> None:
        self._names = names

    def __call__(self, *operands: Pattern | Liftable, **attributes: Attribute | Var) -> Any:
        """A pattern of the op, or the op applied to values and expressions.

        A number beside patterns stands for itself: ``op.mul(x, 2.0)`` matches ``x * 2.0``.

        Returns:
            an ``OpPattern``; or an ``Expr``, a tuple of them for an op with several results.
        """
        if any(isinstance(operand, Pattern) for operand in operands) or not operands:
            return OpPattern(frozenset(self._names), _patterns(operands), dict(attributes))
        (name,) = self._names
        return new(name, *cast("Sequence[Liftable]", operands), **cast("Attributes", attributes))

    def any(self, **attributes: Attribute | Var) -> OpPattern:
        """A pattern of the op with whatever operands it has."""
        return OpPattern(frozenset(self._names), None, dict(attributes))


class Ops:
    """Op factories by name: ``op.add``, or ``op["while"]`` and ``op["add", "sub"]``."""

    __slots__ = ()

    def __getattr__(self, name: str) -> OpFactory:
        if name.startswith("__"):
            raise AttributeError(name)
        return OpFactory(name.rstrip("_"))  # op.and_, op.not_: their names are Python keywords

    def __getitem__(self, names: str | tuple[str, ...]) -> OpFactory:
        return OpFactory(*((names,) if isinstance(names, str) else names))


op: Final = Ops()
"""The way to write patterns and replacements: ``op.add(x, y)``."""


def var(name: str, kinds: str = "", *, rank: int | None = None) -> Var:
    """A variable, for a value or an attribute."""
    return Var(name, kinds, rank)


def variables(names: str, kinds: str = "") -> list[Var]:
    """Variables by their names, written with spaces between."""
    return [Var(name, kinds) for name in names.split()]


def known(name: str) -> Known:
    """A value known when the graph is compiled; the match holds its numpy array."""
    return Known(name)


def num(value: float | str) -> Num:
    """One known number everywhere: this one, or any, bound to a name."""
    return Num(name=value) if isinstance(value, str) else Num(value=value)


def rest(name: str) -> Rest:
    """All remaining operands."""
    return Rest(name)


def region(
    name: str,
    outputs: Sequence[Pattern] | None = None,
    parameters: str | None = None,
    bind: str = "",
) -> RegionPattern:
    """A region by its name; see ``RegionPattern``. Parameter names are written with spaces."""
    names = None if parameters is None else tuple(parameters.split())
    return RegionPattern(name, None if outputs is None else tuple(outputs), names, bind)


def root_names(pattern: Pattern) -> frozenset[str]:
    """The names of the ops that a pattern may be the root of; empty if it is not an op's."""
    if isinstance(pattern, OpPattern):
        return pattern.names
    if isinstance(pattern, OneOf):
        found = [root_names(choice) for choice in pattern.choices]
        return _union(found) if all(found) else frozenset()
    return frozenset()


def bound_names(pattern: Pattern | RegionPattern | Attribute) -> frozenset[str]:
    """The names that a pattern may bind."""
    if isinstance(pattern, Var | Known | Num | Rest):
        return frozenset({pattern.name} - {""})
    if isinstance(pattern, OneOf):
        return _union(map(bound_names, pattern.choices))
    if isinstance(pattern, RegionPattern):
        own = {*(pattern.parameters or ()), pattern.bind} - {""}
        return _union([own, *map(bound_names, pattern.outputs or ())])
    if not isinstance(pattern, OpPattern):
        return frozenset()
    inner = (*(pattern.operands or ()), *pattern.attributes.values(), *pattern.regions)
    return _union([{pattern.bind} - {""}, *map(bound_names, inner)])


def wrong_counts(pattern: Pattern | RegionPattern) -> Iterator[tuple[str, int, int]]:
    """The ops that can never have as many operands as the pattern gives them.

    Yields:
        the op's name, how many operands it takes and how many the pattern gives it.
    """
    if isinstance(pattern, OneOf):
        inner: Iterable[Pattern | RegionPattern] = pattern.choices
    elif isinstance(pattern, RegionPattern):
        inner = pattern.outputs or ()
    elif isinstance(pattern, OpPattern):
        yield from _wrong_counts(pattern)
        inner = (*(pattern.operands or ()), *pattern.regions)
    else:
        return
    for part in inner:
        yield from wrong_counts(part)


def _wrong_counts(pattern: OpPattern) -> Iterator[tuple[str, int, int]]:
    operands = pattern.operands
    if operands is None:
        return
    is_open = bool(operands) and isinstance(operands[-1], Rest)
    least = len(operands) - is_open
    wrong: list[tuple[str, int, int]] = []
    for name in sorted(pattern.names):
        takes = lookup(name).operands
        if takes is None or takes == least or (is_open and takes > least):
            return  # of several names, one that fits is enough
        wrong.append((name, takes, least))
    yield from wrong


def _union(sets: Iterable[AbstractSet[str]]) -> frozenset[str]:
    return frozenset(name for names in sets for name in names)


def _patterns(operands: Sequence[Any]) -> tuple[Pattern, ...]:
    return tuple(
        operand if isinstance(operand, Pattern) else Num(value=operand) for operand in operands
    )
