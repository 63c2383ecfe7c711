"""Symbolic sizes: what they are at given numbers, and the derivative rules that close over them."""

# pyright: reportPrivateUsage=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, cast

from jax import export
from jax._src import core, linear_util

Sizes = Mapping[str, int]
InconclusiveSize: type[Exception] = core.InconclusiveDimensionOperation
"""What JAX raises where a program asks which of two symbolic sizes is larger."""


def is_symbolic(value: object) -> bool:
    """Whether the value is a symbolic size."""
    return bool(export.is_symbolic_dim(cast(Any, value)))


def symbol_names(dim: Any) -> frozenset[str]:
    """The names in a symbolic size."""
    return frozenset(dim._get_vars())


def size_at(dim: Any, sizes: Sizes) -> int:
    """A symbolic size as a number.

    Raises:
        KeyError: a name in it has no size.
    """
    missing = symbol_names(dim) - sizes.keys()
    if missing:
        raise KeyError(", ".join(sorted(missing)))
    return int(dim._evaluate(dict(sizes)))


def is_aval(value: object) -> bool:
    """Whether the value is an abstract value."""
    return isinstance(value, core.AbstractValue)


def aval_at(aval: Any, sizes: Sizes) -> Any:
    """An abstract value whose symbolic sizes are numbers."""
    inner = getattr(aval, "inner_aval", None)
    if inner is not None:
        return aval.update(inner_aval=aval_at(inner, sizes))
    shape = getattr(aval, "shape", ())
    if not any(is_symbolic(dim) for dim in shape):
        return aval
    return aval.update(
        shape=tuple(size_at(dim, sizes) if is_symbolic(dim) else dim for dim in shape)
    )


def is_rule(value: object) -> bool:
    """Whether the value is a function in the form in which JAX keeps derivative rules."""
    return isinstance(value, linear_util.WrappedFun)


def rule_at(rule: Any, at_sizes: Callable[[Any], Any]) -> Any:
    """A derivative rule whose types, and those of the jaxprs it returns, have numbers as sizes.

    JAX traces such a rule when somebody differentiates, at the types of the equation's own trace.

    Args:
        rule: the wrapped function.
        at_sizes: gives numbers to the symbolic sizes of any parameter.
    """
    inner = _closed_over(rule.f_transformed, at_sizes)

    def at_numbers(*args: Any, **kwargs: Any) -> Any:
        return at_sizes(inner(*args, **kwargs))

    return linear_util.wrap_init(at_numbers, debug_info=rule.debug_info)


def _closed_over(function: Any, at_sizes: Callable[[Any], Any]) -> Any:
    """The transformations of a rule hold types in their arguments."""
    if not isinstance(function, partial):
        return function
    known = cast("partial[Any]", function)
    args = [_closed_over(arg, at_sizes) if callable(arg) else at_sizes(arg) for arg in known.args]
    return partial(known.func, *args, **known.keywords)
