"""Reads a spec: ``f32[8,128]``, ``ones:f32[4]``, ``{w: f32[3], b: f32[]}``, ``3.5``, ``x.npy``.

A spec of a type is read once and made into a value where it is needed: a shape for ``dump``, random
contents for ``run``. Dicts, lists and tuples may hold specs of all forms.
"""

# jax and flax annotate their functions in part only.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np

from compiler.ir.errors import TracegraphError
from compiler.ir.types import ArrayType, ExtendedDType, dtype_from_name
from tracegraph.cli.errors import suggest
from tracegraph.cli.targets import load_value

_TYPE: Final = re.compile(r"(?:(zeros|ones):)?([A-Za-z]\w*(?:<[\w<>]*>)?)\[([^\[\]]*)\]")
_DTYPES: Final = (
    *("bool", "f16", "bf16", "f32", "f64", "i4", "i8", "i16", "i32", "i64"),
    *("u4", "u8", "u16", "u32", "u64", "c64", "c128", "key<fry>", "key<rbg>", "key<urbg>"),
)
_KEYS: Final = {"key<fry>": "threefry2x32", "key<rbg>": "rbg", "key<urbg>": "unsafe_rbg"}
_FORMS: Final = (
    "a type such as f32[8,128], a Python literal such as 3.5 or True, a file.npy, @MODULE:NAME, "
    "or a dict, list or tuple of these"
)
_CLOSED_BY: Final = {"{": "}", "[": "]", "(": ")"}
_BOUNDS: Final = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[][(){},:]""")
_MOST_NESTED: Final = 64
"""More brackets within each other are a mistake, and would be more calls than Python nests."""

_LARGEST_INTEGER: Final = 9
"""Random integers stay small, so that they may serve as labels and indices."""


@dataclass(frozen=True, slots=True)
class ArraySpec:
    """An array that is known by its type; its contents are made when they are asked for."""

    type: ArrayType
    fill: str = ""
    where: str = ""

    def abstract(self) -> jax.ShapeDtypeStruct:
        """The shape and dtype, without contents."""
        dtype = self.type.dtype
        if isinstance(dtype, ExtendedDType):
            return jax.ShapeDtypeStruct(self._shape, _key(dtype, 0).dtype)
        return jax.ShapeDtypeStruct(self._shape, dtype)

    def make(self, rng: np.random.Generator) -> jax.Array:
        """The array: zeros, ones, or random contents.

        Raises:
            TracegraphError: this machine cannot hold it.
        """
        try:
            return self._made(rng).block_until_ready()
        except Exception as error:  # of numpy's or of JAX's; each has several for this
            raise TracegraphError(
                f"an array of {self.type} cannot be made",
                where=self.where,
                expected="an array that fits into this machine's memory",
                found=str(error).partition("\n")[0],
                hint="give smaller sizes; dump, cost and kernels need the type alone",
            ) from error

    def _made(self, rng: np.random.Generator) -> jax.Array:
        shape, dtype = self._shape, self.type.dtype
        if isinstance(dtype, ExtendedDType):
            key = _key(dtype, int(rng.integers(2**31)))
            return jax.random.split(key, shape) if shape else key
        if self.fill:
            return jnp.full(shape, self.fill == "ones", dtype)
        return jnp.asarray(_random(rng, shape, dtype))

    @property
    def _shape(self) -> tuple[int, ...]:
        return tuple(dim for dim in self.type.shape if isinstance(dim, int))


def parse_spec(text: str, where: str) -> Any:
    """The argument that a spec stands for, with an ``ArraySpec`` for each type.

    Args:
        text: a type, a ``.npy`` file, ``@MODULE:NAME``, a Python literal, or a dict, list or tuple
            of such.
        where: how an error names the place it was given in.

    Raises:
        TracegraphError: the text is none of these.
        Failure: importing the module raised an error of the user's.
    """
    text = text.strip()
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        pass
    if text[:1] in _CLOSED_BY and text.endswith(_CLOSED_BY[text[0]]):
        return _tree(text, where)
    if text.startswith("@"):
        return load_value(text[1:], where)
    if text.endswith(".npy"):
        return _load_array(Path(text), where)
    match = _TYPE.fullmatch(text)
    if match is not None and not (match[1] and match[2] in _KEYS):
        fill, dtype, dims = match.groups()
        return ArraySpec(_array_type(dtype, dims, where), fill or "", where)
    raise _no_argument(text, where)


def mapped(make: Callable[[ArraySpec], Any], found: Any) -> Any:
    """An argument with something made of each spec in it."""
    if isinstance(found, ArraySpec):
        return make(found)
    if type(found) is dict:
        items = cast("dict[Any, Any]", found).items()
        return {key: mapped(make, value) for key, value in items}
    if type(found) in (list, tuple):
        return type(found)(mapped(make, value) for value in found)
    return found


def _tree(text: str, where: str) -> Any:
    """The dict, list or tuple of specs that a text in brackets stands for."""
    parts = _split(text[1:-1], ",") or [""]
    items = [part.strip() for part in parts]
    items = items if items[-1] else items[:-1]  # a comma may stand behind the last
    if not all(items) or not items:
        raise _no_argument(text, where)
    if text[0] == "{":
        return dict(_item(item, where) for item in items)
    found = [parse_spec(item, where) for item in items]
    if text[0] == "[":
        return found
    return found[0] if len(parts) == 1 else tuple(found)


def _item(text: str, where: str) -> tuple[Any, Any]:
    """A key, in quotes or without, and its value."""
    parts = _split(text, ":", 1)
    if parts is None or len(parts) != 2:
        raise _no_argument(text, where)
    key = parts[0].strip()
    if key.isidentifier():
        return key, parse_spec(parts[1], where)
    try:
        found = ast.literal_eval(key)
        hash(found)
    except (ValueError, SyntaxError, TypeError) as error:
        raise _no_argument(text, where) from error
    return found, parse_spec(parts[1], where)


def _split(text: str, separator: str, most: int = -1) -> list[str] | None:
    """The parts between separators outside of brackets and quotes; None if brackets stay open."""
    parts, start, open_ones = list[str](), 0, list[str]()
    for match in _BOUNDS.finditer(text):
        bound = match[0]
        if bound == separator and not open_ones and len(parts) != most:
            parts.append(text[start : match.start()])
            start = match.end()
        elif bound in _CLOSED_BY:
            open_ones.append(_CLOSED_BY[bound])
        elif bound in _CLOSED_BY.values() and bound not in open_ones[-1:]:
            return None
        elif bound in _CLOSED_BY.values():
            open_ones.pop()
        if len(open_ones) > _MOST_NESTED:
            return None
    return None if open_ones else [*parts, text[start:]]


def _no_argument(text: str, where: str) -> TracegraphError:
    return TracegraphError(
        f"{text} is no argument",
        where=where,
        expected=_FORMS,
        found=text,
        hint="write the shape after the dtype, f32[] for a scalar; put quotes around a string",
    )


def _array_type(dtype: str, dims: str, where: str) -> ArrayType:
    sizes = [part.strip() for part in dims.split(",")] if dims.strip() else []
    wrong = [size for size in sizes if not (size.isdecimal() and size.isascii())]
    if wrong:
        raise TracegraphError(
            f"{dtype}[{dims}] has a dimension that is no size",
            where=where,
            expected="numbers separated by commas, such as [8,128]",
            found=f"`{wrong[0]}`",
            hint="correct the shape; a scalar has none: " + f"{dtype}[]",
        )
    return ArrayType(tuple(map(int, sizes)), _dtype(dtype, where))


def _dtype(name: str, where: str) -> Any:
    if name.startswith("dtype<"):
        name = name[len("dtype<") : -1]  # as the text of a graph writes it
    if name in _KEYS:
        return ExtendedDType(name)
    try:
        found = dtype_from_name(name)
    except (KeyError, ValueError):
        found = None
    if not isinstance(found, np.dtype) or found.fields:
        raise TracegraphError(
            f"there is no dtype {name}",
            where=where,
            expected=f"one of {', '.join(_DTYPES)}",
            found=name,
            hint=suggest(name, _DTYPES, "correct the dtype before the bracket"),
        )
    _check_width(found, name, where)
    return found


def _check_width(dtype: Any, name: str, where: str) -> None:
    narrow = jax.dtypes.canonicalize_dtype(dtype)
    if narrow == dtype:
        return
    raise TracegraphError(
        f"JAX has no {name} now: its 64-bit types are off",
        where=where,
        expected="a dtype of at most 32 bits",
        found=name,
        hint=f"use {name.replace('128', '64') if name[0] == 'c' else name[0] + '32'}, "
        "or set the environment variable JAX_ENABLE_X64=1",
    )


def _load_array(path: Path, where: str) -> Any:
    try:
        with path.open("rb") as file:
            found = np.lib.format.read_array(file, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise TracegraphError(
            "the array cannot be read",
            where=where,
            expected="a file that numpy.save wrote",
            found=error.strerror if isinstance(error, OSError) and error.strerror else str(error),
            hint="check the path, and that the file holds one array of numbers",
        ) from error
    return found


def _key(dtype: ExtendedDType, seed: int) -> jax.Array:
    return jax.random.key(seed, impl=_KEYS[dtype.name])


def _random(rng: np.random.Generator, shape: tuple[int, ...], dtype: Any) -> Any:
    if dtype == np.bool_:
        return rng.integers(2, size=shape).astype(bool)
    if jnp.issubdtype(dtype, jnp.integer):
        largest = min(_LARGEST_INTEGER, int(ml_dtypes.iinfo(dtype).max))
        return rng.integers(largest + 1, size=shape).astype(dtype)
    values = rng.standard_normal(shape)
    if jnp.issubdtype(dtype, jnp.complexfloating):
        return (values + 1j * rng.standard_normal(shape)).astype(dtype)
    return np.asarray(values).astype(dtype)
