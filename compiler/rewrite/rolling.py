"""Equal blocks of ops made into a scan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np

from compiler.ir import mutate
from compiler.ir.builder import Builder
from compiler.ir.graph import CONSTANT, Operation, Region, Value
from compiler.ir.locations import Location, fuse
from compiler.ir.types import Type, is_numeric
from compiler.ir.walk import clone_operation
from compiler.rewrite.blocks import Carried, Loop, Own, Rows, Same, Source, members
from compiler.rewrite.expression import Node, Term, array_type, constant, new, shape
from compiler.rewrite.fragment import conform, make_fragment
from compiler.rewrite.rewriter import Rewriter
from compiler.rewrite.scans import stacked_type

NAME: Final = "roll-layers"
"""Whose hand the location of such a scan shows."""


class Piece(NamedTuple):
    """One row of a value that an earlier loop stacked."""

    whole: Value
    row: int


class Inputs(NamedTuple):
    """What a loop takes, slot by slot as scan has them.

    Attributes:
        constants: the values that are the same in every run.
        carries: what each run hands to the next.
        kept: what only the last run gives away; no run reads it.
        rows: what is another value in each run.
    """

    constants: Sequence[Same]
    carries: Sequence[Carried]
    kept: Sequence[Own]
    rows: Sequence[Rows]

    def carry(self, own: Own) -> Carried | None:
        """The carry that hands a value of a block to the next, if one does."""
        return next((one for one in self.carries if own == (one.place, one.result)), None)


def roll(rewriter: Rewriter, loop: Loop, after: Operation, pieces: dict[Value, Piece]) -> Region:
    """Puts a scan in the place of the blocks of a loop, and returns its body.

    Args:
        rewriter: changes the graph.
        loop: the blocks.
        after: the op that follows the last block.
        pieces: rows of values that earlier loops stacked or read; those of this one are added.
    """
    inputs, stacked = _inputs(loop), _stackable(loop)
    backwards = _runs_backwards(inputs.rows, pieces)
    rows = [_stack(one.values, pieces, backwards=backwards) for one in inputs.rows]
    location = fuse([loop.blocks[0][0].location], NAME)
    node = _scan(loop, inputs, stacked, rows, location, backwards=backwards)
    outside = _outside(loop, inputs, stacked, node, backwards=backwards)
    terms = [one.term for one in outside]
    fragment = make_fragment(after, [*terms, *node.results, *rows], location)
    values = rewriter.insert(after, fragment)
    wholes = values[len(terms) :]
    for one, value in zip(outside, values, strict=False):
        rewriter.replace_value(one.old, value)
        if one.row is not None:
            pieces[value] = Piece(wholes[one.result], one.row)
    _note_rows(loop, inputs, stacked, wholes, pieces, backwards=backwards)
    for op in reversed(members(loop.blocks)):
        rewriter.erase(op)
    return node.regions[0]


def _scan(
    loop: Loop,
    inputs: Inputs,
    stacked: Sequence[Own],
    rows: Sequence[Term],
    location: Location,
    *,
    backwards: bool,
) -> Node:
    """The scan to be."""
    operands: list[Term] = [one.value for one in inputs.constants]
    operands += [one.first for one in inputs.carries]
    operands += [_zeros(loop.value(one)) for one in inputs.kept]
    body, types = _body(loop, inputs, stacked)
    attributes = {
        "length": loop.length,
        "num_carry": len(inputs.carries) + len(inputs.kept),
        "num_consts": len(inputs.constants),
        "reverse": backwards,
        "unroll": 1,
    }
    return Node("scan", [*operands, *rows], attributes, types, regions=[body], location=location)


def _note_rows(
    loop: Loop,
    inputs: Inputs,
    stacked: Sequence[Own],
    wholes: Sequence[Value],
    pieces: dict[Value, Piece],
    *,
    backwards: bool,
) -> None:
    """Enters the rows that exist beside those read outside: stacked inputs, and first carries."""
    first_row = loop.length - 1 if backwards else 0
    carried = len(inputs.carries) + len(inputs.kept)
    for number, one in enumerate(stacked, carried):
        carry = inputs.carry(one)
        if carry is not None:
            pieces.setdefault(carry.first, Piece(wholes[number], first_row))
    for one, whole in zip(inputs.rows, wholes[carried + len(stacked) :], strict=True):
        for run, value in enumerate(one.values):
            pieces.setdefault(value, Piece(whole, first_row - run if backwards else run))


def _inputs(loop: Loop) -> Inputs:
    sources = loop.all_sources()
    carries = [one for one in sources if isinstance(one, Carried)]
    handed = {Own(one.place, one.result) for one in carries}
    return Inputs(
        [one for one in sources if isinstance(one, Same) and not _is_number(one.value)],
        carries,
        [one for one in loop.last if one not in handed and is_numeric(loop.value(one).type)],
        [one for one in sources if isinstance(one, Rows)],
    )


def _stackable(loop: Loop) -> list[Own]:
    """What is stacked: all that is read of other runs, and what cannot be kept as a carry."""
    handed = {Own(one.place, one.result) for one in loop.all_sources() if isinstance(one, Carried)}
    odd = [one for one in loop.last if one not in handed and not is_numeric(loop.value(one).type)]
    return [*loop.stacked, *odd]


def _is_number(value: Value) -> bool:
    """Whether a value is a constant that a body had better hold itself."""
    op = value.producer
    return op is not None and op.name == CONSTANT and array_type(value).size == 1


def _body(loop: Loop, inputs: Inputs, stacked: Sequence[Own]) -> tuple[Region, list[Type]]:
    """The region of the scan, and the types of its results."""
    region = Region("jaxpr")
    sources: list[Source] = [*inputs.constants, *inputs.carries, *inputs.kept, *inputs.rows]
    models = [one.value for one in inputs.constants] + [one.first for one in inputs.carries]
    models += [loop.value(one) for one in inputs.kept] + [one.values[0] for one in inputs.rows]
    parameters = mutate.add_parameters(region, [model.type for model in models])
    known: dict[Source, Value] = dict(zip(sources, parameters, strict=True))
    for source, model in zip(sources, models, strict=True):
        known[source].hint = model.hint
    for one in inputs.kept:
        del known[one]  # the parameter is what the run before computed
    for place, op in enumerate(loop.blocks[0]):
        _copy(region, op, loop.sources[place], known)
        known.update({Own(place, i): v for i, v in enumerate(_last(region).results)})
    following = [known[Own(one.place, one.result)] for one in inputs.carries]
    following += [known[one] for one in inputs.kept]
    rows = [known[inputs.carry(one) or one] for one in stacked]
    Builder(region).finish([*following, *rows])
    types = [value.type for value in following]
    return region, types + [stacked_type(value.type, loop.length) for value in rows]


def _copy(
    region: Region, op: Operation, sources: Sequence[Source], known: dict[Source, Value]
) -> None:
    """Adds a copy of an op, and before it the numbers that it reads."""
    for source in sources:
        if source not in known and isinstance(source, Same) and source.value.producer is not None:
            number = mutate.append(region, clone_operation(source.value.producer, {}))
            known[source] = number.results[source.value.index]
    operands = [known[source] for source in sources]
    copy = clone_operation(op, dict(zip(op.operands, operands, strict=True)))
    mutate.append(region, copy)
    if copy.operands != tuple(operands):  # one value read in two roles
        mutate.set_operands(copy, operands)


def _last(region: Region) -> Operation:
    return next(reversed(region))


class _Outside(NamedTuple):
    """A value that is read outside of the blocks, and what takes its place.

    Attributes:
        old: the value.
        term: what it is now.
        result: the result of the scan that it comes from.
        row: which row of it; None for the whole.
    """

    old: Value
    term: Term
    result: int
    row: int | None = None


def _outside(
    loop: Loop, inputs: Inputs, stacked: Sequence[Own], node: Node, *, backwards: bool
) -> list[_Outside]:
    """All values that are read outside."""
    finals = [Own(one.place, one.result) for one in inputs.carries] + list(inputs.kept)
    results = node.results
    found = [
        _Outside(loop.value(one, -1), results[finals.index(one)], finals.index(one))
        for one in loop.last
        if one in finals
    ]
    inside = set(members(loop.blocks))
    for number, one in enumerate(stacked, len(finals)):
        shift = 0 if inputs.carry(one) is None else 1  # then the rows are what each run begins with
        for run in range(loop.length):
            old, place = loop.value(one, run), run + shift
            if inside.issuperset(old.readers):
                continue
            if place == loop.length:
                found.append(_Outside(old, results[finals.index(one)], finals.index(one)))
                continue
            row = loop.length - 1 - place if backwards else place
            found.append(_Outside(old, _row(results[number], row), number, row))
    return found


def _zeros(value: Value) -> Term:
    type = array_type(value)
    zero = constant(np.zeros(()), like=value)
    filled = zero if type.shape == () else _broadcast(zero, shape(value))
    return conform([filled], [type])[0]


def _broadcast(term: Term, sizes: tuple[int, ...]) -> Term:
    return new("broadcast_in_dim", term, shape=sizes, broadcast_dimensions=(), sharding=None)


def _row(whole: Term, row: int) -> Term:
    return new("squeeze", _rows(whole, row, row + 1), dimensions=(0,))


def _rows(whole: Term, start: int, limit: int) -> Term:
    sizes = shape(whole)
    if (start, limit) == (0, sizes[0]):
        return whole
    starts = (start, *(0 for _ in sizes[1:]))
    return new(
        "slice", whole, start_indices=starts, limit_indices=(limit, *sizes[1:]), strides=None
    )


def _stack(values: Sequence[Value], pieces: Mapping[Value, Piece], *, backwards: bool) -> Term:
    """One value for all runs, in the order in which scan reads them."""
    ordered = list(reversed(values)) if backwards else list(values)
    step = _step(ordered, pieces)
    if step == 1:
        first = pieces[ordered[0]]
        return _rows(first.whole, first.row, first.row + len(ordered))
    if step == -1:
        last = pieces[ordered[-1]]
        part = _rows(last.whole, last.row, last.row + len(ordered))
        return new("rev", part, dimensions=(0,))
    sizes = shape(ordered[0])
    every = [_broadcast_row(value, sizes) for value in ordered]
    return new("concatenate", *every, dimension=0)


def _broadcast_row(value: Value, sizes: tuple[int, ...]) -> Term:
    dims = tuple(range(1, len(sizes) + 1))
    return new(
        "broadcast_in_dim", value, shape=(1, *sizes), broadcast_dimensions=dims, sharding=None
    )


def _step(values: Sequence[Value], pieces: Mapping[Value, Piece]) -> int:
    """1 or -1 where the values are neighbouring rows of one value, up or down; else 0."""
    found = [pieces.get(value) for value in values]
    known = [piece for piece in found if piece is not None]
    if len(known) < len(found) or len({piece.whole for piece in known}) > 1:
        return 0
    steps = {after.row - before.row for before, after in pairwise(known)}
    return steps.pop() if len(steps) == 1 and steps <= {1, -1} else 0


def _runs_backwards(rows: Sequence[Rows], pieces: Mapping[Value, Piece]) -> bool:
    """Whether more of the stacked inputs are there in the other order."""
    steps = [_step(one.values, pieces) for one in rows]
    return steps.count(-1) > steps.count(1)
