"""Ops that exchange data between devices.

A collective gives the same results for the same operands, so an equal one that ran before serves
as well. Every device must take part in the same ones in the same order: whoever drops or merges one
does so in the one program that all devices run. None may be moved into or out of a branch.
"""

from __future__ import annotations

from typing import Final

from compiler.ops.definition import OpDef

FAMILY: Final = "collective"

COLLECTIVES: Final = (
    "all_gather",
    "all_gather_invariant",
    "all_gather_reduced",
    "all_to_all",
    "pbroadcast",
    "pgather",
    "pmax",
    "pmin",
    "ppermute",
    "psum",
    "psum2",
    "psum_invariant",
    "ragged_all_to_all",
    "reduce_scatter",
    "unreduced_pmax",
    "unreduced_pmin",
    "unreduced_psum",
    "unreduced_reduce_scatter",
)
"""Ops that move bytes between devices."""

# These change only what the type says of the devices that hold a value.
_CASTS: Final = (
    "pcast",
    "preduced",
    "pvary",
    "reduced_vary_cast",
    "reduced_vary_cast_p",
    "vary_unreduced_cast",
    "vary_unreduced_cast_p",
)

DEFINITIONS: Final = (
    OpDef("axis_index", FAMILY),
    *(OpDef(name, FAMILY) for name in COLLECTIVES),
    *(OpDef(name, FAMILY) for name in _CASTS),
)
