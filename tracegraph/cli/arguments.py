"""Reads argument specs: ``f32[8,128]``, ``key<fry>[]``, ``ones:f32[4]``, ``3.5``, ``x.npy``.

A spec of a type is read once and made into a value where it is needed: a shape for ``dump``, random
contents for ``run``.
"""

# jax and flax annotate their functions in part only.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np

from compiler.ir.errors import TracegraphError
from compiler.ir.types import ArrayType, ExtendedDType, dtype_from_name
from tracegraph.cli.errors import suggest

_TYPE: Final = re.compile(r"(?:(zeros|ones):)?([A-Za-z]\w*(?:<[\w<>]*>)?)\[([^\[\]]*)\]")
_DTYPES: Final = (
    *("bool", "f16", "bf16", "f32", "f64", "i4", "i8", "i16", "i32", "i64"),
    *("u4", "u8", "u16", "u32", "u64", "c64", "c128", "key<fry>", "key<rbg>", "key<urbg>"),
)
_KEYS: Final = {"key<fry>": "threefry2x32", "key<rbg>": "rbg", "key<urbg>": "unsafe_rbg"}
_FORMS: Final = "a type such as f32[8,128], a Python literal such as 3.5 or True, or a file.npy"
_LARGEST_INTEGER: Final = 9
"""Random integers stay small, so that they may serve as labels and indices."""


@dataclass(frozen=True, slots=True)
class ArraySpec:
    """An array that is known by its type; its contents are made when they are asked for."""

    type: ArrayType
    fill: str = ""

    def abstract(self) -> jax.ShapeDtypeStruct:
        """The shape and dtype, without contents."""
        dtype = self.type.dtype
        if isinstance(dtype, ExtendedDType):
            return jax.ShapeDtypeStruct(self._shape, _key(dtype, 0).dtype)
        return jax.ShapeDtypeStruct(self._shape, dtype)

    def make(self, rng: np.random.Generator) -> jax.Array:
        """The array: zeros, ones, or random contents."""
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


@dataclass(frozen=True, slots=True)
class Arguments:
    """The arguments of one call, still as specs or already as values."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def abstract(self) -> Arguments:
        """The same arguments with types for contents."""
        return self._map(lambda spec: spec.abstract())

    def make(self, seed: int) -> Arguments:
        """The same arguments with contents drawn from a seed."""
        rng = np.random.default_rng(seed)
        return self._map(lambda spec: spec.make(rng))

    def _map(self, make: Callable[[ArraySpec], Any]) -> Arguments:
        def value(spec: Any) -> Any:
            return make(spec) if isinstance(spec, ArraySpec) else spec

        kwargs = {name: value(spec) for name, spec in self.kwargs.items()}
        return Arguments(tuple(map(value, self.args)), kwargs)


def parse_arguments(fun: Any, args: Sequence[str], kwargs: Sequence[str]) -> Arguments:
    """The arguments that ``--arg`` and ``--kwarg`` give, checked against the function's signature.

    Raises:
        TracegraphError: a spec cannot be read, or the arguments do not fit the function.
    """
    found = Arguments(
        tuple(parse_spec(text, f"--arg {text}") for text in args), dict(map(_parse_kwarg, kwargs))
    )
    _check_signature(fun, found)
    return found


def parse_spec(text: str, where: str) -> Any:
    """An ``ArraySpec`` for a type, an array for a ``.npy`` file, the Python value of a literal.

    Args:
        text: the spec.
        where: how an error names the place it was given in.

    Raises:
        TracegraphError: the text is none of these.
    """
    if text.endswith(".npy"):
        return _load_array(Path(text), where)
    match = _TYPE.fullmatch(text)
    if match is not None and not (match[1] and match[2] in _KEYS):
        fill, dtype, dims = match.groups()
        return ArraySpec(_array_type(dtype, dims, where), fill or "")
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError) as error:
        raise TracegraphError(
            f"{text} is no argument",
            where=where,
            expected=_FORMS,
            found=text,
            hint="write the shape after the dtype, f32[] for a scalar; put quotes around a string",
        ) from error


def _parse_kwarg(text: str) -> tuple[str, Any]:
    name, equals, spec = text.partition("=")
    if not (equals and name.isidentifier()):
        raise TracegraphError(
            f"{text} is no keyword argument",
            where=f"--kwarg {text}",
            expected="NAME=SPEC, such as scale=f32[] or training=True",
            found=text,
            hint="write the parameter's name, an equals sign, and the spec",
        )
    return name, parse_spec(spec, f"--kwarg {text}")


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
        found = np.load(path, allow_pickle=False)
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


def _check_signature(fun: Any, arguments: Arguments) -> None:
    wrapped = getattr(fun, "__wrapped__", fun)
    try:
        signature = inspect.signature(wrapped)
    except (ValueError, TypeError):
        return  # some callables written in C have none; the call itself will tell
    try:
        signature.bind(*arguments.args, **arguments.kwargs)
    except TypeError as error:
        name = getattr(wrapped, "__name__", type(wrapped).__name__)
        unknown = [key for key in arguments.kwargs if key not in signature.parameters]
        advice = "give one --arg SPEC per parameter, in order, or --kwarg NAME=SPEC"
        raise TracegraphError(
            f"the arguments do not fit {name}: {error}",
            where=_source(wrapped),
            expected=f"{name}{_bare(signature)}",
            found=f"{len(arguments.args)} --arg and {len(arguments.kwargs)} --kwarg",
            hint=suggest(unknown[0], signature.parameters, advice) if unknown else advice,
        ) from error


def _bare(signature: inspect.Signature) -> str:
    """The parameters as they are written, without annotations."""
    empty = inspect.Parameter.empty
    parameters = [p.replace(annotation=empty) for p in signature.parameters.values()]
    return str(inspect.Signature(parameters))


def _source(fun: Any) -> str:
    code = getattr(inspect.unwrap(fun), "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code else ""
