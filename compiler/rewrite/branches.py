"""Branches as rules see them: which argument is which parameter, and conds made anew.

Nothing here changes anything that exists.
"""

# JAX annotates its functions in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jax import lax

from compiler.ir.graph import Operation, Region, Value
from compiler.ir.types import ArrayType, Type
from compiler.ops.host import host
from compiler.rewrite.expression import Expr, Term, new, with_regions
from compiler.rewrite.regions import Draft

Fill = Callable[[Draft, Region, Sequence[Value]], Sequence[Value]]
"""Fills a draft of a branch: takes the draft, the branch it is made after and the parameters for
the further arguments; gives the values that it yields."""


class Branches:
    """A cond op, read slot by slot.

    Attributes:
        op: the op.
        index: the number of the branch to take.
        arguments: the values that the branches are handed.
        regions: the branches.
    """

    __slots__ = ("arguments", "index", "op", "regions")

    def __init__(self, op: Operation) -> None:
        self.op = op
        self.index = op.operands[0]
        self.arguments = op.operands[1:]
        self.regions = op.regions

    @property
    def predicate(self) -> Value | None:
        """The truth value that takes the second of two branches; None if there is none."""
        producer = self.index.producer
        if producer is None or producer.name != "convert_element_type" or len(self.regions) != 2:
            return None
        (value,) = producer.operands
        type = value.type
        return value if isinstance(type, ArrayType) and type.dtype == np.bool_ else None

    @property
    def types(self) -> list[Type]:
        """The types of its results."""
        return [value.type for value in self.op.results]

    def readers(self, slot: int) -> list[int]:
        """The branches that use the argument at a place."""
        parameters = [region.parameters[slot] for region in self.regions]
        return [branch for branch, value in enumerate(parameters) if value.has_uses]

    def known(self, region: Region) -> dict[Value, Term]:
        """The arguments by a branch's parameters."""
        return dict(zip(region.parameters, self.arguments, strict=True))

    def remade(
        self, keep: Sequence[int], extra: Sequence[Term], fill: Fill, types: Sequence[Type]
    ) -> tuple[Expr, ...]:
        """The cond with other arguments and branches.

        Args:
            keep: the places of the arguments that stay; their parameters are bound in each draft.
            extra: further arguments.
            fill: gives what each branch yields.
            types: the types of its results.
        """
        arguments = [*(self.arguments[slot] for slot in keep), *extra]
        regions = [self._remade(region, keep, extra, fill) for region in self.regions]
        return with_regions(self.op, (self.index, *arguments), types, regions)

    def _remade(
        self, region: Region, keep: Sequence[int], extra: Sequence[Term], fill: Fill
    ) -> Region:
        olds = [region.parameters[slot] for slot in keep]
        draft = Draft(region, [value.type for value in olds] + [term.type for term in extra])
        for old, value in zip(olds, draft.parameters, strict=False):
            draft.bind(old, value)
        return draft.finish(fill(draft, region, draft.parameters[len(olds) :]))


def new_cond(
    predicate: Term, arguments: Sequence[Term], types: Sequence[Type], branches: Sequence[Region]
) -> tuple[Expr, ...]:
    """A cond where there was none: takes the second branch where the predicate is true.

    Args:
        predicate: a truth value.
        arguments: what the branches are handed.
        types: the types of the results.
        branches: two regions with the names that ``branch_name`` gives.
    """
    index = new("convert_element_type", predicate, new_dtype=np.dtype(np.int32), weak_type=False)
    graph = host().trace(_any_cond, [predicate.type])
    model = next(op for op in graph.body if op.name == "cond")
    return with_regions(model, (index, *arguments), types, branches)


def branch_name(branch: int) -> str:
    """The name of a branch's region."""
    return f"branches[{branch}]"


def _any_cond(predicate: Any) -> Any:
    return lax.cond(predicate, lambda: 1.0, lambda: 2.0)
