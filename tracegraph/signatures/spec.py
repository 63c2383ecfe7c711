"""One array of an input signature: its sizes and its element type."""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import jax
import numpy as np

from compiler.ir.errors import TracegraphError
from compiler.lowering import jax_compat
from tracegraph.boundary import boundary

Size = int | str | None
KEY: Final = "key"
"""The element type of all PRNG keys."""


@boundary
@dataclass(frozen=True, slots=True, init=False, repr=False)
class Spec:
    """The sizes and the element type that an argument, or every leaf of one, must have.

    Attributes:
        shape: an int for a fixed size; a name for one that may vary and is the same wherever the
            name stands, or an expression such as ``"2*n"`` or ``"n+1"``; None for one that may
            vary by itself.
        dtypes: the names of the element types that are taken; empty for any.
    """

    shape: tuple[Size, ...]
    dtypes: tuple[str, ...]

    def __init__(self, shape: Sequence[Size], dtype: Any = None) -> None:
        """Makes a spec.

        Args:
            shape: the sizes, outermost first.
            dtype: the element type, as ``jax.numpy`` takes it or as a name; ``"key"`` for PRNG
                keys; a tuple of them where several are taken; None for any.

        Raises:
            TracegraphError: a size or an element type is none.
        """
        object.__setattr__(self, "shape", _sizes(shape))
        several = cast("tuple[Any, ...]", dtype if isinstance(dtype, tuple) else (dtype,))
        names = () if dtype is None else tuple(_dtype_name(one) for one in several)
        object.__setattr__(self, "dtypes", names)

    def accepts_dtype(self, dtype: Any) -> bool:
        """Whether an array of this element type is taken, in the present 64-bit setting."""
        return not self.dtypes or any(_is_of(dtype, name) for name in self.dtypes)

    def __repr__(self) -> str:
        sizes = ", ".join("None" if size is None else repr(size) for size in self.shape)
        shape = f"({sizes},)" if len(self.shape) == 1 else f"({sizes})"
        if not self.dtypes:
            return f"Spec({shape})"
        first, *others = self.dtypes
        return f"Spec({shape}, {self.dtypes if others else first!r})"

    def __str__(self) -> str:
        sizes = ", ".join("any" if size is None else str(size) for size in self.shape)
        return f"{' or '.join(self.dtypes) or 'array'}[{sizes}]"


def _sizes(shape: object) -> tuple[Size, ...]:
    if isinstance(shape, int | str | np.integer):
        return (_size(cast("object", shape)),)
    if not isinstance(shape, Iterable):
        raise _no_size(shape)
    return tuple(_size(size) for size in cast("Iterable[object]", shape))


def _size(size: object) -> Size:
    if size is None:
        return None
    if isinstance(size, str) and size.strip():
        return int(size) if size.strip().isdecimal() else size.strip()
    number = cast("int | None", size) if isinstance(size, int | np.integer) else None
    if number is not None and not isinstance(size, bool) and number >= 0:
        return int(number)
    raise _no_size(cast("object", size))


def _no_size(found: object) -> TracegraphError:
    return TracegraphError(
        "a spec cannot have this size",
        expected='for each dimension a number from 0 on, a name such as "batch", or None',
        found=repr(found),
        hint='write tg.Spec((None, 784), "float32")',
    )


def _dtype_name(dtype: Any) -> str:
    if dtype == KEY or jax_compat.is_extended_dtype(dtype):
        return KEY if dtype == KEY else str(dtype)
    try:
        return str(jax.numpy.dtype(dtype).name)
    except TypeError as error:
        raise TracegraphError(
            "a spec cannot have this element type",
            expected='an element type such as "float32", or "key" for PRNG keys',
            found=repr(dtype),
            hint='write tg.Spec((None, 784), "float32")',
        ) from error


def _is_of(dtype: Any, name: str) -> bool:
    if jax_compat.is_extended_dtype(dtype):
        return name in (KEY, str(dtype))
    if name == KEY or name.startswith("key<"):
        return False
    return jax.dtypes.canonicalize_dtype(name) == np.dtype(dtype)
