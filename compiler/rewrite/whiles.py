"""While loops as rules see them: which values are constants and carries, and loops made anew.

Nothing here changes anything that exists.
"""

# JAX annotates its functions in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import jax.numpy as jnp
from jax import lax

from compiler.ir.graph import Operation, Region, Value
from compiler.ops.host import host
from compiler.ops.parameters import integer
from compiler.rewrite.expression import Expr, Term, with_regions
from compiler.rewrite.regions import Draft

Fill = Callable[[Draft, Sequence[Value], Sequence[Value]], Sequence[Value]]
"""Fills a draft of a region: takes the draft and the parameters for the further constants and the
further carries; gives the values that the region yields."""


class While:
    """A while op, read slot by slot.

    Attributes:
        op: the op.
        test: the region that says whether to go on.
        body: the region that makes the next carries.
        test_constants: the test's parameters that are the same in every run.
        test_carries: the others.
        constants: the body's parameters that are the same in every run.
        carries: the others.
        following: what each carry is in the next run.
        first: what each carry is in the first run.
    """

    __slots__ = (
        "body",
        "carries",
        "constants",
        "first",
        "following",
        "op",
        "test",
        "test_carries",
        "test_constants",
    )

    def __init__(self, op: Operation) -> None:
        self.op = op
        self.test, self.body = op.region("cond_jaxpr"), op.region("body_jaxpr")
        in_test, in_body = integer(op, "cond_nconsts"), integer(op, "body_nconsts")
        self.test_constants = self.test.parameters[:in_test]
        self.test_carries = self.test.parameters[in_test:]
        self.constants = self.body.parameters[:in_body]
        self.carries = self.body.parameters[in_body:]
        self.following = self.body.outputs
        self.first = op.operands[in_test + in_body :]

    def outer(self, parameter: Value) -> Value:
        """The operand behind a constant of the test or the body."""
        if parameter.owner is self.test:
            return self.op.operands[parameter.index]
        return self.op.operands[len(self.test_constants) + parameter.index]

    def known(self, region: Region) -> dict[Value, Term]:
        """The operands behind the constants of the test or the body, by parameter."""
        constants = self.test_constants if region is self.test else self.constants
        return {parameter: self.outer(parameter) for parameter in constants}

    def remade(
        self,
        keep: Sequence[int],
        fill_test: Fill,
        fill_body: Fill,
        *,
        for_test: Sequence[Term] = (),
        for_body: Sequence[Term] = (),
        carries: Sequence[Term] = (),
    ) -> tuple[Expr, ...]:
        """The loop with other constants and carries; its last carries, the further ones last.

        Args:
            keep: the places of the carries that stay. They and all constants are bound already.
            fill_test: gives what the test yields.
            fill_body: gives what the kept carries and the further ones become.
            for_test: further constants of the test.
            for_body: further constants of the body.
            carries: what further carries are in the first run.
        """
        first = [*(self.first[slot] for slot in keep), *carries]
        test = self._remade(self.test, keep, for_test, carries, fill_test)
        body = self._remade(self.body, keep, for_body, carries, fill_body)
        constants = [
            *map(self.outer, self.test_constants),
            *for_test,
            *map(self.outer, self.constants),
            *for_body,
        ]
        types = [*(self.carries[slot].type for slot in keep), *(term.type for term in carries)]
        counts = (len(self.test_constants) + len(for_test), len(self.constants) + len(for_body))
        changed = dict(zip(("cond_nconsts", "body_nconsts"), counts, strict=True))
        return with_regions(self.op, [*constants, *first], types, [test, body], **changed)

    def _remade(
        self,
        region: Region,
        keep: Sequence[int],
        constants: Sequence[Term],
        carries: Sequence[Term],
        fill: Fill,
    ) -> Region:
        is_test = region is self.test
        own = self.test_constants if is_test else self.constants
        carried = self.test_carries if is_test else self.carries
        kept = [carried[slot] for slot in keep]
        types = [term.type for term in (*own, *constants, *kept, *carries)]
        draft = Draft(region, types)
        places = iter(draft.parameters)
        for old in own:
            draft.bind(old, next(places))
        more = [next(places) for _ in constants]
        for old in kept:
            draft.bind(old, next(places))
        return draft.finish(fill(draft, more, list(places)))


def counted(loop: While, count: int) -> tuple[Expr, ...] | None:
    """The loop as a scan over nothing, for a test that holds ``count`` times.

    None where JAX is set to trace a scan as something else.
    """
    values = (*loop.constants, *loop.carries)
    draft = Draft(loop.body, [value.type for value in values], "jaxpr")
    for old, value in zip(values, draft.parameters, strict=True):
        draft.bind(old, value)
    region = draft.finish(draft.copy(loop.following))
    graph = host().trace(_any_scan, ())
    model = next((op for op in graph.body if op.name == "scan"), None)
    if model is None:
        return None
    changed = {
        "length": count,
        "num_consts": len(loop.constants),
        "num_carry": len(loop.carries),
    }
    if "linear" in model.attributes:
        changed["linear"] = cast("int", (False,) * len(values))
    operands = [*map(loop.outer, loop.constants), *loop.first]
    types = [value.type for value in loop.carries]
    return with_regions(model, operands, types, [region], **changed)


def _any_scan() -> Any:
    return lax.scan(lambda c, _: (c * 2.0, None), jnp.float32(1.0), None, length=2)[0]
