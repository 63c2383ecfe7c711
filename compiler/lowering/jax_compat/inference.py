"""Abstract evaluation of single primitives: what types an op's results have."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def result_avals(
    primitive: Any, avals: Sequence[Any], params: Mapping[str, Any]
) -> tuple[Any, ...]:
    """The abstract values of a primitive's results; raises whatever JAX raises."""
    found, _ = primitive.abstract_eval(*avals, **params)
    return tuple(found) if primitive.multiple_results else (found,)
