"""The differential harness: one program, run with ``jax.jit`` and with ``tracegraph.function``.

A program is a function of the decorator. Whatever it returns, raises, prints or warns of must be
the same under both: structure, values, element types, weak types, shardings, committed or not,
error types, messages and the user's own lines in the traceback. Values are the same to the bit at
the numerics level ``exact``, and within a rounding at the default level.
"""

from __future__ import annotations

import contextlib
import functools
import io
import os
import re
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import jax
import numpy as np
import pytest

import compiler
import tracegraph as tg

Program = Callable[[Any], Any]

_ADDRESS: Final = re.compile(r"0x[0-9a-fA-F]{6,}")
_JAX: Final = os.path.dirname(jax.__file__)
_OURS: Final = tuple(os.path.dirname(str(module.__file__)) for module in (tg, compiler))
_HARNESS: Final = __file__


ROUNDINGS: Final = 64.0
"""What the default level may add up to in a small program."""

EXACTLY: Final = functools.partial(tg.function, numerics="exact")
DECORATORS: Final = (jax.jit, EXACTLY, tg.function)


@dataclass(frozen=True)
class Outcome:
    """Everything of a run that a user could see."""

    value: Any
    error: BaseException | None
    printed: str
    warned: frozenset[tuple[type, str]]


def differential(program: Program | None = None, *, raises: bool = False, ulps: int = 0) -> Any:
    """Makes a test of a program: it must do the same under both decorators.

    Args:
        program: takes the decorator to use and returns what is to be compared.
        raises: whether the program ends in an error, under both.
        ulps: how far floating-point values may be apart; above 0 only with a stated reason.
    """
    if program is None:
        return functools.partial(differential, raises=raises, ulps=ulps)

    def test() -> None:
        assert_same(program, raises=raises, ulps=ulps)

    test.__name__ = program.__name__
    test.__qualname__ = program.__qualname__
    test.__doc__ = program.__doc__
    test.__module__ = program.__module__
    return test


def assert_same(program: Program, *, raises: bool = False, ulps: int = 0) -> None:
    """Asserts that a program does the same with ``jax.jit`` and with ``tracegraph.function``.

    Raises:
        AssertionError: it does not, or it raises under jit and ``raises`` is false, or the reverse.
    """
    # From one line, because JAX quotes the callers of a function in some messages.
    expected, exactly, found = [observe(program, decorator) for decorator in DECORATORS]
    skip = isinstance(expected.error, pytest.skip.Exception)
    if expected.error is not None and (skip or not raises):
        raise expected.error
    assert raises is (expected.error is not None), "jit raises nothing"
    for outcome in (exactly, found):
        assert_same_error(expected.error, outcome.error)
        assert outcome.printed == expected.printed
        assert outcome.warned == expected.warned
    assert_same_value(expected.value, exactly.value, ulps=ulps)
    assert_same_value(expected.value, found.value, ulps=ulps, roundings=ROUNDINGS)


def observe(program: Program, decorator: Any) -> Outcome:
    """Runs a program and keeps what it returned or raised, printed and warned of."""
    value: Any = None
    error: BaseException | None = None
    out = io.StringIO()
    with warnings.catch_warnings(record=True) as caught, contextlib.redirect_stdout(out):
        warnings.simplefilter("always")
        try:
            value = jax.block_until_ready(program(decorator))
        except BaseException as raised:
            error = raised
        with contextlib.suppress(Exception):  # a failed callback fails again here
            jax.effects_barrier()
    said = [w for w in caught if w.category is not tg.RetraceWarning]  # jit has no such warning
    warned = frozenset((w.category, _ADDRESS.sub("0x", str(w.message))) for w in said)
    return Outcome(value, error, out.getvalue(), warned)


def assert_same_error(expected: BaseException | None, found: BaseException | None) -> None:
    """Asserts that two errors have one type, one message and one way through the user's code."""
    if expected is None and found is not None:
        raise AssertionError("only tracegraph raises") from found
    if found is None and expected is not None:
        raise AssertionError(f"only jit raises: {expected!r}") from expected
    if expected is None or found is None:
        return
    assert type(found) is type(expected), f"{found!r} instead of {expected!r}"
    assert _ADDRESS.sub("0x", str(found)) == _ADDRESS.sub("0x", str(expected))
    assert list(user_frames(found)) == list(user_frames(expected))
    if not has_frames(expected, _JAX):
        assert not has_frames(found, *_OURS), "frames of ours where jit hides its own"


def user_frames(error: BaseException) -> Iterator[tuple[str, int | None, str]]:
    """The frames of an error that are the user's own, outermost first."""
    for frame in traceback.extract_tb(error.__traceback__):
        if frame.filename != _HARNESS and not frame.filename.startswith((_JAX, *_OURS)):
            yield frame.filename, frame.lineno, frame.name


def has_frames(error: BaseException, *folders: str) -> bool:
    """Whether the error's traceback shows code below one of the folders."""
    frames = traceback.extract_tb(error.__traceback__)
    return any(frame.filename.startswith(folders) for frame in frames)


def assert_same_value(expected: Any, found: Any, *, ulps: int = 0, roundings: float = 0.0) -> None:
    """Asserts that two pytrees are the same in structure and in every leaf.

    Args:
        expected: what jit gave.
        found: what tracegraph gave.
        ulps: how far floats may be apart, each by itself.
        roundings: how far they may be apart instead, in units of the rounding of the largest.
    """
    expected_leaves, expected_tree = jax.tree.flatten(expected)
    found_leaves, found_tree = jax.tree.flatten(found)
    assert found_tree == expected_tree
    for i, (a, b) in enumerate(zip(expected_leaves, found_leaves, strict=True)):
        assert facts(b) == facts(a), f"leaf {i}: {facts(b)} instead of {facts(a)}"
        if not isinstance(a, jax.Array | np.ndarray | np.generic):
            continue
        if not (roundings and is_close(host(a), host(b), roundings)):
            assert_same_array(host(a), host(b), ulps=ulps, where=f"leaf {i}")


def facts(leaf: Any) -> tuple[Any, ...]:
    """What must be equal of a leaf beside the numbers in it; for other objects their value."""
    if isinstance(leaf, jax.Array):
        return (jax.typeof(leaf), leaf.sharding, leaf.committed)
    if isinstance(leaf, np.ndarray | np.generic):
        return (type(leaf), leaf.shape, str(leaf.dtype))
    return (type(leaf), leaf)


def host(array: Any) -> np.ndarray:
    """The numbers of an array; of PRNG keys the numbers behind them."""
    if isinstance(array, jax.Array) and jax.dtypes.issubdtype(array.dtype, jax.dtypes.prng_key):
        return np.asarray(jax.random.key_data(array))
    return np.asarray(array)


def assert_same_array(expected: np.ndarray, found: np.ndarray, *, ulps: int, where: str) -> None:
    """Asserts equal bits, or at most ``ulps`` between floats. Every nan equals every other.

    IEEE 754 leaves the sign and payload of a computed nan to the machine.
    """
    assert found.shape == expected.shape
    if expected.tobytes() == found.tobytes():
        return
    inexact = jax.dtypes.issubdtype(expected.dtype, np.inexact)
    assert inexact, f"{where}: {found} instead of {expected}"
    if jax.dtypes.issubdtype(expected.dtype, np.complexfloating):
        for part in ("real", "imag"):
            assert_same_array(
                getattr(expected, part).copy(), getattr(found, part).copy(), ulps=ulps, where=where
            )
        return
    distance = ulp_distance(expected, found)
    assert distance <= ulps, f"{where}: {distance} ulps apart\n{found}\ninstead of\n{expected}"


def is_close(expected: np.ndarray, found: np.ndarray, roundings: float) -> bool:
    """Whether no float is further off than so many roundings of the largest finite one."""
    if not jax.dtypes.issubdtype(expected.dtype, np.inexact) or expected.shape != found.shape:
        return False
    wide = np.result_type(expected.dtype, np.float64)
    a, b = expected.astype(wide), found.astype(wide)
    finite = np.isfinite(a) & np.isfinite(b)
    scale = np.abs(a[finite]).max(initial=0.0)
    allowed = roundings * float(jax.numpy.finfo(expected.dtype).eps) * scale
    same = np.array_equal(a[~finite], b[~finite], equal_nan=True)
    return bool(same and (np.abs(a[finite] - b[finite]) <= allowed).all())


def ulp_distance(a: np.ndarray, b: np.ndarray) -> int:
    """The largest number of steps between two floats that stand at the same place.

    Zeros of different sign are one step apart; a nan beside a number is infinitely far.
    """
    bits = np.dtype(f"i{a.dtype.itemsize}")
    nan_a, nan_b = np.isnan(a), np.isnan(b)
    if (nan_a != nan_b).any():
        return 1 << 64
    steps = np.abs(_ordinals(a, bits) - _ordinals(b, bits))
    return int(np.where(nan_a, 0, steps).max(initial=0))


def _ordinals(a: np.ndarray, bits: np.dtype) -> np.ndarray:
    """Integers in the order of the floats; Python's own, so that differences cannot overflow."""
    signed = np.ascontiguousarray(a).view(bits).reshape(a.shape).astype(object)
    lowest = int(np.iinfo(bits).min)
    return np.where(signed < 0, lowest - signed - 1, signed)
