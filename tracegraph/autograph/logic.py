"""``and``, ``or``, ``not``, chained comparison, ``assert``: Python's own where values are known."""

# JAX annotates its functions in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

import operator
import sys
from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp

from compiler.lowering import jax_compat
from tracegraph.autograph import values
from tracegraph.autograph.conditionals import if_exp
from tracegraph.autograph.errors import control_flow_error

jax_compat.hide_frames(__file__)

_COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "Lt": operator.lt,
    "LtE": operator.le,
    "Gt": operator.gt,
    "GtE": operator.ge,
    "Eq": operator.eq,
    "NotEq": operator.ne,
    "Is": operator.is_,
    "IsNot": operator.is_not,
    "In": lambda item, holder: item in holder,
    "NotIn": lambda item, holder: item not in holder,
}


def and_(first: Callable[[], Any], second: Callable[[], Any]) -> Any:
    """``first and second``: the first operand if it is false, else the second."""
    left = first()
    known = values.truth(left)
    if known is not None:
        return second() if known else left
    return _decided(left, lambda: second(), lambda: left, jnp.logical_and)


def or_(first: Callable[[], Any], second: Callable[[], Any]) -> Any:
    """``first or second``: the first operand if it is true, else the second."""
    left = first()
    known = values.truth(left)
    if known is not None:
        return left if known else second()
    return _decided(left, lambda: left, lambda: second(), jnp.logical_or)


def _decided(
    left: Any, true: Callable[[], Any], false: Callable[[], Any], boolean: Callable[..., Any]
) -> Any:
    """One operand or the other, by the traced truth of the first."""
    if left.dtype != bool or left.shape:
        return if_exp(left, true, false, "and/or")
    both = boolean is jnp.logical_and
    right = true() if both else false()
    if isinstance(right, bool) or (values.is_array(right) and right.dtype == bool):
        return boolean(left, right)
    if both:
        return if_exp(left, lambda: right, lambda: left, "and/or")
    return if_exp(left, lambda: left, lambda: right, "and/or")


def not_(operand: Any) -> Any:
    """``not operand``."""
    known = values.truth(operand)
    return jnp.logical_not(values.scalar_test(operand)) if known is None else not known


def compare(left: Any, names: Sequence[str], operands: Sequence[Callable[[], Any]]) -> Any:
    """``a < b < c``: each operand evaluated once, and none after the first that decides."""
    right = operands[0]()
    first = _COMPARISONS[names[0]](left, right)
    if len(operands) == 1:
        return first
    return and_(lambda: first, lambda: compare(right, names[1:], operands[1:]))


def refuted(test: Any) -> bool:
    """Whether an assertion does not hold.

    Raises:
        ControlFlowError: that is known only when the program runs.
    """
    known = values.truth(test)
    if known is not None:
        return not known
    raise control_flow_error(
        "an assert on a traced value cannot be checked while the function is traced",
        hint="use jax.experimental.checkify.check, or jax.debug.callback with a function that "
        "raises, or assert on shapes and dtypes",
    )


def caught() -> BaseException | None:
    """The error that is being handled."""
    return sys.exception()
