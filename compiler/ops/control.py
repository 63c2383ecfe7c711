"""Ops that run regions: branches, loops, calls and functions with rules of their own.

Such an op does nothing by itself. What may be done with it follows from the ops inside, which the
questions in ``compiler.ops.definition`` look at; effects of a jaxpr that is not a region (kept in
an opaque attribute) show up as effects of the op.
"""

from __future__ import annotations

from typing import Final

from compiler.ops.definition import OpDef

FAMILY: Final = "control flow"

_NAMES: Final = (
    "closed_call",
    "cond",
    "core_call",
    "custom_dce_call",
    "custom_jvp_call",
    "custom_lin",
    "custom_linear_solve",
    "custom_transpose_call",
    "custom_vjp_call",
    "custom_vjp_call_jaxpr",
    "custom_vmap_call",
    "jit",
    "linear_call",
    "pjit",
    "scan",
    "shard_map",
    "while",
)

# Rematerialisation is asked for in order to compute twice: merging two of them undoes it.
_REMATERIALISING: Final = ("checkpoint", "remat", "remat2", "remat_opt")

DEFINITIONS: Final = (
    *(OpDef(name, FAMILY) for name in _NAMES),
    *(OpDef(name, FAMILY, stable=False) for name in _REMATERIALISING),
    OpDef("platform_index", FAMILY),
)
