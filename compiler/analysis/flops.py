"""The arithmetic of one op: one counting rule per family.

A multiplication, an addition, a comparison each count one FLOP whatever the element type; an op
that needs a series or a special unit counts one transcendental per element instead.
"""

from __future__ import annotations

from collections.abc import Callable
from math import log2, prod
from typing import Final, NamedTuple

from compiler.ir.graph import Operation, Value
from compiler.ir.types import ArrayType
from compiler.ops import parameters
from compiler.ops.collective import COLLECTIVES
from compiler.ops.definition import lookup
from compiler.ops.elementwise import ELEMENTWISE, TRANSCENDENTAL
from compiler.ops.indexing import SCATTERS
from compiler.ops.reduction import CUMULATIVE, ORDERING, REDUCTIONS


class Arithmetic(NamedTuple):
    """What an op computes, and whether the count is a law or an estimate."""

    flops: int = 0
    transcendentals: int = 0
    exact: bool = True


Rule = Callable[[Operation], Arithmetic]

NOTHING: Final = Arithmetic()
_MOVES: Final = frozenset({"shape", "indexing", "barrier", "control flow"})


def arithmetic_of(op: Operation) -> Arithmetic:
    """The arithmetic of one op without its regions."""
    rule = _RULES.get(op.name)
    if rule is not None:
        return rule(op)
    known = op.is_terminator or lookup(op.name).family in _MOVES
    return NOTHING if known else Arithmetic(exact=False)


def result_size(op: Operation) -> int:
    """The elements of the first result."""
    return elements(op.results[0])


def elements(value: Value) -> int:
    """How many elements a value has; none for tokens and references."""
    return value.type.size if isinstance(value.type, ArrayType) else 0


def _operand_size(op: Operation) -> int:
    return elements(op.operands[0])


def _nothing(op: Operation) -> Arithmetic:
    del op
    return NOTHING


def _per_element(op: Operation) -> Arithmetic:
    return Arithmetic(result_size(op))


def _transcendental(op: Operation) -> Arithmetic:
    return Arithmetic(0, result_size(op))


def _integer_pow(op: Operation) -> Arithmetic:
    """Squarings and multiplications of the binary powering, and a division for a negative power."""
    y = parameters.integer(op, "y")
    power = abs(y)
    products = max(power.bit_length() + power.bit_count() - 2, 0)
    return Arithmetic(result_size(op) * (products + (y < 0)))


def _reduction(op: Operation) -> Arithmetic:
    """n - 1 per output; a user's own combiner may be anything."""
    steps = max(_operand_size(op) - result_size(op), 0)
    return Arithmetic(steps, exact=op.name != "reduce")


def _cumulative(op: Operation) -> Arithmetic:
    shape = parameters.static_shape(op.operands[0])
    length = shape[parameters.integer(op, "axis")]
    steps = prod(shape) // max(length, 1) * max(length - 1, 0)
    exponentials = 2 * steps if op.name == "cumlogsumexp" else 0
    return Arithmetic(steps, exponentials, exact=not exponentials)


def _window(op: Operation) -> Arithmetic:
    elements = prod(parameters.integers(op, "window_dimensions"))
    return Arithmetic(result_size(op) * max(elements - 1, 0), exact=op.name != "reduce_window")


def _scatter_window(op: Operation) -> Arithmetic:
    """One comparison for each element of each window, and one addition for each window."""
    windows = _operand_size(op)
    return Arithmetic(windows * prod(parameters.integers(op, "window_dimensions")), exact=False)


def _ordering(op: Operation) -> Arithmetic:
    """n log n comparisons."""
    n = _operand_size(op)
    return Arithmetic(int(n * log2(max(n, 2))), exact=False)


def _dot(op: Operation) -> Arithmetic:
    """2·M·N·K for each batch."""
    (contracting, _), _ = parameters.dot_dimensions(op)
    shape = parameters.static_shape(op.operands[0])
    return Arithmetic(2 * result_size(op) * prod(shape[d] for d in contracting))


def _grouped_dot(op: Operation) -> Arithmetic:
    """As a dot over the left operand's last dimension; the groups are known only when it runs."""
    depth = parameters.static_shape(op.operands[0])[-1:]
    return Arithmetic(2 * result_size(op) * prod(depth), exact=False)


def _convolution(op: Operation) -> Arithmetic:
    """2·out·kernel·(input channels / groups), padding counted as if it were data."""
    output_feature = parameters.field(op, "dimension_numbers", "rhs_spec")[0]
    kernel = list(parameters.static_shape(op.operands[1]))
    del kernel[output_feature]
    return Arithmetic(2 * result_size(op) * prod(kernel))


def _scatter(op: Operation) -> Arithmetic:
    """One combination for each element of the updates."""
    combines = op.name != "scatter"
    return Arithmetic(elements(op.operands[2]) if combines else 0)


def _cubic(op: Operation) -> Arithmetic:
    """The order of magnitude of a matrix decomposition: m·n·min(m, n) for each batch."""
    shape = parameters.static_shape(op.operands[0])
    return Arithmetic(prod(shape) * min(shape[-2:], default=1), exact=False)


def _triangular_solve(op: Operation) -> Arithmetic:
    """n² for each right-hand side."""
    n = parameters.static_shape(op.operands[0])[-1]
    return Arithmetic(n * elements(op.operands[1]))


def _fourier(op: Operation) -> Arithmetic:
    """5·n·log2(n)."""
    lengths = parameters.integers(op, "fft_lengths")
    size = max(_operand_size(op), result_size(op))
    return Arithmetic(int(5 * size * log2(max(prod(lengths), 1))), exact=False)


def _random(op: Operation) -> Arithmetic:
    """About twenty rounds of five integer ops for each pair of words."""
    return Arithmetic(sum(elements(value) for value in op.results) * 50, exact=False)


_RULES: Final[dict[str, Rule]] = {
    **dict.fromkeys(ELEMENTWISE, _per_element),
    **dict.fromkeys(TRANSCENDENTAL, _transcendental),
    **dict.fromkeys(("complex", "conj", "imag", "real"), _nothing),
    **dict.fromkeys((*REDUCTIONS, "argmax", "argmin"), _reduction),
    **dict.fromkeys(CUMULATIVE, _cumulative),
    **dict.fromkeys(
        ("reduce_window", "reduce_window_max", "reduce_window_min", "reduce_window_sum"), _window
    ),
    **dict.fromkeys(("select_and_gather_add", "select_and_scatter_add"), _scatter_window),
    **dict.fromkeys(ORDERING, _ordering),
    **dict.fromkeys(SCATTERS, _scatter),
    **dict.fromkeys(COLLECTIVES, _nothing),
    **dict.fromkeys(("psum", "psum2", "psum_invariant", "pmax", "pmin"), _per_element),
    **dict.fromkeys(("cholesky", "eigh", "lu", "qr", "svd", "geqrf", "eig", "schur"), _cubic),
    **dict.fromkeys(("ragged_dot", "ragged_dot_general", "scaled_dot"), _grouped_dot),
    **dict.fromkeys(("random_bits", "rng_bit_generator", "threefry2x32"), _random),
    "conv_general_dilated": _convolution,
    "dot_general": _dot,
    "fft": _fourier,
    "integer_pow": _integer_pow,
    "triangular_solve": _triangular_solve,
}
