"""Ops that give back what they took, and whose place or identity is their point.

Each may be dropped when nobody reads its result, but two are never made one, and one never two.
"""

from __future__ import annotations

from typing import Final

from compiler.ops.definition import OpDef

FAMILY: Final = "barrier"

_FRESH: Final = ("copy", "copy_p", "create_token", "after_all", "add_dependency")
_FENCES: Final = ("optimization_barrier", "name", "tie")
_PLACEMENT: Final = (
    "device_put",
    "layout_constraint",
    "mesh_cast",
    "relayout",
    "reshard",
    "sharding_constraint",
    "with_memory_space_constraint",
)

DEFINITIONS: Final = tuple(
    OpDef(name, FAMILY, stable=False) for name in (*_FRESH, *_FENCES, *_PLACEMENT)
)
