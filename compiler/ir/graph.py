"""The graph: values, operations, closed regions and the use lists between them.

Everything here is compared by identity; ``compiler.ir.equality`` compares by structure. This
file lets anyone read a graph. Changing one goes through ``compiler.ir.mutate``, which keeps the use
lists right and refuses frozen graphs; passes reach it through the ``Rewriter`` only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from compiler.ir.attributes import NO_ATTRIBUTES, Attributes
from compiler.ir.effects import NO_EFFECTS, Effects
from compiler.ir.locations import UNKNOWN, Location
from compiler.ir.types import Type
from compiler.ir.views import Views

YIELD: Final = "yield"
RETURN: Final = "return"
CONSTANT: Final = "constant"
WIDE: Final = 32
"""An operation of more operands is a wide one."""

TERMINATORS: Final = frozenset({YIELD, RETURN})


class Use(NamedTuple):
    """One operand slot that reads a value."""

    operation: Operation
    slot: int


Slots = int | dict[int, None]
"""The operand slots of one operation that read a value: mostly one."""


class Value:
    """A result of an operation or a parameter of a region, defined once.

    Attributes:
        type: its type.
        owner: the operation or the region that defines it.
        producer: the operation it is a result of; None for a region's parameter.
        index: its place among the owner's results or parameters.
        hint: the name it was given, by the user or in a text; the printer makes it unique.
    """

    __slots__ = ("_repeated", "_uses", "hint", "index", "owner", "producer", "type")

    def __init__(self, type: Type, owner: Operation | Region, index: int, hint: str = "") -> None:
        self.type = type
        self.owner = owner
        self.producer = owner if isinstance(owner, Operation) else None
        self.index = index
        self.hint = hint
        self._uses: dict[Operation, Slots] = {}
        self._repeated = 0  # slots of operations that read it before in another slot

    @property
    def uses(self) -> Sequence[Use]:
        """A snapshot of the operand slots that read this value, by reader, the oldest first."""
        found: list[Use] = []
        for operation, slots in self._uses.items():
            every = (slots,) if isinstance(slots, int) else slots
            found += [Use(operation, slot) for slot in every]
        return tuple(found)

    @property
    def readers(self) -> Sequence[Operation]:
        """A snapshot of the operations that read this value, each once, the oldest first."""
        return tuple(self._uses)

    def each_reader(self) -> Iterator[Operation]:
        """The readers one by one, without a snapshot: for who stops early and changes nothing."""
        return iter(self._uses)

    @property
    def only_reader(self) -> Operation | None:
        """The one operation that reads this value, in constant time; None for none or several."""
        return next(iter(self._uses)) if len(self._uses) == 1 else None

    @property
    def has_uses(self) -> bool:
        """Whether anything reads this value, in constant time."""
        return bool(self._uses)

    @property
    def use_count(self) -> int:
        """How many operand slots read this value, in constant time."""
        return len(self._uses) + self._repeated

    def _note_use(self, operation: Operation, slot: int) -> None:
        """Enters a slot that has come to read this value."""
        slots = self._uses.get(operation)
        if slots is None:
            self._uses[operation] = slot
            return
        self._repeated += 1
        if isinstance(slots, int):
            self._uses[operation] = {slots: None, slot: None}
        else:
            slots[slot] = None

    def _forget_use(self, operation: Operation, slot: int) -> None:
        """Takes out a slot that reads something else from now on."""
        slots = self._uses[operation]
        if isinstance(slots, int):
            del self._uses[operation]
            return
        del slots[slot]
        self._repeated -= 1
        if len(slots) == 1:
            self._uses[operation] = next(iter(slots))

    @property
    def region(self) -> Region | None:
        """The region it lives in; None once its operation is erased."""
        return self.owner.parent if isinstance(self.owner, Operation) else self.owner

    def __repr__(self) -> str:
        return f"<Value {self.hint or self.index}: {self.type}>"


class Operation:
    """One op: a name, operands, results, attributes and regions.

    Attributes:
        name: the JAX primitive's name, or ``constant``, ``yield`` or ``return``.
        operands: the values it reads.
        results: the values it defines.
        attributes: its parameters that are not regions; never changed in place.
        regions: its regions, in the order of their names.
        effects: what it does beyond computing its results.
        location: where it comes from.
        parent: the region it stands in; None while it is detached or erased.
        primitive: the foreign primitive behind the name; None for an op read from text.
        context: foreign settings the op was made under; None for the defaults.
    """

    _edited: list[Value] | None
    __slots__ = (
        "_edited",
        "_next",
        "_previous",
        "attributes",
        "context",
        "effects",
        "location",
        "name",
        "operands",
        "parent",
        "primitive",
        "regions",
        "results",
    )

    def __init__(
        self,
        name: str,
        operands: Sequence[Value],
        result_types: Sequence[Type],
        attributes: Attributes = NO_ATTRIBUTES,
        regions: Sequence[Region] = (),
        *,
        effects: Effects = NO_EFFECTS,
        location: Location = UNKNOWN,
        primitive: object = None,
        context: object = None,
    ) -> None:
        self.name = name
        self.attributes = attributes
        self.effects = effects
        self.location = location
        self.primitive = primitive
        self.context = context
        self.parent: Region | None = None
        self._previous: Operation | None = None
        self._next: Operation | None = None
        if len(result_types) == 1:  # the usual case, without a comprehension for every op
            self.results: tuple[Value, ...] = (Value(result_types[0], self, 0),)
        else:
            self.results = tuple([Value(type, self, i) for i, type in enumerate(result_types)])
        self.regions: tuple[Region, ...] = tuple(regions)
        for region in regions:
            region.owner = self
        self.operands: tuple[Value, ...] = tuple(operands)
        if len(self.operands) > WIDE:
            self.__class__, self._edited = WideOperation, None  # pyright: ignore[reportAttributeAccessIssue]
        for slot, value in enumerate(self.operands):
            uses = value._uses  # pyright: ignore[reportPrivateUsage]
            if self in uses:
                value._note_use(self, slot)  # pyright: ignore[reportPrivateUsage]
            else:  # the usual case, without a call for every operand of a program
                uses[self] = slot

    @property
    def result(self) -> Value:
        """Its one result.

        Raises:
            ValueError: it has none or several.
        """
        (value,) = self.results
        return value

    @property
    def is_terminator(self) -> bool:
        """Whether it ends a region."""
        return self.name in TERMINATORS

    @property
    def has_uses(self) -> bool:
        """Whether any of its results is read."""
        for value in self.results:  # noqa: SIM110 a generator costs more than all it asks
            if value.has_uses:
                return True
        return False

    @property
    def previous(self) -> Operation | None:
        """The operation right before it in its region, if there is one."""
        return self._previous

    def region(self, name: str) -> Region:
        """The region of that name.

        Raises:
            KeyError: it has no region of that name.
        """
        for region in self.regions:
            if region.name == name:
                return region
        raise KeyError(name)

    def __repr__(self) -> str:
        return f"<Operation {self.name} of {len(self.operands)} at {self.location}>"


_STORED: Final[Any] = Operation.operands  # the slot itself, behind the property below


class WideOperation(Operation):
    """An operation of many operands: changed one by one, they are a list until somebody reads them.

    An operation becomes one by itself. A tuple for every change would take quadratic time.
    """

    __slots__ = ()

    @property
    def operands(self) -> tuple[Value, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The values it reads."""
        if self._edited is not None:
            _STORED.__set__(self, tuple(self._edited))
            self._edited = None
        return _STORED.__get__(self)

    @operands.setter
    def operands(self, values: tuple[Value, ...]) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]
        _STORED.__set__(self, values)
        self._edited = None


class Region:
    """A single block of operations that ends in a terminator and uses nothing from outside.

    Iterating visits the operations in order. While iterating, the operation just visited may be
    erased or moved, and operations may be inserted anywhere; erasing the one that comes next is
    an error of the caller (take ``tuple(region)`` first). ``len`` is constant time.

    Attributes:
        name: which of its owner's parameters it is, for example ``jaxpr`` or ``branches[1]``.
        parameters: the values it takes.
        owner: the operation or the graph it belongs to.
        handle: foreign facts about the region (debug names), carried for export.
    """

    __slots__ = ("_count", "_first", "_last", "handle", "name", "owner", "parameters")

    def __init__(self, name: str = "body", *, handle: object = None) -> None:
        self.name = name
        self.handle = handle
        self.parameters: tuple[Value, ...] = ()
        self.owner: Operation | Graph | None = None
        self._first: Operation | None = None
        self._last: Operation | None = None
        self._count = 0

    def __iter__(self) -> Iterator[Operation]:
        op = self._first
        while op is not None:
            following = op._next  # pyright: ignore[reportPrivateUsage]
            yield op
            op = following

    def __reversed__(self) -> Iterator[Operation]:
        op = self._last
        while op is not None:
            following = op._previous  # pyright: ignore[reportPrivateUsage]
            yield op
            op = following

    def __len__(self) -> int:
        return self._count

    @property
    def first(self) -> Operation | None:
        """The first operation, if there is one."""
        return self._first

    @property
    def terminator(self) -> Operation:
        """The operation that ends it.

        Raises:
            ValueError: the region is still being built.
        """
        if self._last is None or not self._last.is_terminator:
            raise ValueError(f"region {self.name} has no terminator yet")
        return self._last

    @property
    def outputs(self) -> tuple[Value, ...]:
        """The values that its terminator hands out."""
        return self.terminator.operands

    @property
    def graph(self) -> Graph | None:
        """The graph it is part of; None while it is detached. Costs one step per nesting level."""
        owner = self.owner
        while isinstance(owner, Operation):
            if owner.parent is None:
                return None
            owner = owner.parent.owner
        return owner

    def __repr__(self) -> str:
        return f"<Region {self.name} with {self._count} operations>"


@dataclass(frozen=True, slots=True)
class ParameterInfo:
    """What a graph knows of one of its parameters beyond the type.

    Attributes:
        donated: the caller gives its buffer away.
        captured: the caller never sees it: an array that the function closes over.
        handle: the captured foreign array, if any.
    """

    donated: bool = False
    captured: bool = False
    handle: object = field(default=None, compare=False, repr=False)


class Graph(Views):
    """A named function: one closed region, and what is known of its parameters and results.

    Attributes:
        name: the user function's name.
        body: the region that computes it; its terminator is ``return``.
        parameter_info: one entry per parameter of the body. Captured parameters come first.
        result_names: where each result stands in the user's output, as a path; may be empty.
        frozen: once true, every mutator raises.
        handle: foreign facts about the function (debug names), carried for export.
    """

    __slots__ = ("body", "frozen", "handle", "name", "parameter_info", "result_names")

    def __init__(self, name: str, body: Region, *, handle: object = None) -> None:
        self.name = name
        self.body = body
        self.handle = handle
        self.parameter_info: tuple[ParameterInfo, ...] = ()
        self.result_names: tuple[str, ...] = ()
        self.frozen = False
        body.owner = self

    @property
    def parameters(self) -> tuple[Value, ...]:
        """The values the graph takes, captured ones first."""
        return self.body.parameters

    @property
    def outputs(self) -> tuple[Value, ...]:
        """The values the graph returns."""
        return self.body.outputs

    def freeze(self) -> Graph:
        """Makes every later change raise; returns the graph itself."""
        self.frozen = True
        return self

    def __repr__(self) -> str:
        return f"<Graph @{self.name} with {len(self.body)} operations>"
