"""What a numerics class allows: the yardstick that a difference is held against.

``EXACT`` allows nothing. For the other classes no fixed tolerance will do: what another order of
additions may cost depends on how the program passes a rounding on. So that is measured. The graph
is run again with noise: every floating-point argument and the result of every op that rounds is
moved, at random, by as much as its rounding may be worth. How far an output moves is its yardstick,
in the largest norm over the output; it is never below one unit in the last place of the largest
element. A class allows a small multiple of it.

An op that adds up n terms is moved by √n units in the last place, any other by one. Ops that only
move, compare or choose elements round nothing and are left alone, and so are all integers: random
bits stay what they are.
"""

# jax and ml_dtypes annotate their functions in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import sqrt
from typing import Any, Final

import jax.numpy as jnp
import ml_dtypes
import numpy as np

from compiler.analysis.cost import cost_of
from compiler.analysis.flops import elements
from compiler.ir.attributes import Array
from compiler.ir.graph import Graph, Operation
from compiler.ir.walk import walk
from compiler.lowering import jax_compat
from compiler.lowering.arguments import Values, numeric_dtype
from compiler.lowering.compare import Difference, components, difference, host
from compiler.lowering.evaluate import Runner
from compiler.lowering.on_host import device_array
from compiler.ops.definition import lookup
from compiler.ops.indexing import SCATTERS
from compiler.rewrite.numerics import Numerics

MULTIPLES: Final[Mapping[Numerics, float]] = {
    Numerics.EXACT: 0.0,
    Numerics.ROUNDING: 8.0,
    Numerics.REASSOCIATE: 64.0,
    Numerics.FINITE: 64.0,
}
"""How many yardsticks each class allows."""

RUNS: Final = 3
"""Runs with noise: one alone may by chance move an output too little."""

_ROUNDING_FAMILIES: Final = frozenset({"elementwise", "reduction", "linear algebra"})
_ALSO_ROUNDING: Final = frozenset({"convert_element_type", *SCATTERS})
_NEVER_ROUNDING: Final = frozenset(
    [
        *("abs", "ceil", "clamp", "complex", "conj", "floor", "imag", "max", "min", "neg"),
        *("nextafter", "real", "reduce_precision", "round", "select_n", "sign"),
        *("approx_top_k", "cummax", "cummin", "reduce_max", "reduce_min", "reduce_window_max"),
        *("reduce_window_min", "select_and_scatter", "sort", "top_k"),
        *("scatter", "scatter-max", "scatter-min", "scatter_max", "scatter_min"),
    ]
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a difference is within what the numerics class allows.

    Attributes:
        difference: what was measured.
        allowed: the largest relative difference allowed, as far as that had to be measured: at
            least this; 0.0 where the bits must be the same, None where nothing differs.
        ok: whether it is within.
    """

    difference: Difference
    allowed: float | None
    ok: bool


class Noise:
    """Moves floating-point numbers by what their rounding may be worth.

    The noise of an op is the same each time it runs: an iteration that would come to rest still
    does.

    Args:
        graph: the graph that is going to run.
        seed: which noise.
    """

    def __init__(self, graph: Graph, seed: int) -> None:
        self._seed = seed
        self._numbers = {op: number for number, op in enumerate(walk(graph))}

    def argument(self, value: Any, number: int) -> Any:
        """An argument of the graph, moved."""
        return _moved(value, 1.0, np.random.default_rng((self._seed, 0, number)))

    def bind(self, op: Operation, operands: Values, run: Runner) -> Values:
        """The results of an op, moved if the op rounds: a ``Binder`` of the evaluator."""
        results = run(operands)
        ulps = rounding_of(op)
        if not ulps:
            return results
        rng = np.random.default_rng((self._seed, 1, self._numbers[op]))
        return [_moved(result, ulps, rng) for result in results]


class Yardstick:
    """What the numerics classes allow for the results of one graph on one set of arguments.

    Args:
        graph: the graph before any rewrite.
        run: its results under a noise.
        expected: its results without one.
    """

    def __init__(
        self, graph: Graph, run: Callable[[Noise], Sequence[Any]], expected: Sequence[Any]
    ) -> None:
        self._graph = graph
        self._run = run
        self._expected = expected

    def verdicts(
        self, found: Sequence[Any], numerics: Numerics, expected: Sequence[Any] | None = None
    ) -> list[Verdict]:
        """Judges results by a numerics class.

        Args:
            found: the results to judge.
            numerics: the class.
            expected: what they should be; None for what the graph gives op by op. Compiled results
                are judged against other compiled ones.
        """
        pairs = zip(self._expected if expected is None else expected, found, strict=True)
        return [self._verdict(i, difference(a, b), numerics) for i, (a, b) in enumerate(pairs)]

    def _verdict(self, index: int, found: Difference, numerics: Numerics) -> Verdict:
        if numerics is Numerics.EXACT:
            return Verdict(found, 0.0, found.same_bits)
        if found.same_bits:
            return Verdict(found, None, True)
        expected = components(host(self._expected[index]))
        if not jnp.issubdtype(expected.dtype, np.inexact):
            undecided = any(not move.same_bits for move in self._moves_of(index))
            return Verdict(found, float("inf") if undecided else 0.0, undecided)
        scale = _largest(expected)
        least = MULTIPLES[numerics] * scale * _epsilon(expected)
        if found.absolute <= least and not found.misplaced:
            return Verdict(found, MULTIPLES[numerics] * _epsilon(expected), True)
        moves = self._moves_of(index)
        allowed = max(least, MULTIPLES[numerics] * max(move.absolute for move in moves))
        loose = numerics is Numerics.FINITE or any(move.misplaced for move in moves)
        ok = found.absolute <= allowed and (loose or not found.misplaced)
        return Verdict(found, allowed / scale if scale else float("inf"), ok)

    def _moves_of(self, index: int) -> list[Difference]:
        return [noisy[index] for noisy in self._moves]

    @cached_property
    def _moves(self) -> list[list[Difference]]:
        """How far each output moves, for each noise."""
        noises = [Noise(self._graph, seed) for seed in range(RUNS)]
        return [
            [difference(a, b) for a, b in zip(self._expected, self._run(noise), strict=True)]
            for noise in noises
        ]


def rounding_of(op: Operation) -> float:
    """By how many units in the last place the op's rounding may move its result; 0 for none."""
    family = lookup(op.name).family
    rounds = bool(op.regions) or family in _ROUNDING_FAMILIES or op.name in _ALSO_ROUNDING
    if not rounds or op.name in _NEVER_ROUNDING or not op.results or _is_lossless_conversion(op):
        return 0.0
    size = max((elements(value) for value in op.results), default=1)
    return max(1.0, sqrt(cost_of(op).flops / max(size, 1)))


def _is_lossless_conversion(op: Operation) -> bool:
    """Whether it is a conversion, to a type that has every number of the operand's type."""
    if op.name != "convert_element_type":
        return False
    source, target = (numeric_dtype(value.type) for value in (op.operands[0], op.result))
    if source is None or target is None or not jnp.issubdtype(source, np.inexact):
        return True
    return bool(jnp.promote_types(source, target) == target)


def _moved(value: Any, ulps: float, rng: np.random.Generator) -> Any:
    """The array with each floating-point element moved up or down by so many units."""
    if jax_compat.is_ref(value):
        return value
    array = host(value)
    if not jnp.issubdtype(array.dtype, np.inexact) or not array.size:
        return value
    parts = components(array)
    signs = rng.integers(0, 2, parts.shape) * 2 - 1
    with np.errstate(all="ignore"):
        moved = parts.astype(np.float64) * (1.0 + signs * ulps * _epsilon(parts))
    return device_array(moved.astype(parts.dtype).view(array.dtype).reshape(array.shape))


def _largest(array: Array) -> float:
    """The largest finite magnitude."""
    with np.errstate(all="ignore"):
        wide = np.abs(array.astype(np.float64))
    return float(wide[np.isfinite(wide)].max(initial=0.0))


def _epsilon(array: Array) -> float:
    return float(ml_dtypes.finfo(array.dtype).eps)
