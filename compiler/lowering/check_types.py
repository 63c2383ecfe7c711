"""Checks the types of a graph that was read from text against the primitives of the installed JAX.

The parser and the verifier know nothing of what an op means; a graph that JAX made needs no check.
"""

from __future__ import annotations

import contextlib
import difflib
import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final

import numpy as np

from compiler.ir.errors import TracegraphError
from compiler.ir.graph import CONSTANT, Graph, Operation
from compiler.ir.source_text import clipped
from compiler.ir.types import ArrayType, Type
from compiler.ir.walk import walk
from compiler.lowering import jax_compat
from compiler.lowering.check_regions import region_misfit, same_array
from compiler.lowering.convert_types import NotInTextError, to_aval, to_type
from compiler.lowering.export_jax import primitive_and_params
from compiler.lowering.import_jaxpr import REGION_PARAMETERS
from compiler.ops.definition import UNKNOWN, lookup

Where = Callable[[Operation], str]
"""The place of an op, for an error."""

FOREIGN: Final = "foreign."
"""What the names of other libraries' primitives begin with."""

_MISSING: Final = re.compile(r"missing \d+ required keyword-only arguments?: (.*)")
_UNEXPECTED: Final = re.compile(r"got an unexpected keyword argument ('.*')")
_NAME: Final = re.compile(r"'(\w+)'")
_TYPE_HINT: Final = "correct the type after the colon, or what the operation reads"


def check_types(graph: Graph, where: Where | None = None) -> None:
    """Returns if every op gives the types that are written for it.

    Shapes and element types are compared, weak types and shardings are not. An op that text cannot
    rebuild is passed over: one that holds a callback or a mesh, or has a symbolic size.

    Args:
        graph: a graph whose rules hold.
        where: says where an op stands; None for its location.

    Raises:
        TracegraphError: JAX has no such primitive, refuses the operands or the attributes, or gives
            results of other types.
    """
    with type_settings(graph):
        for op in walk(graph):
            error = None if op.is_terminator or op.name == CONSTANT else _problem(op)
            if error is not None:
                error = _at(error, where(op) if where is not None else str(op.location))
                raise error


def type_settings(graph: Graph) -> AbstractContextManager[Any]:
    """Those under which JAX keeps 64-bit types, if the graph has any."""
    types = (value.type for op in walk(graph) for value in (*op.operands, *op.results))
    wide = any(isinstance(type, ArrayType) and _is_64_bit(type) for type in types)
    return jax_compat.with_64_bit_types() if wide else contextlib.nullcontext()


def _is_64_bit(type: ArrayType) -> bool:
    if not isinstance(type.dtype, np.dtype):
        return False
    return type.dtype.itemsize == (16 if type.dtype.kind == "c" else 8)


def _problem(op: Operation) -> TracegraphError | None:
    """What is wrong with an op, if anything is."""
    unknown = jax_compat.primitive_by_name(op.name) is None
    if unknown:
        foreign = op.name.startswith(FOREIGN) or lookup(op.name) is not UNKNOWN
        return None if foreign else _no_primitive(op.name)
    if op.regions or op.name in REGION_PARAMETERS:
        return _wrong_regions(op)
    try:
        primitive, params = primitive_and_params(op)
        operands = [to_aval(value.type) for value in op.operands]
    except NotInTextError:
        return None
    except TracegraphError as error:
        return error
    try:
        avals = _result_avals(primitive, operands, params)
    except Exception as error:  # JAX refuses operands in many ways
        return _refused(op, error)
    return _wrong_results(op, [to_type(aval) for aval in avals])


def _result_avals(primitive: Any, operands: Sequence[Any], params: dict[str, Any]) -> Sequence[Any]:
    """What JAX computes; parameters that the text leaves out because they are None are put back."""
    try:
        return jax_compat.result_avals(primitive, operands, params)
    except TypeError as error:
        missing = _MISSING.search(str(error))
        if missing is None:
            raise
        whole = dict.fromkeys(_NAME.findall(missing[1])) | params
        with contextlib.suppress(Exception):
            return jax_compat.result_avals(primitive, operands, whole)
        raise


def _wrong_results(op: Operation, computed: Sequence[Type]) -> TracegraphError | None:
    written = [value.type for value in op.results]
    if len(computed) == len(written) and all(map(same_array, computed, written)):
        return None
    return TracegraphError(
        f"the operation {op.name} does not give what is written",
        expected=_listed(computed),
        found=_listed(written),
        hint=_TYPE_HINT,
    )


def _wrong_regions(op: Operation) -> TracegraphError | None:
    misfit = region_misfit(op)
    if misfit is None:
        return None
    return TracegraphError(
        f"the operation {op.name} and its regions do not fit together",
        expected=misfit.expected,
        found=misfit.found,
        hint="correct the operation, or the parameters and the `yield` of the region",
    )


def _refused(op: Operation, error: Exception) -> TracegraphError:
    operands = f"operands {_listed([value.type for value in op.operands])}"
    return TracegraphError(
        f"the operation {op.name} cannot be like this",
        expected=f"operands and attributes that JAX's primitive {op.name} takes",
        found=f"{operands}; {_reason(error)}",
        hint="correct the operation; another version of JAX may take other attributes",
    )


def _reason(error: Exception) -> str:
    """Why JAX refused, in its words where they are meant for its users."""
    text = str(error).partition("\n")[0]
    missing, unexpected = _MISSING.search(text), _UNEXPECTED.search(text)
    if missing:
        return f"no attribute {', '.join(_NAME.findall(missing[1]))}"
    if unexpected:
        return f"an attribute {unexpected[1].strip(chr(39))}, which it does not have"
    if isinstance(error, AssertionError) or "positional argument" in text or not text:
        return f"{type(error).__name__} in JAX: the number of operands may be wrong"
    return f"JAX says: {text}"


def _no_primitive(name: str) -> TracegraphError:
    close = difflib.get_close_matches(name, jax_compat.primitive_names(), n=3)
    meant = f"did you mean {' or '.join(close)}? If not: " if close else ""
    return TracegraphError(
        f"there is no operation {name}",
        expected="the name of a primitive of JAX",
        found=name,
        hint=f"{meant}write {FOREIGN}{name} if it is another library's",
    )


def _listed(types: Sequence[Type]) -> str:
    return f"({', '.join(map(str, types))})"


def _at(error: TracegraphError, where: str) -> TracegraphError:
    return TracegraphError(
        clipped(error.what),
        where=where,
        expected=clipped(error.expected),
        found=clipped(error.found),
        hint=clipped(error.hint),
    )
