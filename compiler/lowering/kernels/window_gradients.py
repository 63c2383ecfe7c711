"""The gradient of a max pool, place by place of its windows.

XLA's CPU backend computes it by a scatter, element by element, and needs five to eleven times the
array's memory for that. Here slices of the array find which place of its window was chosen, and
the sum over the few windows that share an element is one loop.
"""

# JAX annotates its functions in part only.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownParameterType=false

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product as all_places
from typing import Any, Final, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from compiler.ir.attributes import Opaque
from compiler.lowering.kernels.kernel import Evidence, Kernel, product
from compiler.lowering.kernels.windows import every, neutral, pool
from compiler.ops.parameters import integer_table, integers
from compiler.rewrite.expression import shape
from compiler.rewrite.match import Match
from compiler.rewrite.pattern import FLOAT, op, var
from compiler.rewrite.rule import Example, Refusal, example

MAX_PLACES: Final = 9
"""So many elements of a window are compared one after the other for its gradient."""


MIN_CHANNELS: Final = 16
"""So many elements lie in a row behind the windows: with fewer nothing vectorises."""


MIN_GRADIENT: Final = 1024
"""So many elements at least for a gradient, where enough of them lie in a row."""


MIN_SHARED: Final = 1 << 15
"""So many, where not but windows overlap."""


NOWHERE: Final = -1


_COMPARE: Final[dict[str, Callable[[Any, Any], Any]]] = {"ge": lax.ge, "le": lax.le}


def _spread(m: Match) -> Callable[..., Any] | Refusal:
    """Each element of the source where its window's chosen element was."""
    chooses = m.root.attributes["select_prim"]
    compare = _COMPARE.get(chooses.text) if isinstance(chooses, Opaque) else None
    if compare is None:
        return Refusal(f"windows choose by {chooses}")
    windows = _Windows(
        integers(m.root, "window_dimensions"),
        integers(m.root, "window_strides"),
        integer_table(m.root, "padding"),
        shape(m.source),
    )

    def spread(source: Any, operand: Any) -> Any:
        chosen = _chosen(operand, windows, compare)
        place = _apart if windows.are_apart else _shared
        found = place(source, chosen, windows)
        ends = zip(windows.padding, operand.shape, found.shape, strict=True)
        edges = [(-low, size + low - has, 0) for (low, _), size, has in ends]
        found = lax.pad(found, jnp.zeros((), found.dtype), edges)
        return found if windows.are_apart else _without_negative_zeros(found)

    return spread


class _Windows(NamedTuple):
    """Where windows lie, and how many there are along each axis."""

    sizes: tuple[int, ...]
    strides: tuple[int, ...]
    padding: tuple[tuple[int, ...], ...]
    counts: tuple[int, ...]

    @property
    def are_apart(self) -> bool:
        """Whether no two windows share an element."""
        return all(a <= b for a, b in zip(self.sizes, self.strides, strict=True))

    @property
    def number_type(self) -> type[np.integer[Any]]:
        """An integer that numbers the places of a window.

        Where windows share elements the numbers are stored, and small. Else they are computed
        where they are read, beside numbers of four bytes: of one byte they made the gradient of
        2 x 2 pools take 1.2 to 1.4 times as long.
        """
        is_small = product(self.sizes) < 128
        return np.int8 if is_small and not self.are_apart else np.int32


def _chosen(x: Any, windows: _Windows, compare: Callable[[Any, Any], Any]) -> Any:
    """For each window, the number of the place of its chosen element, padding included.

    As XLA chooses: one place after the other, the first stays while it compares well with the next;
    so whatever follows a nan takes its place.
    """
    worst = neutral(f"reduce_window_{'max' if compare is lax.ge else 'min'}", x.dtype)
    edges = [(low, high, 0) for low, high in windows.padding]
    padded = lax.pad(x, jnp.asarray(worst, x.dtype), edges)
    best: Any = None
    chosen: Any = jnp.zeros(windows.counts, windows.number_type)
    for number, place in enumerate(all_places(*map(range, windows.sizes))):
        part = padded
        for axis, start in enumerate(place):
            part = every(part, axis, start, windows.strides[axis], windows.counts[axis])
        if number == 0:
            best = part
            continue
        stays = compare(best, part)
        best = lax.select(stays, best, part)
        chosen = lax.select(stays, chosen, lax.full_like(chosen, number))
    return chosen


def _without_negative_zeros(x: Any) -> Any:
    """What XLA's sums, which start at 0.0, make of -0.0."""
    return lax.select(x == 0, lax.full_like(x, 0), x)


def _stored(numbers: Any) -> Any:
    """The same, in memory: XLA fuses no reduction of windows, not even one that changes nothing.

    Fused into the sum, every term would compute the chosen places again.
    """
    sizes = (*(1 for _ in numbers.shape), 2)
    least = np.iinfo(numbers.dtype).min
    edges = (*((0, 0) for _ in numbers.shape), (0, 1))
    start = np.asarray(least, numbers.dtype)
    return lax.reduce_window(numbers[..., None], start, lax.max, sizes, [1] * len(sizes), edges)[
        ..., 0
    ]


def _apart(source: Any, chosen: Any, windows: _Windows) -> Any:
    """What each window sends to its own stretch of elements, where none are shared.

    The result's axes are split into a window's number and the place within one stride.
    """
    sizes = [size for pair in zip(source.shape, windows.strides, strict=True) for size in pair]
    even = range(0, len(sizes), 2)
    hit = lax.broadcast_in_dim(chosen, sizes, even) == jnp.asarray(_numbers(windows))
    sent = lax.broadcast_in_dim(_without_negative_zeros(source), sizes, even)
    sent = lax.select(hit, sent, lax.full_like(sent, 0))
    return sent.reshape([a * b for a, b in zip(sizes[::2], sizes[1::2], strict=True)])


def _numbers(windows: _Windows) -> np.ndarray[Any, Any]:
    """The numbers of the places of one stride; NOWHERE behind the window's end."""
    rank = 2 * len(windows.sizes)
    found, is_past = np.zeros([1] * rank, np.int64), np.zeros([1] * rank, bool)
    for axis, (size, stride) in enumerate(zip(windows.sizes, windows.strides, strict=True)):
        row = np.arange(stride).reshape([-1 if i == 2 * axis + 1 else 1 for i in range(rank)])
        found = found * size + row
        is_past = is_past | (row >= size)
    return np.where(is_past, NOWHERE, found).astype(windows.number_type)


def _shared(source: Any, chosen: Any, windows: _Windows) -> Any:
    """The sum, over the windows that share an element, of what each sends to it."""
    chosen = _stored(chosen)
    phases = all_places(*map(range, windows.strides))
    parts = [_at_phase(source, chosen, windows, phase) for phase in phases]
    sizes = [size * stride for size, stride in zip(parts[0].shape, windows.strides, strict=True)]
    for axis in reversed(range(len(sizes))):
        stride = windows.strides[axis]
        groups = [parts[i : i + stride] for i in range(0, len(parts), stride)]
        parts = [jnp.stack(group, axis + 1) if stride > 1 else group[0] for group in groups]
    return parts[0].reshape(sizes)  # one reshape for all axes: with one for each XLA fuses less


def _at_phase(source: Any, chosen: Any, windows: _Windows, phase: Sequence[int]) -> Any:
    """The sums for the elements so far behind a multiple of the stride.

    Windows that start later reach an element by an earlier place; XLA adds up the earlier windows
    first.
    """
    ranges = zip(phase, windows.sizes, windows.strides, strict=True)
    places = [range(first, size, stride)[::-1] for first, size, stride in ranges]
    most = [-(-n // stride) - 1 for n, stride in zip(windows.sizes, windows.strides, strict=True)]
    sizes = [count + more for count, more in zip(windows.counts, most, strict=True)]
    total: Any = jnp.zeros(sizes, source.dtype)
    for place in all_places(*places):
        number = np.ravel_multi_index(place, windows.sizes)
        sent = lax.select(chosen == int(number), source, lax.full_like(source, 0))
        behind = [one // stride for one, stride in zip(place, windows.strides, strict=True)]
        edges = [(one, more - one, 0) for one, more in zip(behind, most, strict=True)]
        total = total + lax.pad(sent, jnp.zeros((), sent.dtype), edges)
    return total


def _has_several_windows(m: Match) -> str | None:
    """What a single window sends XLA writes, and does not add to 0.0: a -0.0 stays."""
    return None if product(shape(m.source)) != 1 else "there is one window only"


def _gradient_is_slow(m: Match) -> str | None:
    window, strides = integers(m.root, "window_dimensions"), integers(m.root, "window_strides")
    if not 2 <= product(window) <= MAX_PLACES:
        return f"a window has {product(window)} elements"
    size = product(shape(m.x))
    if any(a > b for a, b in zip(window, strides, strict=True)) and size >= MIN_SHARED:
        return None
    last = max(axis for axis, n in enumerate(window) if n > 1)
    if product(shape(m.x)[last + 1 :]) < MIN_CHANNELS:
        return "too few elements lie in a row behind the windows"
    return None if size >= MIN_GRADIENT else "the array is small"


def pool_gradient(size: int, stride: int, padding: str = "VALID", combine: Any = lax.max) -> Any:
    """What the gradient of a pool makes of the array and the gradient of the pool's result."""

    def gradient(x: Any, scale: Any) -> Any:
        pooled = jax.vjp(lambda x: pool(x, size, stride, padding, combine), x)
        return pooled[1](pooled[0] * scale)[0]

    return gradient


def _gradient(arguments: str, *setting: Any) -> Example:
    return example(pool_gradient(*setting), arguments, "f32")


KERNELS: Final = (
    Kernel(
        name="extreme-gradient-of-slices",
        law="each element gets the sum of what its windows send that chose it",
        pattern=op.select_and_scatter_add(var("source", FLOAT), var("x", FLOAT)),
        form=_spread,
        guards=(_has_several_windows,),
        pays=_gradient_is_slow,
        examples=(
            _gradient("f32[a,7,9,c]", 3, 2, "SAME"),
            _gradient("f32[a,7,9,c]", 2, 2),
            _gradient("f32[a,7,9,c]", 2, 3, "SAME"),
            _gradient("f32[a,7,9,c]", 2, 2, "SAME", lax.min),
        ),
        rejects=(_gradient("f32[1,3,3,1]", 3, 1),),
        evidence=(
            Evidence(_gradient("f32[16,64,64,32]", 2, 2), 10.2),
            Evidence(_gradient("f32[16,64,64,32]", 3, 2, "SAME"), 8.7),
            Evidence(_gradient("f32[16,64,64,32]", 3, 1, "SAME"), 5.1),
            Evidence(_gradient("f32[16,32,32,3]", 3, 2, "SAME"), 2.5),
        ),
    ),
)
