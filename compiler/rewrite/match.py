"""Matching: finds a pattern at an op. Changes nothing and keeps nothing between two calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import permutations
from typing import Any, Final, NamedTuple, TypeVar

from compiler.ir.attributes import attribute_key
from compiler.ir.graph import Operation, Region, Value
from compiler.ir.types import ArrayType
from compiler.ops.definition import is_mergeable, lookup
from compiler.rewrite.bindings import Env, bind_leaf
from compiler.rewrite.pattern import OneOf, OpPattern, Pattern, RegionPattern, Rest, Var

T = TypeVar("T")

MAX_ATTEMPTS: Final = 256
"""How many ways to match one pattern at one op are followed before it counts as no match."""


class Match:
    """What a pattern matched: the root op, and the bound names as attributes.

    ``m.x`` is the value, attribute, number, array, region or op bound to ``x``.

    Attributes:
        root: the op that the pattern's root matched.
        ops: the matched ops, the root first.
    """

    __slots__ = ("_bound", "_known", "ops", "root")

    def __init__(
        self, root: Operation, ops: Sequence[Operation], bound: Mapping[str, object]
    ) -> None:
        self.root = root
        self.ops = tuple(ops)
        self._bound = bound
        self._known: dict[Callable[[Match], Any], Any] = {}

    def once(self, question: Callable[[Match], T]) -> T:
        """What a function of the match gives; the guards and the replacement ask it only once."""
        if question not in self._known:
            self._known[question] = question(self)
        return self._known[question]

    def __getattr__(self, name: str) -> Any:
        try:
            return self._bound[name]
        except KeyError:
            known = ", ".join(sorted(self._bound)) or "nothing"
            raise AttributeError(f"the pattern binds no {name!r}; it binds {known}") from None

    def get(self, name: str) -> Any:
        """What is bound to a name; None if this alternative of the pattern does not bind it."""
        return self._bound.get(name)

    @property
    def type(self) -> ArrayType:
        """The type of the root's first result."""
        return self.root.results[0].type  # pyright: ignore[reportReturnType]


GUARDED: Final = "{}: {}"
"""The reason of a guard, after the guard's own name."""


class Miss(NamedTuple):
    """A pattern that began to match and did not: how far it came, and why no further.

    Attributes:
        progress: how many ops matched.
        template: the reason, with a place for each argument.
        arguments: what stands in those places; put in only when somebody reads.
    """

    progress: int
    template: str
    arguments: tuple[object, ...] = ()

    @property
    def reason(self) -> str:
        """The reason in words."""
        return self.template.format(*self.arguments)

    @property
    def guard(self) -> str:
        """The name of the guard that refused; empty where none did."""
        return str(self.arguments[0]) if self.template == GUARDED else ""

    @property
    def words(self) -> str:
        """The reason without the name of a guard."""
        return str(self.arguments[1]) if self.guard else self.reason


class Search:
    """One attempt at a pattern: counts its steps and remembers the miss that came furthest."""

    __slots__ = ("attempts", "miss")

    def __init__(self) -> None:
        self.attempts = 0
        self.miss = Miss(0, "another op")

    def fail(self, env: Env, template: str, *arguments: object) -> None:
        """Notes why this way led nowhere."""
        if len(env.ops) >= self.miss.progress:
            self.miss = Miss(len(env.ops), template, arguments)

    def matches(self, pattern: Pattern, root: Operation) -> Iterator[Match]:
        """Every way in which the pattern matches with this op as its root."""
        empty = Env({}, ())
        choices = pattern.choices if isinstance(pattern, OneOf) else (pattern,)
        for choice in choices:
            if isinstance(choice, OpPattern) and root.name in choice.names:
                for env in self._operation(choice, root, empty, is_root=True):
                    if self._owns_all(env):
                        yield Match(root, env.ops, env.bound)

    def _value(self, pattern: Pattern, value: Value, env: Env) -> Iterator[Env]:
        if isinstance(pattern, OneOf):
            for choice in pattern.choices:
                yield from self._value(choice, value, env)
        elif isinstance(pattern, OpPattern):
            yield from self._producer(pattern, value, env)
        else:
            found = bind_leaf(pattern, value, env)
            if found is not None:
                yield found
            else:
                self.fail(env, "{} does not fit {}", value, pattern)

    def _producer(self, pattern: OpPattern, value: Value, env: Env) -> Iterator[Env]:
        op = value.producer
        if op is None or op.name not in pattern.names:
            found = "a parameter" if op is None else op.name
            self.fail(env, "{} stands where the rule needs {}", found, _Names(pattern))
            return
        if pattern.index is None and len(op.results) != 1:
            return
        if pattern.index is not None and value.index != pattern.index:
            self.fail(env, "another result of {} is read", op.name)
            return
        yield from self._operation(pattern, op, env, is_root=False)

    def _operation(
        self, pattern: OpPattern, op: Operation, env: Env, *, is_root: bool
    ) -> Iterator[Env]:
        self.attempts += 1
        if self.attempts > MAX_ATTEMPTS:
            return
        start = env._replace(ops=(*env.ops, op)).bind(pattern.bind, op)
        start = self._attributes(pattern, op, start) if start is not None else None
        if start is None:
            return
        if not is_mergeable(op):
            self.fail(start, "{} has effects, or is a barrier", op.name)
            return
        if pattern.readers is not None and not read_only_by(op, pattern.readers):
            self.fail(start, "{} is read by other ops than {}", op.name, sorted(pattern.readers))
            return
        if not is_root and not pattern.is_shared and _has_several_users(op):
            start = start._replace(owned=(*start.owned, op))
        for env_after in self._operands(pattern, op, start):
            yield from self._regions(pattern.regions, op, env_after)

    def _owns_all(self, env: Env) -> bool:
        """Whether the users of the ops that must go are all in the match."""
        for op in env.owned:
            users = (user for value in op.results for user in value.each_reader())
            if any(user not in env.ops for user in users):
                self.fail(env, "{} at {} has other users", op.name, op.location)
                return False
        return True

    def _attributes(self, pattern: OpPattern, op: Operation, env: Env) -> Env | None:
        for name, wanted in pattern.attributes.items():
            found = op.attributes.get(name)
            if isinstance(wanted, Var):
                bound = env.bind(wanted.name, found)
                if bound is None:
                    self.fail(env, "{} of {} is another than before", name, op.name)
                    return None
                env = bound
            elif attribute_key(found) != attribute_key(wanted):
                self.fail(env, "{} of {} is {}, not {}", name, op.name, found, wanted)
                return None
        return env

    def _operands(self, pattern: OpPattern, op: Operation, env: Env) -> Iterator[Env]:
        if pattern.operands is None:
            yield env
            return
        if not _fits_in_number(pattern.operands, op.operands):
            wanted = len(pattern.operands)
            self.fail(env, "{} has {} operands, not {}", op.name, len(op.operands), wanted)
            return
        for operands in _orders(op, pattern.operands):
            yield from self._sequence(pattern.operands, operands, env)

    def _sequence(
        self, patterns: Sequence[Pattern], values: Sequence[Value], env: Env
    ) -> Iterator[Env]:
        if patterns and isinstance(patterns[0], Rest):
            found = env.bind(patterns[0].name, tuple(values))
            if found is not None:
                yield found
            return
        if len(patterns) == 0 or len(values) == 0:
            if len(patterns) == len(values):
                yield env
            return
        for after in self._value(patterns[0], values[0], env):
            yield from self._sequence(patterns[1:], values[1:], after)

    def _regions(self, patterns: Sequence[RegionPattern], op: Operation, env: Env) -> Iterator[Env]:
        if not patterns:
            yield env
            return
        pattern, *others = patterns
        region = next((r for r in op.regions if r.name == pattern.name), None)
        start = None if region is None else _enter(pattern, region, env)
        if region is None or start is None:
            self.fail(env, "region {} of {} does not fit", pattern.name, op.name)
            return
        outputs = region.outputs if pattern.outputs is not None else ()
        for after in self._sequence(pattern.outputs or (), outputs, start):
            yield from self._regions(others, op, after)


class _Names(NamedTuple):
    """The names of an op pattern, joined only when somebody reads."""

    pattern: OpPattern

    def __str__(self) -> str:
        return " or ".join(sorted(self.pattern.names))

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)


def _fits_in_number(patterns: Sequence[Pattern], operands: Sequence[Value]) -> bool:
    if patterns and isinstance(patterns[-1], Rest):
        return len(operands) >= len(patterns) - 1
    return len(operands) == len(patterns)


def read_only_by(op: Operation, names: AbstractSet[str]) -> bool:
    """Whether something reads results of the op, and all that does has one of the names."""
    is_read = False
    for value in op.results:
        for reader in value.each_reader():
            is_read = True
            if reader.name not in names:
                return False
    return is_read


def _has_several_users(op: Operation) -> bool:
    return sum(value.use_count for value in op.results) > 1


def _orders(op: Operation, patterns: Sequence[Pattern]) -> Iterator[Sequence[Value]]:
    operands = op.operands
    if len(operands) != 2 or len(patterns) != 2 or not lookup(op.name).commutative:
        yield operands
        return
    yield from permutations(operands) if operands[0] is not operands[1] else (operands,)


def _enter(pattern: RegionPattern, region: Region, env: Env) -> Env | None:
    found = env.bind(pattern.bind, region)
    if pattern.parameters is None or found is None:
        return found
    if len(pattern.parameters) != len(region.parameters):
        return None
    for name, value in zip(pattern.parameters, region.parameters, strict=True):
        found = found.bind(name, value) if found is not None else None
    return found
