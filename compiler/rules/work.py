"""Which ops are work, so that rules know what is worth moving, sharing or skipping."""

from __future__ import annotations

from typing import Final

from compiler.analysis.cost import VIEWS
from compiler.ir.graph import CONSTANT, Graph, Operation, Region, Value
from compiler.ops.definition import lookup
from compiler.ops.elementwise import ELEMENTWISE, TRANSCENDENTAL
from compiler.ops.parameters import integer
from compiler.rewrite.regions import depending

MAX_GROWN_BYTES: Final = 1 << 26
"""A value that is larger than all it is made from is held through a loop up to this size."""

_LIGHT_FAMILIES: Final = frozenset({"elementwise", "shape"})
_LOOPS: Final = frozenset({"scan", "while"})
_MADE_WHERE_READ: Final = VIEWS | {"broadcast_in_dim", "iota"}


def is_dear(op: Operation) -> bool:
    """Whether XLA makes a loop or a library call of its own for the op: dots, reductions, sorts."""
    return op.name != CONSTANT and lookup(op.name).family not in _LIGHT_FAMILIES


def is_work(op: Operation) -> bool:
    """Whether computing the op again costs more than reading its result."""
    return op.name in TRANSCENDENTAL or is_dear(op)


def is_elementwise(op: Operation) -> bool:
    """Whether the op computes each element from those in the same place, without a series."""
    return op.name in ELEMENTWISE and op.name not in TRANSCENDENTAL


def costs_nothing(op: Operation) -> bool:
    """Whether the op is made where it is read: a view, a constant, a broadcast."""
    return op.name in _MADE_WHERE_READ


def is_in_loop(op: Operation) -> bool:
    """Whether some loop runs the op."""
    region = op.parent
    while region is not None and isinstance(region.owner, Operation):
        if region.owner.name in _LOOPS:
            return True
        region = region.owner.parent
    return False


def varying(region: Region | None) -> set[Value] | None:
    """The values of a loop's body that differ from run to run; None if the region is no body."""
    if region is None or region.owner is None or isinstance(region.owner, Graph):
        return None
    owner = region.owner
    if owner.name == "scan":
        return depending(region, region.parameters[integer(owner, "num_consts") :])
    if owner.name == "while":
        return depending(region, region.parameters[integer(owner, _CONSTANTS[region.name]) :])
    return None


_CONSTANTS: Final = {"cond_jaxpr": "cond_nconsts", "body_jaxpr": "body_nconsts"}
