"""What is measured: a program, its arguments, and what it is an example of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

Array = jax.Array


@dataclass(frozen=True, slots=True)
class Call:
    """A function to compile, what to call it with, and which arguments it gives away."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    donated: tuple[int, ...] = ()


def _as_it_is(value: Any) -> Any:
    return value


@dataclass(frozen=True, slots=True)
class ByHand:
    """What somebody would write instead.

    Attributes:
        function: of the same arguments and results; None where the workload's own is as good.
        kept: the form in which it keeps arguments and results from call to call.
    """

    function: Callable[..., Any] | None = None
    kept: Callable[[Any], Any] = _as_it_is

    def call(self, call: Call) -> Call:
        """The call of a workload as it is written by hand."""
        arguments = tuple(map(self.kept, call.arguments))
        return Call(self.function or call.function, arguments, call.donated)


@dataclass(frozen=True, slots=True)
class Workload:
    """One row of the table.

    Attributes:
        name: what the row is called; nothing is decided by it.
        make: makes the call; sizes and seeds are fixed.
        peer: what the peers call the same model on the same shapes; empty where there is none.
        level: the numerics level of the law that it is an example of; empty for the suite's own.
        lead: how many times as fast a rewriting by hand was on another machine; 0 where none was.
        by_hand: that rewriting, which is measured in the same run; None where there is none.
    """

    name: str
    make: Callable[[], Call]
    peer: str = ""
    level: str = ""
    lead: float = 0.0
    by_hand: ByHand | None = None


def normal(seed: int, *shape: int, scale: float = 1.0) -> Array:
    """Random numbers of the standard normal distribution, scaled."""
    return jax.random.normal(jax.random.key(seed), shape) * jnp.float32(scale)
