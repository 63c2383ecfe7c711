"""From names back to JAX's objects, for graphs read from text."""

# pyright: reportPrivateUsage=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import contextlib
import importlib
import sys
import warnings
from collections.abc import Iterator
from functools import cache
from typing import Any

from jax import lax
from jax._src import core
from jax._src.named_sharding import UNSPECIFIED, UnspecifiedValue

_CLASSES: tuple[type, ...] = (
    lax.GatherDimensionNumbers,
    lax.ScatterDimensionNumbers,
    lax.ConvDimensionNumbers,
    lax.GatherScatterMode,
    lax.Precision,
    lax.RoundingMethod,
    lax.RandomAlgorithm,
    lax.AccuracyMode,
)


_LATER: tuple[str, ...] = tuple(
    f"jax.experimental.{name}"
    for name in (
        *("buffer_callback", "compute_on", "fused", "pallas", "pallas.tpu", "pallas.triton"),
        *("rnn", "scheduling_groups", "shard_alike", "sparse", "xla_metadata"),
    )
)
"""Modules that define primitives and that ``import jax`` does not load."""


def _held_by_jax() -> Iterator[Any]:
    """Every primitive that a loaded module of JAX holds; that is all of JAX's own."""
    for name, module in tuple(sys.modules.items()):
        if name.startswith("jax."):
            for value in tuple(vars(module).values()):
                if isinstance(value, core.Primitive):
                    yield value


@cache
def _primitives() -> dict[str, Any]:
    return {primitive.name: primitive for primitive in _held_by_jax()}


@cache
def _all_primitives() -> dict[str, Any]:
    """Those of the modules too that ``import jax`` leaves out."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in _LATER:
            with contextlib.suppress(Exception):  # not in this version, or not on this platform
                importlib.import_module(name)
    return {primitive.name: primitive for primitive in _held_by_jax()} | _primitives()


def primitive_by_name(name: str) -> Any:
    """JAX's own primitive of that name, or None."""
    return _primitives().get(name) or _all_primitives().get(name)


def primitive_names() -> list[str]:
    """The names of all of JAX's own primitives."""
    return sorted(_all_primitives())


@cache
def is_builtin(primitive: Any) -> bool:
    """Whether the primitive is JAX's own and not another library's of the same name."""
    if _primitives().get(primitive.name) is primitive:
        return True
    return any(own is primitive for own in _held_by_jax())  # of a module loaded since


def class_by_name(name: str) -> type | None:
    """The class of a parameter that prints as a record or an enumeration."""
    return next((cls for cls in _CLASSES if cls.__name__ == name), None)


def is_unspecified(value: object) -> bool:
    """Whether the value is jit's word for a sharding that nobody gave."""
    return isinstance(value, UnspecifiedValue)


def unspecified() -> object:
    """jit's word for a sharding that nobody gave."""
    return UNSPECIFIED
