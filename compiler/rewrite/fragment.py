"""Fragments: expressions made into ops beside the graph, so that they can be checked and weighed.

A fragment is a detached region whose parameters stand for the values of the graph that it reads.
Nothing of the graph is touched until the rewriter moves the fragment's ops in.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from compiler.ir import mutate
from compiler.ir.errors import TracegraphError
from compiler.ir.graph import Operation, Region, Value
from compiler.ir.locations import Location, fuse
from compiler.ir.types import ArrayType, Type
from compiler.ir.walk import clone_operation, walk
from compiler.ops.definition import is_removable
from compiler.rewrite.expression import Expr, Node, Term, leaves_of, new, nodes_of

MAX_DEAD: Final = 4096
"""A replacement is credited with at most this many ops that go; none comes near in practice."""

NEAR: Final = 64
"""How many values right before an op are known at once to come before it."""

_OWN: Final = f"{Path(__file__).parents[1]}{os.sep}"
"""Where this package lies: its lines are nobody's who reads a graph."""

Removable = Callable[[Operation], bool]


@dataclass(frozen=True, slots=True)
class Fragment:
    """Ops that are to be put into a graph.

    Attributes:
        region: the ops; its parameters stand for the leaves. It has no terminator.
        leaves: the values of the graph that the ops read or that are handed through.
        outputs: the values that the fragment computes: results of its ops, or parameters.
    """

    region: Region
    leaves: tuple[Value, ...]
    outputs: tuple[Value, ...]


def make_fragment(anchor: Operation, terms: Sequence[Term], location: Location) -> Fragment:
    """The ops of some terms, which are to be put before the anchor.

    Raises:
        TracegraphError: a term reads a value that is not there before the anchor, or has effects.
    """
    leaves = leaves_of(terms)
    _check_home(anchor, leaves)
    _check_order(anchor, leaves)
    region = Region("fragment")
    parameters = mutate.add_parameters(region, [leaf.type for leaf in leaves])
    known = dict(zip(leaves, parameters, strict=True))
    outputs = put_terms(region, terms, known, anchor, location)
    _check_pure(region, anchor)
    return Fragment(region, tuple(leaves), outputs)


def put_terms(
    region: Region,
    terms: Sequence[Term],
    known: Mapping[Value, Value],
    anchor: Operation,
    location: Location,
) -> tuple[Value, ...]:
    """Adds the ops of some terms at the end of a detached region; returns the terms' values.

    Args:
        region: where the ops go.
        terms: what is to be computed.
        known: what stands for the values that the terms read; those left out stand for themselves.
        anchor: the op whose foreign context new ops take over.
        location: where new ops come from.
    """
    made: dict[Node, Sequence[Value]] = {}

    def read(term: Term) -> Value:
        return made[term.node][term.index] if isinstance(term, Expr) else known.get(term, term)

    for node in nodes_of(terms):
        operands = [read(term) for term in node.operands]
        made[node] = _add(region, node, operands, anchor, location)
    return tuple(read(term) for term in terms)


def conform(terms: Sequence[Term], types: Sequence[Type]) -> list[Term]:
    """The terms, with the weak types that are wanted; nothing else about a type is adapted.

    Raises:
        TracegraphError: a term is of another shape, element type or sharding, or their number is
            another.
    """
    found = [term.type for term in terms]
    if len(found) == len(types):
        adapted = [_with_weak_type(*pair) for pair in zip(terms, types, strict=True)]
        if [term.type for term in adapted] == list(types):
            return adapted
    raise TracegraphError(
        "the replacement is of another type than what it replaces",
        expected=", ".join(map(str, types)),
        found=", ".join(map(str, found)),
        hint="give the shape and element type of every result of the matched op",
    )


def _with_weak_type(term: Term, type: Type) -> Term:
    found = term.type
    if not isinstance(type, ArrayType) or not isinstance(found, ArrayType) or found == type:
        return term
    if (found.shape, found.dtype) != (type.shape, type.dtype):
        return term
    attributes = {"new_dtype": type.dtype, "weak_type": type.weak_type}
    return new("convert_element_type", term, **attributes)


def _add(
    region: Region, node: Node, operands: Sequence[Value], anchor: Operation, location: Location
) -> Sequence[Value]:
    if node.graph is not None:
        return _add_graph(region, node, operands, anchor, location)
    like = node.like
    op = Operation(
        node.name,
        operands,
        node.types,
        node.attributes,
        node.regions,
        effects=like.effects if like else frozenset(),
        location=fuse([node.location, location]) if node.location else location,
        primitive=like.primitive if like else None,
        context=anchor.context if like is None or like.context is None else like.context,
    )
    return mutate.append(region, op).results


def _add_graph(
    region: Region, node: Node, operands: Sequence[Value], anchor: Operation, location: Location
) -> Sequence[Value]:
    """Copies the ops of a traced function; they come from the place of what they replace."""
    graph = node.graph
    if graph is None:
        return ()
    mapping = dict(zip(graph.parameters, operands, strict=True))
    for inner in graph.body:
        if inner.is_terminator:
            break
        copy = clone_operation(inner, mapping)
        if copy.context is None:
            copy.context = anchor.context
        mutate.append(region, copy)
        mutate.set_location(copy, location)
        _locate_inner(copy, location)
    return [mapping[value] for value in graph.outputs]


def _locate_inner(op: Operation, location: Location) -> None:
    """Gives ops in the regions of another one, of which no user's line is known, its place."""
    for inner in (inner for region in op.regions for inner in walk(region)):
        frame = inner.location.frame
        if frame is None or frame.file.startswith(_OWN):
            mutate.set_location(inner, location)


def _check_home(anchor: Operation, leaves: Sequence[Value]) -> None:
    strangers = [leaf for leaf in leaves if leaf.region is not anchor.parent]
    if not strangers:
        return
    raise TracegraphError(
        "the replacement reads a value that does not live where the matched op stands",
        where=str(anchor.location),
        expected="values of the region of the op that is replaced",
        found=", ".join(map(repr, strangers)),
        hint="pass what a region yields through the results of the op that has the region",
    )


def _check_order(anchor: Operation, leaves: Sequence[Value]) -> None:
    """Raises if a leaf is a result of the anchor, or of an op after it."""
    near = _read_by(anchor)
    rest = {leaf.producer for leaf in leaves if leaf not in near} - {None}
    op = anchor if rest else None
    while op is not None and rest:
        op = op.previous
        rest.discard(op)
    if not rest:
        return
    raise TracegraphError(
        "the replacement reads a value that is not there yet",
        where=str(anchor.location),
        expected="values that are computed before the op that is replaced",
        found=", ".join(sorted(late.name for late in rest if late is not None)),
        hint="bind what the replacement needs in the pattern",
    )


def _read_by(anchor: Operation) -> set[Value]:
    """Values that the anchor reads, directly or through the ops right before it."""
    found: set[Value] = set()
    pending = [anchor]
    while pending and len(found) < NEAR:
        for value in pending.pop().operands:
            if value not in found:
                found.add(value)
                pending += [value.producer] if value.producer is not None else []
    return found


def _check_pure(region: Region, anchor: Operation) -> None:
    noisy = [op for op in region if not is_removable(op)]
    if not noisy:
        return
    raise TracegraphError(
        "the replacement has side effects",
        where=str(anchor.location),
        expected="ops without effects",
        found=", ".join(op.name for op in noisy),
        hint="a rule may only compute: callbacks and prints belong into the function itself",
    )


def dead_without(root: Operation, kept: Sequence[Value], may_go: Removable) -> list[Operation]:
    """The ops that nobody needs once the root is replaced by what reads the kept values.

    Args:
        root: the op that goes.
        kept: values that will still be read.
        may_go: whether an op may go when nobody reads it.

    Returns:
        the root and the ops that go with it, users before what they read.
    """
    dead: dict[Operation, None] = {root: None}
    needed = {leaf.producer for leaf in kept}
    pending = [root]
    while pending and len(dead) < MAX_DEAD:
        for value in pending.pop().operands:
            op = value.producer
            if op is None or op in dead or op in needed or not may_go(op):
                continue
            if all(reader in dead for result in op.results for reader in result.each_reader()):
                dead[op] = None
                pending.append(op)
    return list(dead)
