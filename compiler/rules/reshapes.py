"""Reshapes: two in a row made one, around elementwise ops cancelled, and out of what repeats."""

# JAX annotates its functions in part only.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from math import prod
from typing import Final

import jax.numpy as jnp
from jax import lax

from compiler.analysis.constants import uniform
from compiler.ir.graph import Operation, Value
from compiler.ops.parameters import integer, integers
from compiler.rewrite.expression import Term, constant, like, new, shape
from compiler.rewrite.match import Match
from compiler.rewrite.numerics import Numerics
from compiler.rewrite.pattern import op, var
from compiler.rewrite.rule import Refusal, Replacement, Rule, example
from compiler.rules.dot_terms import broadcast, is_static, reshape, reshape_groups
from compiler.rules.slice_terms import APPROXIMATED, CORRECT, full

x = var("x")
RESHAPING: Final = ("broadcast_in_dim", "reshape", "squeeze")
VIEWS: Final = ("reshape", "squeeze")
EXACT_THROUGH: Final = CORRECT.union(["convert_element_type", "stop_gradient"])
THROUGH: Final = EXACT_THROUGH | APPROXIMATED
MAX_OPS: Final = 64
"""So many ops are followed from one reshape to others."""


def _is_reshape(op: Operation | None) -> bool:
    """Whether an op gives its operand's elements in their order, in another shape."""
    if op is None or op.name not in RESHAPING or not all(map(is_static, (*op.operands, op.result))):
        return False
    if op.attributes.get("sharding") or (op.name == "reshape" and op.attributes.get("dimensions")):
        return False
    return 0 < prod(shape(op.operands[0])) == prod(shape(op.result))


def _reshape_once(m: Match) -> Replacement:
    if not (_is_reshape(m.root) and _is_reshape(m.inner)):
        return Refusal("something is repeated")
    return reshape(m.x, shape(m.root.result))


def _without_reshapes(names: frozenset[str], m: Match) -> Replacement:
    """The elementwise ops in the shape that their operands have before they are reshaped."""
    if not _is_reshape(m.root) or not shape(m.root.operands[0]):
        return Refusal("its dimensions change their order, or it has none or no elements")
    inside = _only_read_by(m.root, names)
    made: dict[Value, Term] = {}
    for inner in reversed(inside):  # operands first
        terms = [_unshaped(value, m.root, made) for value in inner.operands]
        found = [term for term in terms if term is not None]
        if len(found) != len(terms):
            return Refusal("an operand was not reshaped from the shape that it gets again")
        made[inner.result] = like(inner, found)[0]
    term = made.get(m.root.operands[0])
    return Refusal("it is not read from an elementwise op") if term is None else term


def _only_read_by(root: Operation, names: frozenset[str]) -> list[Operation]:
    """The elementwise ops before the root whose every reader is among them, users first."""
    found, pending = dict[Operation, None](), [root]
    while pending and len(found) < MAX_OPS:
        for value in pending.pop().operands:
            op = value.producer
            if op is None or op.name not in names or not is_static(op.result):
                continue
            if all(reader is root or reader in found for reader in value.readers):
                found.setdefault(op)
                pending.append(op)
    return list(found)


def _unshaped(value: Value, root: Operation, made: dict[Value, Term]) -> Term | None:
    """An operand in the root's shape; None if that takes another reshape."""
    wanted = shape(root.result)
    if value in made or not shape(value):
        return made.get(value, value)
    if shape(value) != shape(root.operands[0]):
        return None
    number = uniform(value)
    if number is not None:
        return full(constant(number[()], like=value), wanted)
    op = value.producer
    if op is None or not _is_reshape(op) or shape(op.operands[0]) != wanted:
        return None
    return op.operands[0]


def _repeat_last(m: Match) -> Replacement:
    """Each group of dimensions that a reshape joins or splits is repeated, or none of it is."""
    before, after = shape(m.inner.result), shape(m.root.result)
    groups = reshape_groups(before, after)
    if groups is None or (m.root.attributes.get("dimensions") and m.root.name == "reshape"):
        return Refusal("its dimensions change their order, or there are no elements")
    own, places = shape(m.x), integers(m.inner, "broadcast_dimensions")
    moving = {dim for dim, size in zip(places, own, strict=True) if size != 1}
    if any(own[places.index(dim)] != before[dim] for dim in moving):
        return Refusal("a dimension is repeated in part")
    dims: list[int] = []
    for group in groups:
        wide = {dim for dim in group.before if before[dim] != 1}
        if wide & moving and not wide <= moving:
            return Refusal("it joins what is repeated with what is not")
        dims += group.after if wide & moving else ()
    inner = reshape(m.x, [after[dim] for dim in dims])
    return broadcast(inner, after, dims)


def _join_last(m: Match) -> Replacement:
    """Reshapes the pieces where each is a whole number of the rows that the reshape makes."""
    before, after = shape(m.joined.result), shape(m.root.result)
    axis = integer(m.joined, "dimension")
    groups = reshape_groups(before, after)
    group = next((one for one in groups or () if axis in one.before), None)
    if group is None or any(before[dim] != 1 for dim in group.before if dim != axis):
        return Refusal("it joins the axis with others, or there are no elements")
    place = next((dim for dim in group.after if after[dim] != 1), None)
    if place is None:
        return Refusal("there is one element along the axis")
    row = prod(after[dim] for dim in group.after if dim > place)
    sizes = [shape(piece)[axis] for piece in m.joined.operands]
    if any(size % row for size in sizes):
        return Refusal("a piece ends within a row")
    pieces = [
        reshape(piece, (*after[:place], size // row, *after[place + 1 :]))
        for piece, size in zip(m.joined.operands, sizes, strict=True)
    ]
    return new("concatenate", *pieces, dimension=place)


RULES: Final = (
    Rule(
        name="reshape-twice",
        law="squeeze(expand(x)) = reshape(x), of any two ops that only give another shape",
        pattern=op[RESHAPING](op[RESHAPING](x).shared().named("inner")),
        replace=_reshape_once,
        transparent=True,
        normal_form="a shape is given once",
        examples=(
            example(lambda x: jnp.sin(jnp.squeeze(jnp.expand_dims(x, 1), 1)), "f32[m,k]"),
            example(lambda x: x[:, None].reshape(-1) * 2, "f32[m,k]"),
        ),
        rejects=(
            example(
                lambda x: jnp.broadcast_to(x[:, None], (x.size, 3)).reshape(-1),
                "f32[m]",
                reason="repeated",
            ),
        ),
        elsewhere="Grappler: RemoveRedundantReshapeOrBroadcastTo; ONNX Runtime: ReshapeFusion, "
        "UnsqueezeElimination; Enzyme-JAX: ReshapeOpCanon, BroadcastInDimIsReshape; Relax: "
        "RemoveRedundantReshape; XLA",
    ),
    Rule(
        name="reshape-around-elements",
        law="reshape(f(reshape(x), reshape(y))) = f(x, y) for elementwise f",
        pattern=op[RESHAPING](op[tuple(sorted(EXACT_THROUGH))].any()),
        replace=lambda m: _without_reshapes(EXACT_THROUGH, m),
        transparent=True,
        normal_form="elementwise ops between two reshapes work in the shape outside",
        examples=(
            example(
                lambda x, y: (x.reshape(-1) * 2 + y.ravel()).reshape(x.shape),
                *("f32[m,k]", "f32[m,k]"),
            ),
            example(lambda x: jnp.where(x[:, None] > 0, x[:, None], 1)[:, 0], "f32[m,k]"),
        ),
        rejects=(
            example(
                lambda x, y: (x.reshape(-1) + y).reshape(x.shape),
                *("f32[2,3]", "f32[6]"),
                reason="not reshaped from",
            ),
        ),
        elsewhere="Enzyme-JAX: ReshapeElementwise, ElementwiseReshapeLike; XLA: reshape mover",
    ),
    Rule(
        name="reshape-around-rounded-elements",
        law="reshape(f(reshape(x), reshape(y))) = f(x, y) for exp, tanh and other functions",
        pattern=op[RESHAPING](op[tuple(sorted(THROUGH))].any()),
        replace=lambda m: _without_reshapes(THROUGH, m),
        numerics=Numerics.ROUNDING,
        transparent=True,
        normal_form="elementwise ops between two reshapes work in the shape outside",
        examples=(example(lambda x: (jnp.tanh(x.reshape(-1)) * 2).reshape(x.shape), "f32[m,k]"),),
        elsewhere="Enzyme-JAX: ReshapeElementwise; XLA: reshape mover",
    ),
    Rule(
        name="reshape-of-broadcast",
        law="reshape(broadcast(x)) = broadcast(reshape(x))",
        pattern=op[VIEWS](op.broadcast_in_dim(x).named("inner")),
        replace=_repeat_last,
        transparent=True,
        normal_form="what repeats stands behind reshapes",
        examples=(
            example(lambda v: jnp.broadcast_to(v, (4, 3, v.size)).reshape(12, -1), "f32[m]"),
            example(
                lambda x: lax.squeeze(lax.broadcast_in_dim(x, (1, 5, *x.shape), (2, 3)), (0,)),
                "f32[m,k]",
            ),
        ),
        rejects=(
            example(lambda x: jnp.repeat(x, 3, 0), "f32[m,k]", reason="joins what is repeated"),
        ),
        elsewhere="Enzyme-JAX: ReshapeBroadcast; XLA: algebraic simplifier",
    ),
    Rule(
        name="reshape-of-concat",
        law="reshape(concat(x, y)) = concat(reshape(x), reshape(y)) where no row is cut",
        pattern=op[VIEWS](op.concatenate.any().named("joined")),
        replace=_join_last,
        transparent=True,
        normal_form="joins stand behind reshapes",
        examples=(
            example(lambda x, y: jnp.concatenate([x, y]).reshape(2, -1), "f32[m]", "f32[m]"),
            example(
                lambda x, y: jnp.concatenate([x, y], 1).reshape(x.shape[0], -1, 3),
                *("f32[m,6]", "f32[m,3]"),
            ),
        ),
        rejects=(
            example(
                lambda x, y: jnp.concatenate([x, y]).reshape(2, -1),
                *("f32[1]", "f32[5]"),
                reason="within a row",
            ),
        ),
        elsewhere="Enzyme-JAX: ReshapeOfConcatToConcatOfReshape",
    ),
)
