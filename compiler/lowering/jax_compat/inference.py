"""Abstract evaluation of single primitives: what types an op's results have."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import jax
from jax._src import config
from jax._src.mesh import empty_abstract_mesh


def trace_settings() -> object:
    """All settings of JAX on which a trace made now depends; hashable."""
    return config.trace_context()


@contextmanager
def own_settings() -> Generator[None]:
    """JAX as functions of ours are traced, whatever the user has set for functions of theirs.

    They stand under no mesh, calls and loops stay what they are, and arrays of other ranks are
    broadcast. Settings that say what numbers are, such as 64 bits, stay the user's.
    """
    with (
        jax.sharding.use_abstract_mesh(empty_abstract_mesh),
        jax.disable_jit(False),
        jax.numpy_rank_promotion("allow"),
        config.eager_constant_folding(False),
    ):
        yield


def result_avals(
    primitive: Any, avals: Sequence[Any], params: Mapping[str, Any]
) -> tuple[Any, ...]:
    """The abstract values of a primitive's results; raises whatever JAX raises."""
    found, _ = primitive.abstract_eval(*avals, **params)
    return tuple(found) if primitive.multiple_results else (found,)
