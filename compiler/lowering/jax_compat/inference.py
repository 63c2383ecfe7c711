"""Abstract evaluation of single primitives: what types an op's results have."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jax._src import config


def trace_settings() -> object:
    """All settings of JAX on which a trace made now depends; hashable."""
    return config.trace_context()


def result_avals(
    primitive: Any, avals: Sequence[Any], params: Mapping[str, Any]
) -> tuple[Any, ...]:
    """The abstract values of a primitive's results; raises whatever JAX raises."""
    found, _ = primitive.abstract_eval(*avals, **params)
    return tuple(found) if primitive.multiple_results else (found,)
