"""``both_branches``: conditions that ``vmap`` has turned into selections, which run every branch.

JAX batches a ``cond`` whose predicate is batched by computing all branches for all elements and
selecting. What is left in the graph is a ``select_n`` that JAX's ``cond`` itself has made, and the
ops of the branches in front of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from compiler.analysis.cost import cost_of, total
from compiler.ir.graph import CONSTANT, Graph, Operation, Region, Value
from compiler.ir.locations import Location
from compiler.ir.origins import user_location
from compiler.ir.walk import walk_regions
from compiler.lowering import jax_compat
from tracegraph.boundary import boundary
from tracegraph.debug.target import target_of, trace_call

jax_compat.hide_frames(__file__)

_CONDITIONALS: Final = "conditionals.py"
_CARRIERS: Final = frozenset(
    {"ad.py", "api_util.py", "batching.py", "core.py", "lax.py", "linear_util.py"}
    | {"partial_eval.py", "source_info_util.py", "traceback_util.py", "tree_util.py"}
)
"""Files of JAX that only hand an op on from the function that makes it."""


@dataclass(frozen=True, slots=True)
class BothBranches:
    """A condition that runs all its branches.

    Attributes:
        location: the user's line of the ``cond`` or ``switch``.
        branches: the FLOPs of each branch, transcendental functions counted as one, for the whole
            batch, in the order of ``switch``: of a ``cond`` the false one first.
    """

    location: Location
    branches: tuple[int, ...]

    @property
    def both(self) -> int:
        """The FLOPs of all branches."""
        return sum(self.branches)

    @property
    def one(self) -> int:
        """The FLOPs of the dearest branch."""
        return max(self.branches)

    def __str__(self) -> str:
        each = " + ".join(f"{flops:,}" for flops in self.branches)
        return (
            f"{self.location}: a cond under vmap runs every branch: {each} = {self.both:,} FLOPs, "
            f"where the dearest branch has {self.one:,}"
        )


class Branches(tuple[BothBranches, ...]):
    """The conditions that run all their branches, the dearest first. ``print`` shows them."""

    __slots__ = ()

    def __str__(self) -> str:
        return "\n".join(map(str, self)) or "no cond under vmap runs every branch"


@boundary
def both_branches(step: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Branches:
    """The conditions inside a function that compute every branch, because they were batched.

    Args:
        step: a decorated function, or any other.
        *args: the function's arguments; nothing is run.
        **kwargs: its keyword arguments.

    Returns:
        A row for each line of a ``cond`` or ``switch`` whose predicate ``vmap`` has batched. Of a
        ``vmap`` of a gradient the way back counts, too; of a gradient of a ``vmap`` the way forward
        alone.
    """
    graph = trace_call(target_of(step), args, kwargs).graph()
    return Branches(sorted(_found(graph), key=lambda row: -row.both))


def _found(graph: Graph) -> list[BothBranches]:
    costs: dict[Location, tuple[int, ...]] = {}
    for region in walk_regions(graph):
        for key, selects in _selections(region).items():
            flops = _flops_of_branches(selects)
            before = costs.get(key, (0,) * len(flops))
            costs[key] = tuple(a + b for a, b in zip(before, flops, strict=False))
    return [BothBranches(location, flops) for location, flops in costs.items()]


def _selections(region: Region) -> dict[Location, list[Operation]]:
    """The selections between the results of branches, by the line of their condition."""
    found: dict[Location, list[Operation]] = {}
    for op in region:
        if op.name == "select_n" and _is_of_a_condition(op) and not _is_around_a_branch(op):
            found.setdefault(Location(user_location(op).frames), []).append(op)
    return found


def _is_of_a_condition(op: Operation) -> bool:
    """Whether JAX's own ``cond`` has made the op, and not something that a branch calls."""
    handle = op.location.handle
    if handle is None:
        return False
    for name in jax_compat.library_functions(handle):
        file = name.partition(":")[0]
        if file not in _CARRIERS:
            return file == _CONDITIONALS
    return False


def _is_around_a_branch(op: Operation) -> bool:
    """Whether the selection belongs to one branch: to its inputs, or to their gradients."""
    return _guards_an_input(op) or (
        "transpose(" in op.location.name_stack and _is_one_of_them(op.operands[0])
    )


def _is_one_of_them(predicate: Value) -> bool:
    """Whether a predicate asks if the index is that of one branch."""
    op = predicate.producer
    while op is not None and op.name == "broadcast_in_dim":
        op = op.operands[0].producer
    return op is not None and op.name == "eq"


def _guards_an_input(op: Operation) -> bool:
    """Whether the selection stands in front of a branch: it keeps gradients of the others out."""
    _, *cases = op.operands
    if len(cases) == 2 and cases[0] is cases[1]:
        return True
    return any(one.producer is not None and one.producer.name == "stop_gradient" for one in cases)


def _flops_of_branches(selects: Sequence[Operation]) -> tuple[int, ...]:
    count = len(selects[0].operands) - 1
    ends = [[op.operands[i + 1] for op in selects] for i in range(count)]
    return tuple(_flops(_behind(values)) for values in ends)


def _behind(values: Sequence[Value]) -> set[Operation]:
    """The ops between the inputs of a branch and these results of it."""
    found: set[Operation] = set()
    waiting = list(values)
    while waiting:
        op = waiting.pop().producer
        if op is None or op in found or op.name == CONSTANT:
            continue
        if op.name == "select_n" and _is_of_a_condition(op) and _guards_an_input(op):
            continue
        found.add(op)
        waiting.extend(op.operands)
    return found


def _flops(ops: set[Operation]) -> int:
    cost = total(cost_of(op) for op in ops)
    return cost.flops + cost.transcendentals
