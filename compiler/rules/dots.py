"""Dots in their plainest form: no transposes, unit dimensions or repeated rows around them."""

# JAX annotates its functions in part only.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from typing import Final

import jax.numpy as jnp
from jax import lax

from compiler.rewrite.expression import Expr, Term, like, shape
from compiler.rewrite.match import Match
from compiler.rewrite.numerics import Numerics
from compiler.rewrite.pattern import op, var
from compiler.rewrite.rule import Refusal, Replacement, Rule, example
from compiler.rules.dot_terms import (
    UNSTEADY,
    Dot,
    Labels,
    dot,
    dot_of,
    is_complex,
    is_plain_dot,
    reshape,
    same_arithmetic,
    steady,
    transpose,
)

x, y = var("x"), var("y")
MAX_READERS: Final = 64
MOVED: Final = op.transpose(x, permutation=var("p")).named("moved")


def _dot_of_transpose(m: Match) -> Replacement:
    found = dot_of(m.root)
    sides: list[tuple[Term, Labels]] = []
    for value, labels in found.sides:
        if value is not m.moved.result:
            sides.append((value, labels))
            continue
        inner = dict(zip(m.p, labels, strict=True))
        moved = tuple(inner[d] for d in range(len(labels)))
        if not _leads(found.batch, moved):
            return Refusal("the batch would have to be brought to the front again")
        sides.append((m.x, moved))
    return dot(*sides[0], *sides[1], found.out, m.root)


def _leads(batch: frozenset[int], labels: Labels) -> bool:
    """Whether a batch comes first: else a dot copies its operand, as a transpose would."""
    return batch == frozenset(labels[: len(batch)])


def _transpose_of_dot(m: Match) -> Replacement:
    found = dot_of(m.dot)
    out = tuple(found.out[d] for d in m.p)
    if out[: len(found.batch)] != found.out[: len(found.batch)]:
        return Refusal("the batch would have to be brought to the front again")
    result = dot(*found.sides[0], *found.sides[1], out, m.dot)
    if isinstance(result, Expr) and result.node.name == "transpose":
        return Refusal("no dot gives this order of dimensions")
    return result


def _gram_transposed(m: Match) -> Replacement:
    """The dot itself, where the transpose only exchanges what its equal operands gave."""
    found = dot_of(m.dot)
    out = tuple(found.out[d] for d in m.p)
    partner: dict[int, int] = {}
    for one, other in zip(found.lhs, found.rhs, strict=True):
        if one != other and (one in found.rhs or other in found.lhs):
            return Refusal("the operands are not contracted alike")
        partner |= {one: other, other: one}
    if tuple(partner[label] for label in found.out) == out:
        return m.dot.result
    return Refusal("the transpose does more than exchange the two operands")


def _dot_twice(m: Match) -> Replacement:
    """The transpose of an earlier dot of the same operands in the other order."""
    lhs, rhs = m.root.operands
    found = dot_of(m.root)
    if not is_plain_dot(m.root) or is_complex(m.root):
        return Refusal("no dot before it is as plain")
    if rhs.use_count > MAX_READERS:
        return Refusal("the operand has too many readers to look for a dot among them")
    for other in rhs.readers:
        if other is m.root or other.operands != (rhs, lhs) or not is_plain_dot(other):
            continue
        earlier = dot_of(other)
        names = dict(zip((*earlier.lhs, *earlier.rhs), (*found.rhs, *found.lhs), strict=False))
        if not same_arithmetic(m.root, other) or not _is_renaming(earlier, found, names):
            continue
        if _is_before(other, m.root):
            order = [names[label] for label in earlier.out]
            return transpose(other.result, [order.index(label) for label in found.out])
    return Refusal("no dot before it has the same operands in the other order")


def _is_renaming(earlier: Dot, found: Dot, names: dict[int, int]) -> bool:
    pairs = {*zip(earlier.lhs, found.rhs, strict=True), *zip(earlier.rhs, found.lhs, strict=True)}
    one_to_one = len(pairs) == len(names) == len(set(names.values()))
    return one_to_one and {names[label] for label in earlier.out} == set(found.out)


def _is_before(first: object, then: object) -> bool:
    parent = getattr(first, "parent", None)
    if parent is None or parent is not getattr(then, "parent", None):
        return False
    return next(one for one in parent if one is first or one is then) is first


def _dot_of_reversed(m: Match) -> Replacement:
    """The dot of what was reversed, where both operands were along what is added up."""
    found = dot_of(m.root)
    if is_complex(m.root):
        return Refusal(UNSTEADY)
    turned = [{found.lhs[d] for d in m.d}, {found.rhs[d] for d in m.e}]
    if turned[0] != turned[1] or not turned[0] <= found.contracted:
        return Refusal("the operands are not reversed alike")
    return like(m.root, (m.x, m.y))[0]


def _dot_without_units(m: Match) -> Replacement:
    """The dot without dimensions of size one, but for a contraction that has no other."""
    found = dot_of(m.root)
    sizes = {
        n: s for value, labels in found.sides for n, s in zip(labels, shape(value), strict=True)
    }
    units = {label for label, size in sizes.items() if size == 1}
    summed = found.contracted
    if summed and summed <= units:
        units.discard(min(summed))
    if not units:
        return Refusal("no dimension has size one")
    sides: list[tuple[Term, Labels]] = []
    for value, labels in found.sides:
        kept = tuple(label for label in labels if label not in units)
        sides.append((reshape(value, [sizes[label] for label in kept]), kept))
    out = tuple(label for label in found.out if label not in units)
    return reshape(dot(*sides[0], *sides[1], out, m.root), shape(m.root.result))


RULES: Final = (
    Rule(
        name="dot-of-transpose",
        law="transpose(A) @ B = a dot over the other dimension of A",
        pattern=op.dot_general(MOVED, y) | op.dot_general(y, MOVED),
        replace=_dot_of_transpose,
        numerics=Numerics.ROUNDING,
        transparent=True,
        guards=(steady,),
        examples=(
            example(lambda w, v: w.T @ v, "f32[m,n]", "f32[m]"),
            example(lambda a, b: a.T @ b.T, "f32[k,m]", "f32[n,k]"),
            example(
                lambda q, k: q @ k.swapaxes(2, 3),
                "f32[2,3,s,4]",
                "f32[2,3,5,4]",
            ),
        ),
        rejects=(
            example(
                lambda q, k: q.swapaxes(1, 2) @ jnp.transpose(k, (0, 2, 3, 1)),
                "f32[2,s,3,4]",
                "f32[2,5,3,4]",
                reason="to the front again",
            ),
            example(
                lambda w, v: lax.dot(w.T, v, precision=("highest", "default")),
                "f32[m,n]",
                "f32[m]",
                reason="treated unlike",
            ),
        ),
        elsewhere=(
            "Grappler: FoldTransposeIntoMatMul; ONNX Runtime: MatmulTransposeFusion; "
            "Relax: FuseTransposeMatmul; Enzyme-JAX: DotTranspose; XLA: but for vectors"
        ),
    ),
    Rule(
        name="transpose-of-dot",
        law="transpose(A @ B) = transpose(B) @ transpose(A), as one dot",
        pattern=op.transpose(op.dot_general.any().named("dot"), permutation=var("p")),
        replace=_transpose_of_dot,
        numerics=Numerics.ROUNDING,
        transparent=True,
        guards=(steady,),
        examples=(example(lambda a, b: (a @ b).T, "f32[m,k]", "f32[k,n]"),),
        rejects=(
            example(
                lambda a, b: lax.dot(a, b, precision=("highest", "default")).T,
                "f32[m,k]",
                "f32[k,n]",
                reason="treated unlike",
            ),
        ),
        elsewhere="Enzyme-JAX: TransposeDotReorder, TransposeEinsum",
    ),
    Rule(
        name="transpose-of-gram",
        law="transpose(A @ transpose(A)) = A @ transpose(A)",
        pattern=op.transpose(op.dot_general(x, x).named("dot").shared(), permutation=var("p")),
        replace=_gram_transposed,
        numerics=Numerics.ROUNDING,
        transparent=True,
        guards=(steady,),
        examples=(
            example(
                lambda a: (lambda s: jnp.sin(s) + s.T)(
                    lax.dot_general(a, a, (((1,), (1,)), ((), ())))
                ),
                "f32[m,k]",
            ),
        ),
        rejects=(
            example(
                lambda a: (lambda s: jnp.sin(s) + s.T)(
                    lax.dot_general(
                        a, a, (((1,), (1,)), ((), ())), precision=("highest", "default")
                    )
                ),
                "f32[m,k]",
                reason="treated unlike",
            ),
        ),
        elsewhere="Enzyme-JAX: TransposeSymmetricSimplify, TransposeSyrkToSyrk",
    ),
    Rule(
        name="dot-twice",
        law="B^T @ A^T = transpose(A @ B), where A @ B is there already",
        pattern=op.dot_general(x, y),
        replace=_dot_twice,
        numerics=Numerics.ROUNDING,
        transparent=True,
        examples=(
            example(
                lambda a, b: (
                    jnp.sin(a @ b),
                    jnp.cos(lax.dot_general(b, a, (((0,), (1,)), ((), ())))),
                ),
                "f32[m,k]",
                "f32[k,n]",
                k=64,
            ),
        ),
        rejects=(
            example(
                lambda a, b: (
                    jnp.sin(a @ b),
                    jnp.cos(
                        lax.dot_general(
                            b, a, (((0,), (1,)), ((), ())), precision=("highest", "default")
                        )
                    ),
                ),
                "f32[m,k]",
                "f32[k,n]",
                reason="no dot before it",
            ),
        ),
    ),
    Rule(
        name="dot-without-units",
        law="a dot over dimensions of size one is the dot without them",
        pattern=op.dot_general(x, y),
        replace=_dot_without_units,
        numerics=Numerics.ROUNDING,
        transparent=True,
        guards=(steady,),
        normal_form="dots without dimensions of size one",
        examples=(
            example(lambda a, b: jnp.einsum("bij,bjk->bik", a, b), "f32[1,m,k]", "f32[1,k,n]"),
            example(lambda w, x: w @ x, "f32[m,k]", "f32[k,1]"),
        ),
        rejects=(
            example(
                lambda a, b: lax.dot(a, b, precision=("highest", "default")),
                "f32[1,k]",
                "f32[k,n]",
                reason="treated unlike",
            ),
        ),
        elsewhere="Enzyme-JAX: DotGeneralRemoveBatchDimensions",
    ),
    Rule(
        name="dot-of-reversed",
        law="A[:, ::-1] @ B[::-1] = A @ B",
        pattern=op.dot_general(op.rev(x, dimensions=var("d")), op.rev(y, dimensions=var("e"))),
        replace=_dot_of_reversed,
        numerics=Numerics.ROUNDING,
        transparent=True,
        examples=(example(lambda a, b: a[:, ::-1] @ b[::-1], "f32[m,k]", "f32[k,n]"),),
    ),
)
