"""Contraction networks: a tree of dots, products and sums seen as one einsum of its factors.

This file collects a network from a graph. Which factors are contracted first is chosen in
``dot_orders``; the rules are in ``dot_chains``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias

from compiler.ir.graph import Operation, Value
from compiler.ops.definition import is_removable
from compiler.ops.parameters import integer, integers
from compiler.rewrite.expression import dtype, shape
from compiler.rules.dot_terms import (
    DOT,
    UNIT_MOVES,
    dot_of,
    is_elementwise,
    is_plain_dot,
    is_static,
    keeps_dtype,
    same_arithmetic,
)

MAX_FACTORS: Final = 32
"""A network of more factors is left alone."""

_JOINTS: Final = frozenset({DOT, "mul", "square", "integer_pow"})
_ROOTS: Final = frozenset({DOT, "reduce_sum"})

Names: TypeAlias = tuple[int | None, ...]
"""A label for each dimension; None for one of size one, which has no part in a contraction."""


class Factor(NamedTuple):
    """A value of the graph, and the labels of its dimensions that are not of size one."""

    value: Value
    labels: tuple[int, ...]


class Scalar(NamedTuple):
    """A number by which the whole is multiplied or divided."""

    value: Value
    divides: bool


class Network:
    """An einsum: the product of factors and scalars, added up over the labels it does not give.

    Attributes:
        root: the op whose result it is.
        model: a dot of the network, whose arithmetic all of them have.
        factors: the tensors, in the order of the graph.
        scalars: the numbers.
        is_negative: whether it has a minus before it.
        out: the labels of the result's dimensions that are not of size one.
        sizes: the size of each label.
    """

    __slots__ = ("factors", "is_negative", "model", "out", "root", "scalars", "sizes")

    def __init__(self, root: Operation, model: Operation) -> None:
        self.root = root
        self.model = model
        self.factors: list[Factor] = []
        self.scalars: list[Scalar] = []
        self.is_negative = False
        self.sizes: dict[int, int] = {}
        self.out = tuple(name for name in self.name(shape(root.result)) if name is not None)

    def name(self, sizes: Sequence[int]) -> Names:
        """New labels for dimensions of these sizes."""
        names: list[int | None] = []
        for size in sizes:
            names.append(len(self.sizes) if size != 1 else None)
            if size != 1:
                self.sizes[len(self.sizes)] = size
        return tuple(names)


def collect(root: Operation) -> Network | str:
    """The network of which an op is the result, or the reason why there is none.

    Every op of it but the root has no reader outside, so that all of them go if it is rewritten.
    """
    inside = _ops_inside(root)
    model = next((op for op in inside if op.name == DOT), None)
    if model is None or not is_plain_dot(model) or not keeps_dtype(model):
        return "there is no dot that gives what its operands are made of"
    if any(op.name == DOT and not same_arithmetic(op, model) for op in inside):
        return "its dots are of different arithmetic"
    network = Network(root, model)
    labels = iter(network.out)
    names = tuple(next(labels) if size != 1 else None for size in shape(root.result))
    if not _expand(network, inside, root.result, names):
        return f"it has more than {MAX_FACTORS} factors"
    if 0 in network.sizes.values():
        return "it has no elements"
    return network


def is_covered(root: Operation) -> bool:
    """Whether an op will be a part of another's network, so that it need not be a root itself.

    Of a longer chain than one network holds, a dot every so often is a root nevertheless.
    """
    joints, depth, op = 0, -1, root
    while (reader := _only_reader(op)) is not None and _may_be_inside(reader, root):
        if reader.name == DOT and root.name == DOT and not same_arithmetic(reader, root):
            break
        op = reader
        joints += op.name in _JOINTS
        depth = joints if op.name in _ROOTS else depth
    return depth == 0 or (depth > 0 and depth % (MAX_FACTORS - 2) != 0)


def _only_reader(op: Operation) -> Operation | None:
    readers = op.result.readers
    alone = len(readers) == 1 and readers[0].parent is op.parent
    return readers[0] if alone else None


def _ops_inside(root: Operation) -> dict[Operation, None]:
    """The ops that a network may be made of, from the root up: none is read outside of it."""
    inside: dict[Operation, None] = {root: None}
    pending = [root]
    joints = 1
    while pending:
        for value in pending.pop().operands:
            op = value.producer
            if op is None or op in inside or not _may_be_inside(op, root):
                continue
            joints += op.name in _JOINTS
            if joints >= MAX_FACTORS:
                return inside
            if all(reader in inside for reader in op.result.readers):
                inside[op] = None
                pending.append(op)
    return inside


def _may_be_inside(op: Operation, root: Operation) -> bool:
    test = _TESTS.get(op.name)
    if test is None or len(op.results) != 1 or not is_removable(op) or not is_static(op.result):
        return False
    if not all(is_static(value) for value in op.operands):
        return False
    return dtype(op.result) == dtype(root.result) and test(op)


def _is_kept_type(op: Operation) -> bool:
    return dtype(op.operands[0]) == dtype(op.result)


def _moves_units_only(op: Operation) -> bool:
    before, after = shape(op.operands[0]), shape(op.result)
    return [size for size in before if size != 1] == [size for size in after if size != 1]


def _is_product(op: Operation) -> bool:
    """Whether a product may be taken apart: not where XLA would fuse it with what is before it."""
    size = op.result.type
    whole = [value for value in op.operands if value.type == size]
    return not any(is_elementwise(value) and not _is_inner(value) for value in whole)


def _is_inner(value: Value) -> bool:
    return value.producer is not None and value.producer.name in _TESTS


def _divides_by_number(op: Operation) -> bool:
    divisor = op.operands[1]
    return dtype(divisor).kind not in "biu" and all(size == 1 for size in shape(divisor))


def _is_square(op: Operation) -> bool:
    return op.name == "square" or integer(op, "y") == 2


_TESTS: Final[Mapping[str, Callable[[Operation], bool]]] = {
    DOT: lambda op: is_plain_dot(op) and keeps_dtype(op),
    "broadcast_in_dim": lambda _: True,
    "convert_element_type": _is_kept_type,
    "div": _divides_by_number,
    "integer_pow": _is_square,
    "mul": _is_product,
    "neg": lambda _: True,
    "reduce_sum": lambda _: True,
    "square": lambda _: True,
    "transpose": lambda _: True,
    **dict.fromkeys(UNIT_MOVES, _moves_units_only),
}


def _expand(network: Network, inside: Mapping[Operation, None], value: Value, names: Names) -> bool:
    """Adds the factors that a value is the product of; False if they become too many."""
    op = value.producer
    if op is None or op not in inside:
        labels = tuple(name for name in names if name is not None)
        if labels:
            network.factors.append(Factor(value, labels))
        else:
            network.scalars.append(Scalar(value, divides=False))
        return len(network.factors) <= MAX_FACTORS
    return all(
        _expand(network, inside, operand, inner)
        for operand, inner in _READERS[op.name](network, op, names)
    )


Inner: TypeAlias = Sequence[tuple[Value, Names]]


def _of_dot(network: Network, op: Operation, names: Names) -> Inner:
    found = dot_of(op)
    known = dict(zip(found.out, names, strict=True))
    for value, labels in found.sides:
        new = [n for n, label in enumerate(labels) if label not in known]
        fresh = network.name([shape(value)[n] for n in new])
        known |= {labels[n]: name for n, name in zip(new, fresh, strict=True)}
    return [(value, tuple(known[label] for label in labels)) for value, labels in found.sides]


def _of_transpose(network: Network, op: Operation, names: Names) -> Inner:
    del network
    inner = dict(zip(integers(op, "permutation"), names, strict=True))
    return [(op.operands[0], tuple(inner[d] for d in range(len(names))))]


def _of_broadcast(network: Network, op: Operation, names: Names) -> Inner:
    del network
    dims = integers(op, "broadcast_dimensions")
    return [_fitted(op.operands[0], [names[d] for d in dims])]


def _fitted(value: Value, names: Sequence[int | None]) -> tuple[Value, Names]:
    """An operand that may be repeated along a dimension in which its own size is one."""
    sizes = shape(value)
    kept = [name if size != 1 else None for name, size in zip(names, sizes, strict=True)]
    return value, tuple(kept)


def _of_sum(network: Network, op: Operation, names: Names) -> Inner:
    axes, sizes = integers(op, "axes"), shape(op.operands[0])
    left = iter(names)
    new = iter(network.name([sizes[d] for d in axes]))
    return [(op.operands[0], tuple(next(new if d in axes else left) for d in range(len(sizes))))]


def _of_product(network: Network, op: Operation, names: Names) -> Inner:
    del network
    return [_fitted(value, names) if shape(value) else (value, ()) for value in op.operands]


def _of_square(network: Network, op: Operation, names: Names) -> Inner:
    del network
    return [(op.operands[0], names)] * 2


def _of_quotient(network: Network, op: Operation, names: Names) -> Inner:
    network.scalars.append(Scalar(op.operands[1], divides=True))
    return [_fitted(op.operands[0], names) if shape(op.operands[0]) else (op.operands[0], ())]


def _of_negated(network: Network, op: Operation, names: Names) -> Inner:
    network.is_negative = not network.is_negative
    return [(op.operands[0], names)]


def _of_unit_move(network: Network, op: Operation, names: Names) -> Inner:
    del network
    left = iter(name for name in names if name is not None)
    sizes = shape(op.operands[0])
    return [(op.operands[0], tuple(next(left) if size != 1 else None for size in sizes))]


def _of_same(network: Network, op: Operation, names: Names) -> Inner:
    del network
    return [(op.operands[0], names)]


_READERS: Final[Mapping[str, Callable[[Network, Operation, Names], Inner]]] = {
    DOT: _of_dot,
    "broadcast_in_dim": _of_broadcast,
    "convert_element_type": _of_same,
    "div": _of_quotient,
    "integer_pow": _of_square,
    "mul": _of_product,
    "neg": _of_negated,
    "reduce_sum": _of_sum,
    "square": _of_square,
    "transpose": _of_transpose,
    **dict.fromkeys(UNIT_MOVES, _of_unit_move),
}
