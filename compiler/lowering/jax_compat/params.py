"""Parameters of primitives that differ between versions, in one form for all of them."""

# pyright: reportPrivateUsage=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from typing import Any, Final

from jax._src.lax.control_flow import loops

_GROUPS: Final = ("ft_in", "ft_out")
_SCAN_TAKES_TREES: Final = "ft_in" in inspect.signature(loops._scan_impl).parameters


def unify_params(primitive: Any, params: Mapping[str, Any]) -> Mapping[str, Any]:
    """The parameters as the graph holds them.

    A scan says how its operands fall into constants, carry and slices by two numbers. From jax 0.12
    on JAX says it by two trees, ``ft_in`` and ``ft_out``.
    """
    if primitive.name != "scan" or "ft_in" not in params:
        return params
    constants, carry, _ = params["ft_in"].unpack()
    rest = {name: value for name, value in params.items() if name not in _GROUPS}
    return {**rest, "num_consts": len(constants), "num_carry": len(carry)}


def restore_params(
    primitive: Any, params: dict[str, Any], operands: int, results: int
) -> dict[str, Any]:
    """The parameters as the installed JAX wants them, for that many operands and results."""
    if primitive.name != "scan" or not _SCAN_TAKES_TREES:
        return params
    constants, carry = params.pop("num_consts"), params.pop("num_carry")
    tree: Any = importlib.import_module("jax._src.flattree")
    slices = operands - constants - carry
    params["ft_in"] = tree.pack((tree.nones(constants), tree.nones(carry), tree.nones(slices)))
    params["ft_out"] = tree.pack((tree.nones(carry), tree.nones(results - carry)))
    return params
