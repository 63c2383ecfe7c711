"""Random bits from Threefry keys, the twenty rounds of the cipher written out.

For a CPU JAX lowers the cipher to a loop of five steps, to keep the program small. Each step reads
and writes two numbers for each element, and another two that count them. Written out, the rounds
are one loop over the elements whose numbers stay in registers.
"""

# JAX annotates its functions in part only.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from compiler.lowering.kernels.fences import stored
from compiler.lowering.kernels.kernel import Evidence, Kernel, product
from compiler.ops.elementwise import ELEMENTWISE, TRANSCENDENTAL
from compiler.ops.parameters import integer, integers, number_type
from compiler.rewrite.expression import shape
from compiler.rewrite.match import Match
from compiler.rewrite.pattern import op, var
from compiler.rewrite.rule import example

MIN_SIZE: Final = 1 << 12
"""For fewer numbers of one key the loop is as good."""

MIN_OF_KEYS: Final = 1 << 9
"""For fewer numbers of several keys; from here on the loop, which is one of vectors then, takes 1.2
to 3 times as long, and 2 to 20 times as long to compile."""

MAX_COUNTED: Final = 1 << 32
"""So many numbers a counter of 32 bits tells apart."""

_SETTINGS: Final[Any] = jax.config
_CHEAP: Final = ELEMENTWISE - TRANSCENDENTAL | {
    *("bitcast_convert_type", "broadcast_in_dim", "convert_element_type", "reshape", "squeeze")
}
_ROTATIONS: Final = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY: Final = np.uint32(0x1BD11BDA)


def _written_out(m: Match) -> Callable[..., Any]:
    """The bits of one key, or of each of an array of keys."""
    sizes, width = integers(m.root, "shape"), integer(m.root, "bit_width")
    target = number_type(m.root.result)
    keep = (lambda x: x) if _has_one_reader(m) else stored

    def bits(keys: Any) -> Any:
        data = jax.random.key_data(keys)
        first, second = (jnp.expand_dims(data[..., i], _last(len(sizes))) for i in (0, 1))
        counts = lax.iota(np.uint32, product(sizes)).reshape(sizes)
        high, low = _cipher(first, second, counts)
        if width == 64:
            return high.astype(target) << target.type(32) | low.astype(target)
        return keep(lax.convert_element_type(high ^ low, target))

    return bits


def _last(count: int) -> tuple[int, ...]:
    return tuple(range(-count, 0))


def _has_one_reader(m: Match) -> bool:
    """Whether one loop reads the bits, and little is computed of them on the way to it."""
    reader = m.root.result.only_reader
    while reader is not None and reader.name in _CHEAP and len(reader.results) == 1:
        reader = reader.result.only_reader
    return reader is not None and reader.name not in TRANSCENDENTAL


def _cipher(first: Any, second: Any, counts: Any) -> tuple[Any, Any]:
    """Threefry-2x32 of the counters (0, counts) under the key (first, second)."""
    keys = (first, second, first ^ second ^ _PARITY)
    high, low = jnp.broadcast_to(first, jnp.broadcast_shapes(first.shape, counts.shape)), second
    low = counts + low
    for step in range(5):
        for distance in _ROTATIONS[step % 2]:
            high = high + low
            low = high ^ _rotated(low, distance)
        high = high + keys[(step + 1) % 3]
        low = low + (keys[(step + 2) % 3] + np.uint32(step + 1))
    return high, low


def _rotated(x: Any, distance: int) -> Any:
    return x << np.uint32(distance) | x >> np.uint32(32 - distance)


def _is_threefry(m: Match) -> str | None:
    """Whether each number is the cipher of its own place, as JAX has it by default."""
    kind = getattr(m.keys.type.dtype, "name", "")
    if kind != "key<fry>":
        return f"the keys are {kind}"
    if not _SETTINGS.jax_threefry_partitionable:
        return "jax_threefry_partitionable is off"
    counted = product(integers(m.root, "shape"))
    return None if counted <= MAX_COUNTED else "there are more numbers than 32 bits can count"


def _are_many(m: Match) -> str | None:
    found = product(shape(m.root.result))
    least = MIN_OF_KEYS if product(shape(m.keys)) > 1 else MIN_SIZE
    return None if found >= least else f"there are {found} numbers only"


def _bits(data: Any, x: Any, **options: Any) -> Any:
    return jax.random.bits(jax.random.wrap_key_data(data, **options), x.shape)


def _uniform(data: Any, x: Any) -> Any:
    return jax.random.uniform(jax.random.wrap_key_data(data), x.shape, x.dtype)


def _normal(data: Any, x: Any) -> Any:
    return jax.random.normal(jax.random.wrap_key_data(data), x.shape, x.dtype)


def _bits_of_keys(data: Any, x: Any) -> Any:
    return jax.vmap(lambda one: _bits(one, x))(data)


KERNELS: Final = (
    Kernel(
        name="threefry-written-out",
        law="random_bits(key)[i] = the cipher's rounds of (0, i), one after the other",
        pattern=op.random_bits(var("keys")),
        form=_written_out,
        context=_has_one_reader,
        guards=(_is_threefry,),
        pays=_are_many,
        examples=(
            example(_bits, "u32[2]", "f32[a,b]"),
            example(_bits, "u32[2]", "f32"),
            example(_uniform, "u32[2]", "f32[a]"),
            example(_bits_of_keys, "u32[a,2]", "f32[b,c]"),
        ),
        rejects=(example(lambda x, y: _bits(x, y, impl="rbg"), "u32[4]", "f32[a]"),),
        evidence=(
            Evidence(example(_uniform, "u32[2]", "f32[1024,1024]"), 3.5),
            Evidence(example(_uniform, "u32[2]", "f32[64,256]"), 2.9),
            Evidence(example(_normal, "u32[2]", "f32[1024,1024]"), 2.1),
            Evidence(example(_bits_of_keys, "u32[64,2]", "f32[48]"), 2.2),
        ),
    ),
)
