"""Large constants of a program as inputs that nobody sees, instead of text that XLA compiles.

XLA copies a constant several times on the way to an executable, looks through it for what it may
fold, and hashes it. As an input it is one array on the device.
"""

# JAX annotates its functions in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import Any, Final, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from compiler.lowering import jax_compat
from compiler.ops.definition import lookup

MIN_BYTES: Final = 1 << 20
"""A smaller constant stays one: XLA may fold it, and it costs nothing to speak of."""

MIN_TOTAL: Final = 1 << 25
"""Nothing is hoisted where all large constants together are smaller."""

MAX_GROWTH: Final = 2
"""What is computed beforehand takes at most so many times the bytes of what it is made from."""


class Hoisted(NamedTuple):
    """A program whose large constants are inputs in front of its own.

    Attributes:
        jaxpr: the program.
        arrays: what to pass; the program's own copies, as a compiled constant is one, so that
            nobody can delete, donate or change them. Equal arrays are one.
        places: which array each of the new inputs takes.
    """

    jaxpr: jax_compat.Jaxpr
    arrays: Sequence[jax.Array]
    places: Sequence[int]


def hoist_constants(jaxpr: jax_compat.Jaxpr) -> Hoisted | None:
    """Equal to the program at the same arguments; None where that is not worth it.

    Equations that depend on hoisted constants alone are computed here, once, unless they make
    more of little.

    Args:
        jaxpr: a closed jaxpr.
    """
    parts = jax_compat.split_jaxpr(jaxpr)
    pairs = list(zip(parts.constvars, parts.constants, strict=True))
    sizable = [(var, value) for var, value in pairs if _is_large(var, value)]
    windows = _windows(parts, [var for var, _ in sizable])
    large = [(var, value) for var, value in sizable if var not in windows]
    if sum(_nbytes(var.aval) for var, _ in large) < MIN_TOTAL:
        return None
    split = _split(parts, [var for var, _ in large])
    arrays, places = _distinct(_computed(split, [value for _, value in large]))
    hoisted = {var for var, _ in large}
    kept = [(var, value) for var, value in pairs if var not in hoisted]
    rest = parts._replace(
        constants=[value for _, value in kept],
        constvars=[var for var, _ in kept],
        invars=[*split.frontier, *parts.invars],
        equations=split.rest,
    )
    return Hoisted(jax_compat.build_jaxpr(rest), arrays, places)


class _Split(NamedTuple):
    """The equations of a jaxpr: those known beforehand, and those that need the arguments.

    Attributes:
        sources: the hoisted constants.
        known: what depends on them alone.
        frontier: the hoisted constants and known values that the rest reads.
        rest: all other equations.
    """

    sources: Sequence[Any]
    known: Sequence[jax_compat.Equation]
    frontier: Sequence[Any]
    rest: Sequence[jax_compat.Equation]


def _split(parts: jax_compat.JaxprParts, sources: Sequence[Any]) -> _Split:
    values: dict[Any, None] = dict.fromkeys(sources)
    known: list[jax_compat.Equation] = []
    rest: list[jax_compat.Equation] = []
    for equation in parts.equations:
        if not _is_known(equation, values):
            rest.append(equation)
            continue
        known.append(equation)
        values.update(dict.fromkeys(equation.outvars))
    read = {atom for equation in rest for atom in _variables(equation.invars)}
    read.update(_variables(parts.outvars))
    return _Split(sources, known, [var for var in values if var in read], rest)


def _windows(parts: jax_compat.JaxprParts, sources: Sequence[Any]) -> set[Any]:
    """The constants that a convolution reads, as they are or after equations known beforehand.

    XLA's CPU backend makes one call of a whole chain of convolutions whose windows are constants: a
    residual network of 80 MB took 1.1 to 1.5 times as long with its windows as inputs.
    """
    found = {
        var
        for equation in parts.equations
        if jax_compat.has_primitive(equation, "conv_general_dilated")
        for var in _variables(equation.invars)
    }
    for equation in reversed(_split(parts, sources).known):
        if any(var in found for var in equation.outvars):
            found.update(_variables(equation.invars))
    return found


def _is_known(equation: jax_compat.Equation, values: Iterable[Any]) -> bool:
    """Whether an equation may be computed once, beforehand, from known values."""
    operands = _variables(equation.invars)
    if equation.effects or not operands or any(var not in values for var in operands):
        return False
    meaning = lookup(equation.primitive.name)
    if not (meaning.pure and meaning.stable and jax_compat.is_builtin(equation.primitive)):
        return False
    made = [var.aval for var in equation.outvars]
    if not all(isinstance(getattr(aval, "dtype", None), np.dtype) for aval in made):
        return False
    return sum(map(_nbytes, made)) <= MAX_GROWTH * sum(_nbytes(var.aval) for var in set(operands))


def _computed(split: _Split, values: Sequence[Any]) -> list[jax.Array]:
    """The arrays of the frontier, each one that belongs to nobody else, on no particular device."""
    with jax.transfer_guard("allow"):  # jit's own way to hand them over is not seen by the guard
        own = [jnp.array(np.asarray(value)) for value in values]
    jax.block_until_ready(own)  # the copies are made later otherwise, of what may have changed
    if not split.known:
        held = dict(zip(split.sources, own, strict=True))
        return [held[var] for var in split.frontier]
    info = jax_compat.no_debug_info()
    outputs = list(split.frontier)
    parts = jax_compat.JaxprParts([], [], split.sources, outputs, split.known, info, closed=True)
    return jax.jit(jax_compat.jaxpr_function(jax_compat.build_jaxpr(parts)))(*own)


def _distinct(arrays: Sequence[jax.Array]) -> tuple[list[jax.Array], list[int]]:
    """The arrays, of equal ones the first, and where each of them is."""
    kept: list[jax.Array] = []
    places: list[int] = []
    alike: dict[Hashable, list[int]] = {}
    for array in arrays:
        bits = _bits(array)
        candidates = alike.setdefault((array.shape, array.dtype, bits[:256].tobytes()), [])
        same = (i for i in candidates if np.array_equal(bits, _bits(kept[i])))
        place = next(same, len(kept))
        if place == len(kept):
            candidates.append(place)
            kept.append(array)
        places.append(place)
    return kept, places


def _bits(array: jax.Array) -> Any:
    return np.asarray(array).reshape(-1).view(np.uint8)


def _is_large(var: Any, value: Any) -> bool:
    """Whether a constant is a plain array on one device, and large.

    The copy that is passed has the type of a plain array: not weak, no wider than is set, in the
    device's own memory, without a sharding in its type. A constant of another type stays one.
    """
    dtype, aval = getattr(value, "dtype", None), var.aval
    if not isinstance(dtype, np.dtype) or dtype != jax.dtypes.canonicalize_dtype(dtype):
        return False
    if aval != jax_compat.make_shaped(np.shape(value), dtype, weak_type=False):
        return False
    if isinstance(value, jax.Array) and len(value.sharding.device_set) > 1:
        return False
    return _nbytes(aval) >= MIN_BYTES


def _nbytes(aval: Any) -> int:
    return int(np.prod(aval.shape)) * int(aval.dtype.itemsize)


def _variables(atoms: Sequence[Any]) -> list[Any]:
    return [atom for atom in atoms if not jax_compat.is_literal(atom)]
