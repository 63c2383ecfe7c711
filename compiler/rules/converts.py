"""Conversions that lose nothing, and casts of bits there and back."""

# JAX annotates its functions in part only.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from typing import Any, Final

import jax.numpy as jnp
import ml_dtypes
import numpy as np
from jax import lax

from compiler.ops.parameters import element_kind
from compiler.rewrite.expression import dtype, like, shape
from compiler.rewrite.match import Match
from compiler.rewrite.pattern import op, var
from compiler.rewrite.rule import Refusal, Replacement, Rule, example

x = var("x")


def _convert_once(m: Match) -> Replacement:
    first, then, last = dtype(m.x), dtype(m.inner.result), dtype(m.root.result)
    if not _keeps_all(first, then):
        return Refusal(f"{then} does not hold every {first}")
    if last == first:
        return m.x
    if _is_float(then) and not _is_float(last):
        return Refusal("what becomes of a float that is no whole number depends on its type")
    return like(m.root, [m.x])[0]


def _keeps_all(source: np.dtype[Any], target: np.dtype[Any]) -> bool:
    """Whether each number of one element type is one of the other, and both are real."""
    if source.kind == "b":
        return target.kind != "c" and target != ml_dtypes.float8_e8m0fnu  # which has no zero
    if _is_float(source):
        return _is_float(target) and _holds_floats(source, target)
    if not _is_integer(source):
        return False
    given = ml_dtypes.iinfo(source)
    if _is_integer(target):
        wide = ml_dtypes.iinfo(target)
        return int(wide.min) <= int(given.min) and int(given.max) <= int(wide.max)
    largest = max(int(given.max), -int(given.min) - 1)
    return _is_float(target) and largest.bit_length() <= ml_dtypes.finfo(target).nmant + 1


def _holds_floats(source: np.dtype[Any], target: np.dtype[Any]) -> bool:
    given, wide = ml_dtypes.finfo(source), ml_dtypes.finfo(target)
    return (
        given.nmant <= wide.nmant
        and wide.minexp - wide.nmant <= given.minexp - given.nmant
        and given.maxexp <= wide.maxexp
    )


_FLOATS: Final = frozenset({"bfloat16", "float16", "float32", "float64"})


def _is_float(type: np.dtype[Any]) -> bool:
    return type.name in _FLOATS


def _is_integer(type: np.dtype[Any]) -> bool:
    return element_kind(type) in "iu"


def _cast_back(m: Match) -> Replacement:
    same = (shape(m.x), dtype(m.x)) == (shape(m.root.result), dtype(m.root.result))
    return m.x if same else Refusal("it is cast to another type")


RULES: Final = (
    Rule(
        name="convert-twice",
        law="convert(convert(x, wide), any) = convert(x, any) where wide holds every number of x",
        pattern=op.convert_element_type(op.convert_element_type(x).shared().named("inner")),
        replace=_convert_once,
        transparent=True,
        normal_form="a conversion starts from the original",
        examples=(
            example(lambda x: x.astype(jnp.float32).astype(jnp.bfloat16) + 1, "bf16[m,k]"),
            example(lambda x: (x > 1).astype(jnp.int32).astype(x.dtype), "f32[m,k]"),
            example(lambda x: x.astype(jnp.int32).astype(jnp.float32), "i8[m,k]"),
        ),
        rejects=(
            example(
                lambda x: x.astype(jnp.bfloat16).astype(jnp.float32),
                "f32[m]",
                reason="does not hold every",
            ),
            example(lambda x: x.astype(jnp.float32).astype(jnp.uint8), "i8[m]", reason="depends"),
        ),
        elsewhere="Grappler: RemoveRedundantCast; ONNX Runtime: CastElimination, "
        "CastChainElimination; Enzyme-JAX: ConvertConvertFloat, ConvertConvertInt; XLA: "
        "algebraic simplifier",
    ),
    Rule(
        name="bitcast-twice",
        law="bitcast(bitcast(x, t), type of x) = x",
        pattern=op.bitcast_convert_type(op.bitcast_convert_type(x).shared()),
        replace=_cast_back,
        normal_form="bits are cast once",
        examples=(
            example(
                lambda x: lax.bitcast_convert_type(lax.bitcast_convert_type(x, jnp.int16), x.dtype),
                "f32[m,k]",
            ),
        ),
        rejects=(
            example(
                lambda x: lax.bitcast_convert_type(
                    lax.bitcast_convert_type(x, jnp.int32), jnp.uint32
                ),
                "f32[m]",
                reason="another type",
            ),
        ),
        elsewhere="Grappler: RemoveRedundantBitcast; Enzyme-JAX: BitcastConvertCancellation; XLA",
    ),
)
