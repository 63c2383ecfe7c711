"""Ops that read or write an array at places that are known only when the program runs."""

from __future__ import annotations

from typing import Final

from compiler.ops import structural
from compiler.ops.definition import OpDef

FAMILY: Final = "indexing"

SCATTERS: Final = (
    "scatter",
    "scatter-add",
    "scatter-max",
    "scatter-min",
    "scatter-mul",
    "scatter-sub",
    "scatter_add",
    "scatter_max",
    "scatter_min",
    "scatter_mul",
    "scatter_sub",
)
"""The writes; JAX has spelled the combining ones both ways."""

DEFINITIONS: Final = (
    OpDef("dynamic_slice", FAMILY, evaluate=structural.evaluate_dynamic_slice),
    OpDef("dynamic_update_slice", FAMILY, evaluate=structural.evaluate_dynamic_update_slice),
    OpDef("gather", FAMILY),
    *(OpDef(name, FAMILY) for name in SCATTERS),
)
