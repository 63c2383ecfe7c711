"""Checks the rules that every graph keeps, whatever its operations mean.

Owns no rule of a particular primitive: those are JAX's own, checked when a graph is exported. Uses
an explicit walk, so that nesting depth is not limited.
"""

from __future__ import annotations

from collections import Counter
from typing import NoReturn

from compiler.ir.attribute_text import attribute_text
from compiler.ir.attributes import Attribute, Dense
from compiler.ir.errors import TracegraphError, VerificationError
from compiler.ir.graph import CONSTANT, RETURN, YIELD, Graph, Operation, Region, Use, Value
from compiler.ir.types import ArrayType, ExtendedDType
from compiler.ir.walk import walk_regions

_HINT = "change graphs through the builder and the rewriter only; they keep this rule"


def verify(graph: Graph) -> None:
    """Returns if the graph keeps every rule of the IR.

    Every region ends in its one terminator; operands are defined before, in the same region; use
    lists, owners and parents agree both ways; constants fit their types; facts about parameters and
    results are one for each. Takes time linear in the graph.

    Raises:
        VerificationError: it breaks a rule; the error names the operation and the user's line.
    """
    if graph.body.owner is not graph:
        _fail(graph, None, "the body of a graph belongs to something else", graph, graph.body.owner)
    # Links come first for all regions: the walk over regions relies on them.
    _check_links(graph, graph.body)
    for region in walk_regions(graph):
        for op in region:
            _check_regions(graph, op)
    for region in walk_regions(graph):
        _check_region(graph, region)
    # A use list is judged last: an operand out of place explains it better.
    for region in walk_regions(graph):
        _check_uses(graph, region)
    _check_signature(graph)


def _check_signature(graph: Graph) -> None:
    info, names = len(graph.parameter_info), len(graph.result_names)
    if info != len(graph.parameters):
        what = "the facts about parameters are not one for each parameter"
        _fail(graph, None, what, len(graph.parameters), info)
    captured = [facts.captured for facts in graph.parameter_info]
    if captured != sorted(captured, reverse=True):
        _fail(
            graph,
            None,
            "a captured parameter stands behind others",
            "captured ones first",
            captured,
        )
    if names not in (0, len(graph.outputs)):
        what = "the result names are not one for each result"
        _fail(graph, None, what, len(graph.outputs), names)


def _check_links(graph: Graph, region: Region) -> None:
    """The chain of operations is whole, and each of them knows its region."""
    previous, count = None, 0
    op = region._first  # pyright: ignore[reportPrivateUsage]
    while op is not None and count <= len(region):
        if op._previous is not previous:  # pyright: ignore[reportPrivateUsage]
            _fail(graph, op, "an operation is chained to a wrong one before it", previous, op)
        if op.parent is not region:
            _fail(graph, op, "an operation belongs to another region", region, op.parent)
        previous, op, count = op, op._next, count + 1  # pyright: ignore[reportPrivateUsage]
    last = region._last  # pyright: ignore[reportPrivateUsage]
    if count != len(region) or last is not previous:
        _fail(graph, last, "the chain of operations is broken", f"{len(region)} operations", count)


def _check_regions(graph: Graph, op: Operation) -> None:
    names = [region.name for region in op.regions]
    if len(set(names)) != len(names):
        _fail(graph, op, "two regions of an operation have one name", "different names", names)
    for region in op.regions:
        if region.owner is not op:
            _fail(graph, op, "a region belongs to something else", op, region.owner)
        _check_links(graph, region)


def _check_region(graph: Graph, region: Region) -> None:
    _check_terminator(graph, region)
    _check_owned(graph, None, region, region.parameters)
    known: set[Value] = set(region.parameters)
    for op in region:
        _check_operands(graph, op, known)
        _check_owned(graph, op, op, op.results)
        _check_facts(graph, op)
        known.update(op.results)


def _check_uses(graph: Graph, region: Region) -> None:
    """No use list holds more than the reads: that each read is in one has been checked."""
    reads: Counter[Value] = Counter(value for op in region for value in op.operands)
    values = [*region.parameters, *(value for op in region for value in op.results)]
    for value in values:
        if value.use_count != reads[value]:
            what = f"the use list of {value!r} holds a slot that does not read it"
            _fail(graph, value.producer, what, f"{reads[value]} uses", f"{value.use_count} uses")


def _check_terminator(graph: Graph, region: Region) -> None:
    expected = RETURN if region.owner is graph else YIELD
    last: Operation | None = None
    for op in region:
        if last is not None and last.is_terminator:
            _fail(graph, last, "a terminator stands before the end of its region", expected, last)
        last = op
    if last is None or last.name != expected:
        what = f"the region {region.name} does not end in its terminator"
        _fail(graph, last, what, expected, last.name if last else "no operation")
    if last.results or last.regions:
        _fail(graph, last, "a terminator has results or regions", "operands only", last.results)


def _check_owned(
    graph: Graph, op: Operation | None, owner: Operation | Region, values: tuple[Value, ...]
) -> None:
    for index, value in enumerate(values):
        if value.owner is not owner:
            _fail(graph, op, "a value belongs to something else", owner, value.owner)
        if value.index != index:
            _fail(graph, op, "a value has a wrong place among its owner's", index, value.index)


def _check_operands(graph: Graph, op: Operation, known: set[Value]) -> None:
    for index, value in enumerate(op.operands):
        if value not in known:
            expected = "a parameter of the region, or a result of an operation before"
            what = f"operand {index} is not defined before in its region"
            _fail(graph, op, what, expected, value)
        if not _is_noted(value, op, index):
            what = f"operand {index} does not have the operation in its use list"
            _fail(graph, op, what, Use(op, index), value.uses)


def _is_noted(value: Value, op: Operation, index: int) -> bool:
    slots = value._uses.get(op, ())  # pyright: ignore[reportPrivateUsage]
    return index == slots if isinstance(slots, int) else index in slots


def _check_facts(graph: Graph, op: Operation) -> None:
    for name, value in op.attributes.items():
        _check_attribute(graph, op, name, value)
    for effect in op.effects:
        if effect.operand is not None and not 0 <= effect.operand < len(op.operands):
            expected = f"an operand below {len(op.operands)}"
            _fail(graph, op, "an effect happens to an operand that is not there", expected, effect)
    if op.name == CONSTANT:
        _check_constant(graph, op)


def _check_attribute(graph: Graph, op: Operation, name: str, value: Attribute) -> None:
    if isinstance(value, Dense):
        return
    try:
        attribute_text(value)
    except TracegraphError as error:
        what = f"the attribute {name} holds a value that no attribute may hold"
        _fail(graph, op, what, error.expected, error.found)


def _check_constant(graph: Graph, op: Operation) -> None:
    value = op.attributes.get("value")
    types = [result.type for result in op.results]
    if op.operands or len(types) != 1 or not isinstance(value, Dense):
        expected = "no operand, one result, and an array as its attribute `value`"
        _fail(graph, op, "a constant is not formed like one", expected, op)
    if not _fits(value, types[0]):
        _fail(graph, op, "a constant does not fit its type", types[0], value)


def _fits(value: Dense, type: object) -> bool:
    """Whether the array has the type; of extended elements only the outer dimensions are known."""
    if not isinstance(type, ArrayType):
        return False
    if isinstance(type.dtype, ExtendedDType):
        return value.shape[: len(type.shape)] == type.shape
    return (value.dtype, value.shape) == (type.dtype, type.shape)


def _fail(
    graph: Graph, op: Operation | None, what: str, expected: object, found: object
) -> NoReturn:
    place = f"{op.location}, operation {op.name} in " if op is not None else ""
    error = VerificationError(
        what,
        where=f"{place}graph @{graph.name}",
        expected=str(expected),
        found=str(found),
        hint=_HINT,
    )
    error.operation = op
    raise error
