"""Random well-formed graphs, with every form of type, attribute, effect and constant.

The ops mean nothing: the text form does not ask. Use ``graphs()``; the parts are public for tests
of one form.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import ml_dtypes
import numpy as np
from hypothesis import strategies as st

from compiler.ir import (
    ArrayType,
    Builder,
    Dense,
    Effect,
    EnumValue,
    ExtendedDType,
    Frame,
    Graph,
    Location,
    Opaque,
    OpaqueType,
    Operation,
    ParameterInfo,
    Record,
    Region,
    SymbolicDim,
    Type,
    Value,
    build_graph,
    finish_graph,
    mutate,
)

NUMPY_DTYPES: tuple[np.dtype, ...] = (
    *(np.dtype(n) for n in ("bool", "int8", "int16", "int32", "int64")),
    *(np.dtype(n) for n in ("uint8", "uint16", "uint32", "uint64")),
    *(np.dtype(n) for n in ("float16", "float32", "float64", "complex64", "complex128")),
    *(
        np.dtype(getattr(ml_dtypes, name))
        for name in (
            "bfloat16",
            "float4_e2m1fn",
            "float8_e3m4",
            "float8_e4m3",
            "float8_e4m3b11fnuz",
            "float8_e4m3fn",
            "float8_e4m3fnuz",
            "float8_e5m2",
            "float8_e5m2fnuz",
            "float8_e8m0fnu",
            "int2",
            "int4",
            "uint2",
            "uint4",
        )
    ),
)
EXTENDED_DTYPES = (
    ExtendedDType("key<fry>"),
    ExtendedDType("key<rbg>", 16),
    ExtendedDType('odd "name": 3', 4),
)
SYMBOLIC_DIMS = tuple(map(SymbolicDim, ("b", "2*b + 1", "max(a, b)", "floordiv(mod(a, 3), b)")))
FLOAT0 = np.dtype([("float0", np.void, 0)])
OP_NAMES = ("add", "scatter-add", "dot_general", "custom", "odd op", "loc", "graph", "opaque")
FOUR_BIT = {"float4_e2m1fn", "int4", "uint4"}

_words = st.sampled_from(
    ("axis", "f32", "None", "tg.group", "record", "dense", "two words", 'q"\\')
)
_text = st.text(max_size=8)
_hints = st.sampled_from(("", "", "x", "x", "x_1", "h.0", "two words", "ä"))


def arrays(dtype: np.dtype, shape: Sequence[int]) -> st.SearchStrategy[np.ndarray]:
    """Arrays whose bits are drawn one by one, so every nan, zero and extreme comes up."""
    size = prod(shape)
    if dtype == FLOAT0:
        return st.just(np.zeros(shape, dtype))
    if dtype.name == "bool":
        drawn = st.lists(st.booleans(), min_size=size, max_size=size)
        return drawn.map(lambda items: np.array(items, bool).reshape(shape))
    if dtype.name.startswith(("int", "uint")):
        limits = ml_dtypes.iinfo(dtype)
        extremes = st.sampled_from((limits.min, limits.max))
        element = extremes | st.integers(int(limits.min), int(limits.max))
        drawn = st.lists(element, min_size=size, max_size=size)
        wide = np.uint64 if dtype.name == "uint64" else np.int64
        return drawn.map(lambda items: np.array(items, wide).astype(dtype).reshape(shape))
    data = _float_bits(dtype, size)
    return data.map(lambda items: np.frombuffer(items, dtype).reshape(shape))


def _float_bits(dtype: np.dtype, size: int) -> st.SearchStrategy[bytes]:
    if dtype.name in FOUR_BIT:
        element = st.integers(0, 15).map(lambda i: bytes([i]))
    else:
        plain = np.array([0, 1, 2, 3]).astype(dtype)
        edges = [plain[i : i + 1].tobytes() for i in range(4)]
        edges += [bytes(dtype.itemsize - 1) + b"\x80", b"\xff" * dtype.itemsize]
        element = st.sampled_from(edges) | st.binary(
            min_size=dtype.itemsize, max_size=dtype.itemsize
        )
    return st.lists(element, min_size=size, max_size=size).map(b"".join)


@st.composite
def dense(draw: st.DrawFn) -> Dense:
    """Constants of every element type, in line and too large for that."""
    dtype = draw(st.sampled_from((*NUMPY_DTYPES, FLOAT0)))
    shape = draw(st.sampled_from(((), (), (1,), (3,), (2, 2), (1, 2, 1), (0, 2), (2, 0), (17,))))
    return Dense(draw(arrays(dtype, shape)))


def types() -> st.SearchStrategy[Type]:
    """Types of every form."""
    dims = st.integers(0, 9) | st.sampled_from(SYMBOLIC_DIMS)
    array = st.builds(
        ArrayType,
        st.lists(dims, max_size=3).map(tuple),
        st.sampled_from((*NUMPY_DTYPES, *EXTENDED_DTYPES, FLOAT0)),
        st.booleans(),
        st.sampled_from(("", "", "PartitionSpec('x', None)", 'odd "] \\')),
    )
    return array | st.builds(OpaqueType, _text)


def attributes() -> st.SearchStrategy:
    """Attribute values of every form, nested."""
    leaves = st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.complex_numbers(),
        _text,
        st.binary(max_size=4),
        st.sampled_from((*NUMPY_DTYPES, *EXTENDED_DTYPES, FLOAT0)),
        st.builds(EnumValue, st.sampled_from(("Mode", "a.Mode", "a b", "")), _words),
        st.builds(Opaque, _text, _text),
        dense(),
    )
    return st.recursive(leaves, _nested, max_leaves=4)


def _nested(inner: st.SearchStrategy) -> st.SearchStrategy:
    fields = st.dictionaries(_words, inner, max_size=2).map(lambda found: tuple(found.items()))
    kinds = st.sampled_from(("Dims", "dense", "record", "None", "a b"))
    return st.lists(inner, max_size=3).map(tuple) | st.builds(Record, kinds, fields)


def locations() -> st.SearchStrategy[Location]:
    """Locations with any of their parts missing."""
    lines = st.integers(0, 99)
    frames = st.builds(Frame, st.sampled_from(("no/a.py", 'no"b.py')), lines, _text, lines)
    rules = st.lists(st.sampled_from(("cse", "fold it")), max_size=2, unique=True).map(tuple)
    return st.builds(Location, st.lists(frames, max_size=2).map(tuple), _text, rules)


@st.composite
def graphs(draw: st.DrawFn, max_ops: int = 6) -> Graph:
    """Well-formed graphs: nested regions, constants, effects, facts about parameters, hints."""
    parameters = draw(st.lists(types(), max_size=3))
    graph, builder = build_graph(draw(st.sampled_from(("f", "<lambda>", "a b"))), parameters)
    captured = draw(st.integers(0, len(parameters)))
    mutate.set_parameter_info(
        graph,
        [ParameterInfo(draw(st.booleans()), i < captured) for i in range(len(parameters))],
    )
    values = _fill(draw, builder, max_ops, depth=0)
    results = _choose(draw, values)
    names = [f"['{i}']" for i in range(len(results))] if draw(st.booleans()) else []
    return finish_graph(graph, results, names)


def _fill(draw: st.DrawFn, builder: Builder, max_ops: int, depth: int) -> list[Value]:
    values = list(builder.region.parameters)
    for _ in range(draw(st.integers(0, max_ops))):
        constant = draw(st.integers(0, 3)) == 0
        op = _constant(draw, builder) if constant else _operation(draw, builder, values, depth)
        values.extend(op.results)
    for value in values:
        value.hint = draw(_hints)
    return values


def _constant(draw: st.DrawFn, builder: Builder) -> Operation:
    value = draw(dense())
    type = ArrayType(value.shape, value.dtype, draw(st.booleans()))
    return builder.op("constant", (), (type,), {"value": value}, location=draw(locations()))


def _operation(draw: st.DrawFn, builder: Builder, values: Sequence[Value], depth: int) -> Operation:
    operands = _choose(draw, values)
    names = draw(st.lists(st.sampled_from(("jaxpr", "branches[0]", "loc", "a b")), unique=True))
    return builder.op(
        draw(st.sampled_from(OP_NAMES)),
        operands,
        draw(st.lists(types(), max_size=2)),
        draw(st.dictionaries(_words, attributes(), max_size=2)),
        [_region(draw, name, depth + 1) for name in names[: 2 - depth]],
        effects=draw(st.frozensets(_effects(len(operands)), max_size=2)),
        location=draw(locations()),
    )


def _region(draw: st.DrawFn, name: str, depth: int) -> Region:
    region = Region(name)
    mutate.add_parameters(region, draw(st.lists(types(), max_size=2)))
    builder = Builder(region)
    builder.finish(_choose(draw, _fill(draw, builder, 2, depth)))
    return region


def _effects(operands: int) -> st.SearchStrategy[Effect]:
    places = st.sampled_from((None, *range(operands)))
    return st.builds(Effect, st.sampled_from(("Debug", "Read", "odd kind")), st.booleans(), places)


def _choose(draw: st.DrawFn, values: Sequence[Value]) -> list[Value]:
    return draw(st.lists(st.sampled_from(values), max_size=3)) if values else []
