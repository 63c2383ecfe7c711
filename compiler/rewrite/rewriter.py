"""The rewriter: the only way in which passes and rules change a graph.

It keeps use lists right (through ``compiler.ir.mutate``), checks that a value is only ever replaced
by one of exactly its type, carries name hints and locations over, and counts what really changed.
Deciding what to change is not its business.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from itertools import compress

from compiler.ir import mutate
from compiler.ir.attributes import NO_ATTRIBUTES, Attribute, Attributes, Dense, attribute_key
from compiler.ir.builder import Builder
from compiler.ir.effects import NO_EFFECTS, Effects
from compiler.ir.errors import TracegraphError
from compiler.ir.graph import Graph, Operation, Region, Value
from compiler.ir.locations import UNKNOWN, Location, fuse, nest
from compiler.ir.types import ArrayType, Type
from compiler.rewrite.fragment import Fragment
from compiler.rewrite.log import RewriteLog
from compiler.rewrite.type_checks import check_no_operand_effects, check_types


class Rewriter:
    """Changes one graph and counts the changes.

    Args:
        graph: the graph to change; a frozen one makes every method raise.
        rule: the name that new and surviving ops get in their locations.
        limit: how many changes may begin, for bisection; None for no limit. A pass asks
            ``may_change`` before each rewrite; a rewrite under way is always finished.

    Attributes:
        changes: how many changes were made so far. Replacing a value by itself or setting an equal
            attribute is none.
        last: the rule of the last rewrite that began, and where the op that it changed comes from.
            A rewrite begins with the first change after ``may_change``.
        log: which rules fired, nearly fired and failed.
    """

    __slots__ = ("_begun", "_limit", "_rule", "changes", "graph", "last", "log")

    def __init__(self, graph: Graph, rule: str = "", *, limit: int | None = None) -> None:
        mutate.check_mutable(graph.body)
        self.graph = graph
        self.changes = 0
        self.last: tuple[str, Location] | None = None
        self.log = RewriteLog()
        self._begun = False
        self._rule = rule
        self._limit = limit

    def may_change(self) -> bool:
        """Whether another rewrite may begin."""
        self._begun = False
        return self._limit is None or self.changes < self._limit

    @contextmanager
    def rule(self, name: str) -> Generator[None]:
        """Within it, changes are made in the name of this rule."""
        previous, self._rule = self._rule, name
        try:
            yield
        finally:
            self._rule = previous

    def _count(self, op: Operation | None) -> None:
        """Counts a change, of an op or of a parameter."""
        self.changes += 1
        location = op.location if op is not None else UNKNOWN
        if not self._begun or (self.last and not self.last[1].frames and location.frames):
            self.last = (self._rule, location)
        self._begun = True

    def create(
        self,
        anchor: Operation,
        name: str,
        operands: Sequence[Value],
        result_types: Sequence[Type],
        attributes: Attributes = NO_ATTRIBUTES,
        regions: Sequence[Region] = (),
        *,
        effects: Effects = NO_EFFECTS,
        primitive: object = None,
        sources: Sequence[Operation] = (),
    ) -> Operation:
        """Adds an op before the anchor, in the anchor's context, and returns it.

        Args:
            anchor: the op that the new one stands in for or serves.
            name: the primitive's name.
            operands: the values it reads.
            result_types: the types of its results.
            attributes: its attributes.
            regions: its regions, detached.
            effects: its effects.
            primitive: the foreign primitive, where one is at hand.
            sources: further ops that it was made from; their lines join the anchor's.
        """
        self._count(anchor)
        return _builder_before(anchor).op(
            name,
            operands,
            result_types,
            attributes,
            regions,
            effects=effects,
            location=fuse([anchor.location, *(op.location for op in sources)], self._rule),
            primitive=primitive,
            context=anchor.context,
        )

    def constant(self, anchor: Operation, value: Dense, type: ArrayType) -> Value:
        """Adds a constant before the anchor and returns its value."""
        self._count(anchor)
        return _builder_before(anchor).constant(value, type, fuse([anchor.location], self._rule))

    def insert(self, anchor: Operation, fragment: Fragment) -> list[Value]:
        """Moves the ops of a fragment before the anchor; returns the values it computes."""
        known = dict(zip(fragment.region.parameters, fragment.leaves, strict=True))
        for parameter, leaf in known.items():
            mutate.replace_uses(parameter, leaf)
        for op in fragment.region:
            mutate.insert_before(_home(anchor), anchor, mutate.detach(op))
            self._count(op)
        return [known.get(value, value) for value in fragment.outputs]

    def replace(self, op: Operation, values: Sequence[Value]) -> None:
        """Makes every reader of the op's results read these values, then erases the op.

        The ops behind the values take over the op's user lines, and its name hints where they
        have none of their own.

        Raises:
            TracegraphError: the values are not of exactly the results' types.
        """
        check_types(op, "results", [v.type for v in op.results], [v.type for v in values])
        for old, new in zip(op.results, values, strict=True):
            _pass_on_hint(old, new)
            mutate.replace_uses(old, new)
            if new.producer is not None:
                location = fuse([new.producer.location, op.location], self._rule)
                mutate.set_location(new.producer, location)
        self.erase(op)

    def replace_value(self, old: Value, new: Value) -> None:
        """Makes every reader of a value read another of exactly its type; no location changes.

        Raises:
            TracegraphError: the types differ.
        """
        check_types(old.producer, "a value", [old.type], [new.type])
        if old is new or not old.has_uses:
            return
        self._count(old.producer)
        _pass_on_hint(old, new)
        mutate.replace_uses(old, new)

    def move(self, op: Operation, anchor: Operation) -> None:
        """Moves an op without effects before another one of its region."""
        self._count(op)
        mutate.insert_before(_home(anchor), anchor, mutate.detach(op))

    def erase(self, op: Operation) -> None:
        """Removes an op whose results nobody reads."""
        mutate.erase(op)
        self._count(op)

    def set_operand(self, op: Operation, index: int, value: Value) -> None:
        """Makes one operand slot read another value of exactly the same type.

        Raises:
            TracegraphError: the types differ.
        """
        old = op.operands[index]
        check_types(op, f"operand {index}", [old.type], [value.type])
        if old is value:
            return
        self._count(op)
        mutate.set_operand(op, index, value)

    def set_operands(self, op: Operation, values: Sequence[Value]) -> None:
        """Makes the op read these values, which may be fewer, more or in another order."""
        if op.operands == tuple(values):
            return
        self._count(op)
        mutate.set_operands(op, values)

    def set_attribute(self, op: Operation, name: str, value: Attribute) -> None:
        """Sets one attribute of an op."""
        if name in op.attributes and attribute_key(op.attributes[name]) == attribute_key(value):
            return
        self._count(op)
        mutate.set_attributes(op, {**op.attributes, name: value})

    def remove_attribute(self, op: Operation, name: str) -> None:
        """Takes one attribute away from an op, if it has it."""
        if name not in op.attributes:
            return
        self._count(op)
        mutate.set_attributes(op, {k: v for k, v in op.attributes.items() if k != name})

    def remove_parameters(self, region: Region, keep: Sequence[bool]) -> None:
        """Drops the parameters of an op's region whose flag is false. They must have no uses.

        Raises:
            TracegraphError: the region is a graph's body, whose parameters are its signature.
        """
        if all(keep):
            return
        if isinstance(region.owner, Graph):
            raise TracegraphError(
                f"a rewrite tried to drop parameters of graph @{region.owner.name}",
                expected="the parameters that the caller passes",
                found=f"{sum(keep)} of {len(keep)} kept",
                hint="leave an unused graph parameter in place",
            )
        mutate.remove_parameters(region, keep)
        self._count(region.owner)

    def rebuild(
        self,
        op: Operation,
        keep_operands: Sequence[bool],
        keep_results: Sequence[bool],
        attributes: Attributes,
    ) -> Operation:
        """Puts the op anew, its regions moved over, with only the flagged operands and results.

        Dropped results must be unread. The regions are expected to fit already.

        Raises:
            TracegraphError: an effect of the op is tied to the position of an operand.
        """
        check_no_operand_effects(op)
        regions, op.regions = op.regions, ()
        new = self.create(
            op,
            op.name,
            list(compress(op.operands, keep_operands)),
            [value.type for value in compress(op.results, keep_results)],
            attributes,
            regions,
            effects=op.effects,
            primitive=op.primitive,
        )
        for old, value in zip(compress(op.results, keep_results), new.results, strict=True):
            value.hint = old.hint
            mutate.replace_uses(old, value)
        self.erase(op)
        return new

    def inline_region(
        self, op: Operation, region: Region, arguments: Sequence[Value], scope: str = ""
    ) -> tuple[Value, ...]:
        """Moves the ops of one of the op's regions before it; returns what the region yielded.

        The region is empty afterwards: the caller replaces the op by the returned values.

        Args:
            op: the owner of the region.
            region: the region to take apart.
            arguments: a value for each of its parameters, of exactly its type.
            scope: what the region adds to the name stack of the ops that leave it.

        Raises:
            TracegraphError: the arguments' types are not the parameters'.
        """
        parameters = region.parameters
        check_types(op, "arguments", [v.type for v in parameters], [v.type for v in arguments])
        self._count(op)
        for parameter, argument in zip(parameters, arguments, strict=True):
            mutate.replace_uses(parameter, argument)
        outputs = region.outputs
        mutate.erase(region.terminator)
        for inner in region:
            mutate.detach(inner)
            mutate.set_location(inner, nest(op.location, scope, inner.location))
            mutate.insert_before(_home(op), op, inner)
        return outputs


def _home(op: Operation) -> Region:
    if op.parent is None:
        raise ValueError(f"{op!r} stands in no region")
    return op.parent


def _pass_on_hint(old: Value, new: Value) -> None:
    """Names a nameless result after the value it replaces; parameters keep their own names."""
    if new.producer is not None:
        new.hint = new.hint or old.hint


def _builder_before(anchor: Operation) -> Builder:
    return Builder(_home(anchor), anchor)
