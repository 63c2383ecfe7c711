"""The programs on which a rule is proved: its examples, at other sizes and element types.

An example names its sizes and is written for any of them, so that one example gives many cases.
"""

# JAX annotates its functions in part only.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import jax
import ml_dtypes
import numpy as np

from compiler.ir.attributes import Array
from compiler.ir.errors import TracegraphError
from compiler.ir.graph import Graph
from compiler.ir.types import ArrayType, DType, dtype_from_name
from compiler.ir.verifier import verify
from compiler.ir.walk import clone
from compiler.lowering import jax_compat
from compiler.lowering.export_jax import export_jaxpr
from compiler.lowering.import_jaxpr import import_jaxpr
from compiler.passes.manager import PassManager
from compiler.passes.pipeline import parse_pipeline
from compiler.passes.rewrite import Rewrite
from compiler.rewrite.log import RewriteLog
from compiler.rewrite.numerics import level_name
from compiler.rewrite.rewriter import Rewriter
from compiler.rewrite.rule import Example, Rule

PREPARE: Final = parse_pipeline("inline,canonicalize,repeat(fold-constants,canonicalize,cse,dce)")
"""What the default pipeline does to a program before it tries the rules."""

FIRST_SIZE: Final = 3
DTYPES: Final = ("bf16", "f16", "i32", "u8", "c64", "bool")
"""Element types that stand in for ``f32``, one after the other."""

_ARGUMENT: Final = re.compile(r"(\w+)(?:\[([\w,\s]*)\])?")


class Case(NamedTuple):
    """An example at certain sizes and element types.

    Attributes:
        title: which, in words.
        captured: the graph that the rule meets; frozen.
    """

    title: str
    captured: Graph


class Outcome(NamedTuple):
    """What a rule did to a case: the graph after it, and the log."""

    graph: Graph
    log: RewriteLog


def base_case(example: Example) -> Case:
    """The example as it is written.

    Raises:
        TracegraphError: its function cannot be traced.
    """
    return Case("as written", _capture(example, _sizes(example), {}))


def variants(example: Example) -> Iterator[Case]:
    """The example at other sizes and element types; those that JAX itself refuses are left out."""
    sizes = _sizes(example)
    changes: list[tuple[str, Mapping[str, int], Mapping[str, str]]] = [
        (f"with {name} = {size}", {**sizes, name: size}, {}) for name in sizes for size in (0, 1)
    ]
    if any(text.startswith("f32") for text in example.arguments):
        changes += [(f"in {dtype}", sizes, {"f32": dtype}) for dtype in DTYPES]
    for title, changed, dtypes in changes:
        try:
            with warnings.catch_warnings():  # where warnings are errors, no case is to get lost
                warnings.simplefilter("ignore")
                captured = _capture(example, changed, dtypes)
        except Exception:  # the program does not exist at these types: nothing to compare
            continue
        yield Case(title, captured)


def apply(rule: Rule, graph: Graph, others: Sequence[Rule] = ()) -> Outcome:
    """A clone of the graph after the rule, and others if there are any."""
    level = max(one.numerics for one in (rule, *others))
    step = Rewrite(rules="", numerics=level_name(level), extra=(rule, *others))
    copy = clone(graph)
    rewriter = Rewriter(copy, step.name)
    step.run(copy, rewriter)
    verify(copy)
    return Outcome(copy.freeze(), rewriter.log)


def graph_of(function: Callable[..., Any], arguments: Sequence[Any]) -> Graph:
    """The graph of a function of arrays; not frozen.

    Raises:
        TracegraphError: the function uses JAX's high-level types.
    """
    jaxpr = jax_compat.low_jaxpr(jax.jit(function, keep_unused=True).trace(*arguments))
    if jaxpr is None:
        raise TracegraphError(
            "this function has no graph",
            expected="a function of arrays",
            found="one of JAX's high-level types",
            hint="take arrays as arguments",
        )
    return import_jaxpr(jaxpr)


def function_of(graph: Graph) -> Callable[..., list[Any]]:
    """A JAX function that computes what the graph does, to be differentiated or batched."""
    return jax_compat.jaxpr_function(export_jaxpr(graph))


def extreme(array: Array, rng: np.random.Generator) -> Array:
    """The array with some elements at the ends of its integer type's range."""
    if array.dtype.kind not in "iu" or not array.size:
        return array
    info = ml_dtypes.iinfo(array.dtype)
    result = array.reshape(-1).copy()
    places = rng.choice(array.size, max(1, array.size // 4), replace=False)
    result[places] = np.array([info.min, info.max])[rng.integers(0, 2, places.size)]
    return result.reshape(array.shape)


def _capture(example: Example, sizes: Mapping[str, int], dtypes: Mapping[str, str]) -> Graph:
    types = [_type(text, sizes, dtypes) for text in example.arguments]
    arguments = [jax.ShapeDtypeStruct(type.shape, type.dtype) for type in types]
    return PassManager(PREPARE).run(graph_of(example.function, arguments)).graph


def _sizes(example: Example) -> dict[str, int]:
    """The sizes by name: given ones, and small ones, all different, for the rest."""
    names = [dim for text in example.arguments for dim in _dims(text) if not dim.isdigit()]
    missing = [name for name in dict.fromkeys(names) if name not in example.sizes]
    return {**example.sizes, **{name: FIRST_SIZE + i for i, name in enumerate(missing)}}


def _dims(text: str) -> list[str]:
    match = _ARGUMENT.fullmatch(text.strip())
    if match is None:
        raise _bad_argument(text)
    return [dim.strip() for dim in (match[2] or "").split(",") if dim.strip()]


def _type(text: str, sizes: Mapping[str, int], dtypes: Mapping[str, str]) -> ArrayType:
    name = text.strip().partition("[")[0]
    try:
        dtype: DType = dtype_from_name(dtypes.get(name, name))
    except (ValueError, TracegraphError) as error:
        raise _bad_argument(text) from error
    shape = tuple(int(dim) if dim.isdigit() else sizes[dim] for dim in _dims(text))
    return ArrayType(shape, dtype)


def _bad_argument(text: str) -> TracegraphError:
    return TracegraphError(
        "an example's argument has a type that cannot be read",
        expected='an element type and sizes, such as "f32[m,k]", "i32[4]" or "f32"',
        found=repr(text),
        hint="write sizes as numbers or names, with commas between them",
    )
