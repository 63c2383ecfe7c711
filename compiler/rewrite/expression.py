"""Expressions: what a rule puts in the place of what it matched, before anything is changed.

An expression is a tree of ops to be, over values that exist. It knows its type, so that a rule can
compute with shapes, and the driver can weigh it and check it while the graph is still untouched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias, cast

import numpy as np

from compiler.ir.attributes import NO_ATTRIBUTES, Array, Attribute, Attributes, Dense
from compiler.ir.graph import CONSTANT, Graph, Operation, Region, Value
from compiler.ir.locations import Location
from compiler.ir.types import ArrayType, Type
from compiler.ir.walk import clone_region
from compiler.ops.host import host

Number: TypeAlias = bool | int | float | complex
Liftable: TypeAlias = "Value | Expr | Number | np.generic"


class Node:
    """An op to be.

    Attributes:
        name: the primitive's name; empty for a traced function, whose ops are in ``graph``.
        operands: the values and expressions that it reads.
        attributes: its attributes.
        regions: its regions, detached; they move into the op when it is made.
        types: the types of its results.
        graph: the ops of a traced function.
        like: an op whose primitive and foreign context it takes over.
        location: its own place in the user's code; None where it comes from all that was matched.
    """

    __slots__ = ("attributes", "graph", "like", "location", "name", "operands", "regions", "types")

    def __init__(
        self,
        name: str,
        operands: Sequence[Term],
        attributes: Attributes,
        types: Sequence[Type],
        *,
        regions: Sequence[Region] = (),
        graph: Graph | None = None,
        like: Operation | None = None,
        location: Location | None = None,
    ) -> None:
        self.name = name
        self.operands = tuple(operands)
        self.attributes = attributes
        self.types = tuple(types)
        self.regions = tuple(regions)
        self.graph = graph
        self.like = like
        self.location = location

    @property
    def results(self) -> tuple[Expr, ...]:
        """Its results."""
        return tuple(Expr(self, index) for index in range(len(self.types)))


class Expr:
    """One result of an op to be.

    Attributes:
        node: the op.
        index: which of its results.
        type: the result's type.
    """

    __slots__ = ("index", "node", "type")

    def __init__(self, node: Node, index: int = 0) -> None:
        self.node = node
        self.index = index
        self.type = node.types[index]

    def __repr__(self) -> str:
        return f"<Expr {self.node.name or 'traced'}: {self.type}>"


Term: TypeAlias = Value | Expr
"""Anything that a new op can read."""


def new(name: str, *operands: Liftable, **attributes: Attribute) -> Any:
    """An op to be; its one result, or a tuple of several.

    A Python number among the operands becomes a constant of the element type of the first operand
    that is an array. The result types are those of the primitive's own abstract evaluation.

    Raises:
        TracegraphError: there is no such primitive, or it does not take these operands.
    """
    terms = lift(operands)
    types = host().result_types(name, [term.type for term in terms], attributes)
    node = Node(name, terms, attributes, types)
    return Expr(node) if len(types) == 1 else node.results


def like(op: Operation, operands: Sequence[Term], **changed: Attribute) -> tuple[Expr, ...]:
    """An existing op applied to other operands, all else equal but the changed attributes.

    An op with regions keeps its result types; those of others follow from the operands.
    """
    attributes = {**op.attributes, **changed} if changed else op.attributes
    if op.regions:
        types: Sequence[Type] = [value.type for value in op.results]
    else:
        types = host().result_types(op.name, [term.type for term in operands], attributes)
    regions = [clone_region(region) for region in op.regions]
    return Node(op.name, operands, attributes, types, regions=regions, like=op).results


def with_regions(
    op: Operation,
    operands: Sequence[Term],
    types: Sequence[Type],
    regions: Sequence[Region],
    **changed: Attribute,
) -> tuple[Expr, ...]:
    """An op of the same kind as ``op`` with regions, operands and result types of its own."""
    attributes = {**op.attributes, **changed}
    return Node(op.name, operands, attributes, types, regions=regions, like=op).results


def traced(function: Callable[..., Any], *operands: Liftable) -> Any:
    """A JAX function applied to terms: traced, to be spliced in; its result, or a tuple of them.

    Raises:
        TracegraphError: the function raises when it is traced.
    """
    terms = lift(operands)
    graph = host().trace(function, [term.type for term in terms])
    node = Node("", terms, NO_ATTRIBUTES, [v.type for v in graph.outputs], graph=graph)
    return Expr(node) if len(node.types) == 1 else node.results


def spliced(graph: Graph, *operands: Term) -> tuple[Expr, ...]:
    """The ops of a graph applied to terms, to be spliced in; its results."""
    return Node("", operands, NO_ATTRIBUTES, [v.type for v in graph.outputs], graph=graph).results


def constant(value: Array | np.generic | Number, *, like: Term | None = None) -> Expr:
    """A constant, of the element type and weak type of ``like`` if that is given."""
    weak = False
    if like is not None:
        type = array_type(like)
        value, weak = np.asarray(value, cast(Any, type.dtype)), type.weak_type
    dense = Dense(np.asarray(value))
    type = ArrayType(dense.shape, dense.dtype, weak)
    return Expr(Node(CONSTANT, (), {"value": dense}, (type,)))


def lift(operands: Sequence[Liftable]) -> list[Term]:
    """The operands with the numbers among them made constants."""
    lead = next((term for term in operands if isinstance(term, Value | Expr)), None)
    return [
        term if isinstance(term, Value | Expr) else constant(term, like=lead) for term in operands
    ]


def array_type(term: Term) -> ArrayType:
    """The type of a term that must be an array.

    Raises:
        TypeError: it is something else; the driver offers no such values to rules.
    """
    if isinstance(term.type, ArrayType):
        return term.type
    raise TypeError(f"{term!r} is no array")


def shape(term: Term) -> tuple[int, ...]:
    """The sizes of a term; the driver offers only values whose sizes are numbers."""
    return cast("tuple[int, ...]", array_type(term).shape)


def dtype(term: Term) -> np.dtype[Any]:
    """The element type of a term; the driver offers only numpy's to rules."""
    return cast("np.dtype[Any]", array_type(term).dtype)


def nodes_of(terms: Iterable[Term]) -> list[Node]:
    """The ops to be behind some terms, each once, operands before what reads them."""
    ordered: dict[Node, None] = {}
    stack = [(term.node, False) for term in terms if isinstance(term, Expr)]
    while stack:
        node, expanded = stack.pop()
        if node in ordered:
            continue
        if expanded:
            ordered[node] = None
            continue
        stack.append((node, True))
        stack += [(term.node, False) for term in node.operands if isinstance(term, Expr)]
    return list(ordered)


def leaves_of(terms: Sequence[Term]) -> list[Value]:
    """The existing values that some terms are or read, each once."""
    direct = [term for term in terms if isinstance(term, Value)]
    inner = [term for node in nodes_of(terms) for term in node.operands if isinstance(term, Value)]
    return list(dict.fromkeys([*direct, *inner]))
