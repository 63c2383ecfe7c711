"""Runs a graph inside JAX's trace while an onlooker is shown every op.

The result is a program like the graph that also returns what the onlooker has noted. Calls,
branches and loops are gone into, with the notes as a further result or carry; every other op runs
through its own primitive, and the onlooker sees its operands and results.
"""

# jax annotates its functions in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, Final, Protocol

import jax
import jax.numpy as jnp
from jax import lax

from compiler.ir.graph import CONSTANT, Graph, Operation, Region, Value
from compiler.lowering import jax_compat
from compiler.lowering.evaluate import op_function
from compiler.lowering.export_jax import constant_value
from compiler.ops.parameters import integer
from compiler.passes.inline import CALLS, DERIVATIVES

Values = Sequence[Any]
Notes = Any
"""A tree of arrays, of one structure and one set of types for each region."""

jax_compat.hide_frames(__file__)

_ENTERED_CALLS: Final = CALLS | DERIVATIVES


class Visitor(Protocol):
    """One run of one region."""

    def see(self, op: Operation, operands: Values, results: Values) -> None:
        """An op has run that is not gone into."""
        ...

    def made(self, op: Operation, results: Values) -> None:
        """An op has run, whether it is gone into or not."""
        ...

    def hear(self, notes: Notes) -> None:
        """What was noted in a region of the op that comes next."""
        ...

    def notes(self) -> Notes:
        """All that was noted in this run of the region."""
        ...


class Onlooker(Protocol):
    """What is done with the values of a graph while it runs.

    Attributes:
        stacks: whether a scan gives the notes of every iteration, instead of what ``again`` makes
            of them.
    """

    stacks: ClassVar[bool]

    def enter(self, region: Region, arguments: Values) -> Visitor:
        """A region begins to run."""
        ...

    def empty(self, region: Region) -> Notes:
        """The notes of a region that did not run."""
        ...

    def again(self, depth: int, iteration: Any, before: Notes, now: Notes) -> Notes:
        """The notes of a loop that has run once more; ``depth`` counts the loops around it."""
        ...


class Watched:
    """A graph as a JAX function that returns its results and the notes of an onlooker.

    Args:
        graph: what to run.
        onlooker: who is shown the ops.
        skip: which ops without results are left out, so that their effects do not happen.
    """

    def __init__(
        self, graph: Graph, onlooker: Onlooker, skip: Callable[[Operation], bool] = lambda _: False
    ) -> None:
        self._graph = graph
        self._onlooker = onlooker
        self._skip = skip
        self._depth = 0

    def __call__(self, *arrays: Any) -> tuple[list[Any], Notes]:
        """The results and the notes, for a value per parameter that is not captured."""
        captured = [info.handle for info in self._graph.parameter_info if info.captured]
        return self._region(self._graph.body, [*captured, *arrays])

    def _region(self, region: Region, arguments: Values) -> tuple[list[Any], Notes]:
        values: dict[Value, Any] = dict(zip(region.parameters, arguments, strict=True))
        visitor = self._onlooker.enter(region, arguments)
        for op in region:
            if op.is_terminator or (not op.results and self._skip(op)):
                continue
            results = self._op(visitor, op, [values[value] for value in op.operands])
            visitor.made(op, results)
            values.update(zip(op.results, results, strict=True))
        return [values[value] for value in region.outputs], visitor.notes()

    def _op(self, visitor: Visitor, op: Operation, operands: Values) -> Values:
        if op.name == CONSTANT:
            return [constant_value(op.attributes["value"])]
        if op.regions and op.name in _ENTERED_CALLS and _takes_the_operands(op):
            results, notes = self._region(op.regions[0], operands)
            visitor.hear(notes)
            return results
        if op.name == "cond" and op.attributes.get("branches_platforms") is None:
            return self._cond(visitor, op, operands)
        if op.name == "while":
            return self._while(visitor, op, operands)
        if op.name == "scan":
            return self._scan(visitor, op, operands)
        results = op_function(op)(*operands)
        visitor.see(op, operands, results)
        return results

    def _cond(self, visitor: Visitor, op: Operation, operands: Values) -> Values:
        index, *arguments = operands
        empty = [self._onlooker.empty(region) for region in op.regions]

        def branch(taken: int) -> Callable[[], Any]:
            def run() -> Any:
                results, notes = self._region(op.regions[taken], arguments)
                return results, [*empty[:taken], notes, *empty[taken + 1 :]]

            return run

        branches = [branch(i) for i in range(len(op.regions))]
        results, every = lax.switch(jnp.asarray(index, jnp.int32), branches)
        for notes in every:
            visitor.hear(notes)
        return results

    def _while(self, visitor: Visitor, op: Operation, operands: Values) -> Values:
        test, body = op.region("cond_jaxpr"), op.region("body_jaxpr")
        in_test, in_body = integer(op, "cond_nconsts"), integer(op, "body_nconsts")
        for_test, for_body = operands[:in_test], operands[in_test : in_test + in_body]
        again, depth = self._onlooker.again, self._depth

        def ask(carry: Values) -> tuple[Any, Notes]:
            (running,), notes = self._region(test, [*for_test, *carry])
            return running, notes

        def step(state: Any) -> Any:
            i, running, carry, (asked, ran) = state
            with self._deeper():
                results, now = self._region(body, [*for_body, *_of_the_running(running, carry)])
                carry = [
                    _select(running, new, old) for new, old in zip(results, carry, strict=True)
                ]
                more, at_test = ask(carry)
            notes = again(depth, i + 1, asked, at_test), again(depth, i, ran, now)
            return i + 1, more & running, carry, notes

        carry = list(operands[in_test + in_body :])
        running, asked = ask(carry)
        start = jnp.int32(0), running, carry, (asked, self._onlooker.empty(body))
        _, _, results, notes = lax.while_loop(lambda state: jnp.any(state[1]), step, start)
        for part in notes:
            visitor.hear(part)
        return results

    def _scan(self, visitor: Visitor, op: Operation, operands: Values) -> Values:
        first, carried = integer(op, "num_consts"), integer(op, "num_carry")
        length, reverse = integer(op, "length"), bool(op.attributes.get("reverse"))
        (body,), constants = op.regions, operands[:first]
        onlooker, depth = self._onlooker, self._depth

        def step(state: Any, slices: Values) -> Any:
            i, carry, before = state
            with self._deeper():
                results, now = self._region(body, [*constants, *carry, *slices])
            place = length - 1 - i if reverse else i
            kept = () if onlooker.stacks else onlooker.again(depth, place, before, now)
            row = now if onlooker.stacks else ()
            return (i + 1, results[:carried], kept), (results[carried:], row)

        start = jnp.int32(0), list(operands[first : first + carried])
        (_, carry, kept), (columns, rows) = lax.scan(
            step,
            (*start, () if onlooker.stacks else onlooker.empty(body)),
            list(operands[first + carried :]),
            length=length,
            reverse=reverse,
            unroll=_unroll(op),
        )
        visitor.hear(rows if onlooker.stacks else kept)
        return [*carry, *columns]

    @contextmanager
    def _deeper(self) -> Generator[None]:
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1


def _takes_the_operands(op: Operation) -> bool:
    return len(op.regions) == 1 and len(op.regions[0].parameters) == len(op.operands)


def _unroll(op: Operation) -> int:
    unroll = op.attributes.get("unroll", 1)
    return unroll if isinstance(unroll, int) and unroll > 0 else 1


def _select(running: Any, new: Any, old: Any) -> Any:
    """The new values of the elements of a batch that still run; the batch is in front."""
    if jnp.ndim(running) == 0:
        return new
    return (
        jax.vmap(_select)(running, new, old) if jnp.ndim(running) > 1 else _rows(running, new, old)
    )


def _rows(running: Any, new: Any, old: Any) -> Any:
    shape = (*running.shape, *(1,) * (jnp.ndim(new) - 1))
    return jnp.where(running.reshape(shape), new, old)


def _of_the_running(running: Any, carry: Values) -> Values:
    """The carry, in which elements of a batch that have stopped repeat one that has not.

    What a stopped element would compute is nothing that the user's program does.
    """
    if jnp.ndim(running) == 0:
        return carry
    place = jnp.unravel_index(jnp.argmax(running), running.shape)
    return [_select(running, value, jnp.broadcast_to(value[place], value.shape)) for value in carry]
