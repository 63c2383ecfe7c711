"""Parameters of primitives in one form for all versions, without those that say nothing.

A scan says how its operands fall into constants, carry and slices by two numbers. From jax 0.12 on
JAX says it by two trees. A nested jit carries nine parameters, and nearly always none of them
differs from what ``jax.jit`` without options gives: those are left out, and put back from a jit
equation that the installed JAX has made itself.
"""

# pyright: reportPrivateUsage=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownLambdaType=false

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, Final

import jax
from jax._src.lax.control_flow import loops
from jax.sharding import NamedSharding

_TREES: Final = ("ft_in", "ft_out")
_SCAN_TAKES: Final = frozenset(inspect.signature(loops._scan_impl).parameters)
_PER_OPERAND: Final = ("donated_invars", "in_shardings", "in_layouts")
_PER_RESULT: Final = ("out_shardings", "out_layouts")
_SAID: Final = ("jaxpr", "name")


def unify_params(primitive: Any, params: Mapping[str, Any]) -> Mapping[str, Any]:
    """The parameters as the graph holds them."""
    if primitive.name == "scan" and "ft_in" in params:
        constants, carry, _ = params["ft_in"].unpack()
        rest = {name: value for name, value in params.items() if name not in _TREES}
        return {**rest, "num_consts": len(constants), "num_carry": len(carry)}
    if primitive.name in ("jit", "pjit"):
        return {name: value for name, value in params.items() if not _is_default(name, value)}
    sharding = params.get("sharding")
    if isinstance(sharding, NamedSharding) and sharding.mesh.empty:
        return {**params, "sharding": None}  # jax 0.10 says so in every Jacobian
    return params


def restore_params(
    primitive: Any, params: dict[str, Any], operands: int, results: int
) -> dict[str, Any]:
    """The parameters as the installed JAX wants them, for that many operands and results."""
    if primitive.name == "scan":
        return _restore_scan(params, operands, results)
    if primitive.name not in ("jit", "pjit"):
        return params
    whole = dict(_plain_jit())
    whole |= {name: whole[name] * operands for name in _PER_OPERAND if name in whole}
    whole |= {name: whole[name] * results for name in _PER_RESULT if name in whole}
    return whole | params


def _restore_scan(params: dict[str, Any], operands: int, results: int) -> dict[str, Any]:
    """A text that another version wrote lacks what that version lacks, and has what it has."""
    optional = {"linear": (False,) * operands, "_split_transpose": False}
    whole = {name: value for name, value in optional.items() if name in _SCAN_TAKES}
    whole |= {
        name: value for name, value in params.items() if name not in optional or name in whole
    }
    return _with_trees(whole, operands, results) if "ft_in" in _SCAN_TAKES else whole


def _with_trees(params: dict[str, Any], operands: int, results: int) -> dict[str, Any]:
    constants, carry = params.pop("num_consts"), params.pop("num_carry")
    tree: Any = importlib.import_module("jax._src.flattree")
    slices = operands - constants - carry
    params["ft_in"] = tree.pack((tree.nones(constants), tree.nones(carry), tree.nones(slices)))
    params["ft_out"] = tree.pack((tree.nones(carry), tree.nones(results - carry)))
    return params


@cache
def _plain_jit() -> Mapping[str, Any]:
    """The parameters of a jit without options or mesh, of one operand and one result."""

    def trace() -> Any:
        return jax.jit(lambda x: jax.jit(jax.lax.neg)(x)).trace(1.0).jaxpr.eqns[0].params

    # A thread of its own, because the caller may stand in a ``with mesh`` or other settings. A mesh
    # that is set for the whole process is there too, and is no default.
    with ThreadPoolExecutor(1) as pool:
        params = pool.submit(trace).result()
    return {
        name: value
        for name, value in params.items()
        if name not in _SAID and getattr(value, "empty", True)
    }


def _is_default(name: str, value: Any) -> bool:
    plain = _plain_jit()
    if name not in plain:
        return False
    if name in _PER_OPERAND or name in _PER_RESULT:
        return all(_same(item, plain[name][0]) for item in value)
    return _same(value, plain[name])


def _same(value: Any, default: Any) -> bool:
    return value is default or (type(value) is type(default) and bool(value == default))
