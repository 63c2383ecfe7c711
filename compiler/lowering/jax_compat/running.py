"""Running equations one by one, and the mutable arrays that they may write to."""

# pyright: reportPrivateUsage=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportAttributeAccessIssue=false

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import jax
from jax._src import core

from compiler.lowering.jax_compat.jaxprs import (
    Equation,
    Jaxpr,
    JaxprParts,
    build_jaxpr,
    no_debug_info,
)

_NEW_REF: Final[Callable[[Any], Any]] = getattr(jax, "new_ref", None) or jax.array_ref


_OP_BY_OP: Final = ("jax_debug_nans", "jax_debug_infs", "jax_disable_jit")


def runs_op_by_op() -> bool:
    """Whether JAX is set to run a user's function itself, and not a program made of it."""
    return any(getattr(jax.config, name) for name in _OP_BY_OP)


def jaxpr_function(jaxpr: Jaxpr) -> Callable[..., list[Any]]:
    """The function that binds the equations of a closed jaxpr, one after the other."""
    return core.jaxpr_as_fun(jaxpr)


def equation_function(equation: Equation) -> Callable[..., list[Any]]:
    """The function from an equation's operands to its results.

    Called outside every trace it runs the primitive by itself, under the equation's settings. The
    operands must be distinct variables.
    """
    info = no_debug_info()
    parts = JaxprParts([], [], equation.invars, equation.outvars, [equation], info, True)
    return jaxpr_function(build_jaxpr(parts))


def is_ref(value: object) -> bool:
    """Whether the value is a mutable array."""
    return isinstance(value, core.Ref)


def copy_ref(ref: Any) -> Any:
    """A mutable array of its own with the same contents."""
    return _NEW_REF(ref[...])
