"""Kernels forced on a program, beside what plain jit gives, and numbers with many edges."""

from __future__ import annotations

import jax
import numpy as np

from compiler.lowering.kernels import KERNELS
from compiler.lowering.rule_cases import apply, function_of, graph_of

EDGES = (np.nan, np.inf, -np.inf, -0.0, 0.0, 1.0)


def numbers(seed, shape, share):
    rng = np.random.default_rng(seed)
    x = np.round(rng.normal(size=shape)).astype(np.float32)
    return np.where(rng.random(shape) < share, rng.choice(np.array(EDGES, np.float32), shape), x)


def both(name, function, *arguments):
    """What plain jit gives, and what the kernel gives where it is forced."""
    outcome = apply(KERNELS[name].rule(always=True), graph_of(function, arguments))
    assert outcome.log.firings
    (found,) = jax.jit(function_of(outcome.graph))(*arguments)
    return np.asarray(jax.jit(function)(*arguments)), np.asarray(found)
