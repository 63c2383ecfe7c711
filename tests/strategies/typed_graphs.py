"""Random graphs that mean something: every op is a primitive of JAX and has the types it gives.

A graph is drawn op by op, each reading values that are there already. All arrays hold float32,
int32 or bool and have one of few shapes, so that values of a type are found again. Calls, branches
and loops have regions drawn the same way. Every op has a line of its own. Attributes that are None
are left out, as texts leave them out: which there are differs between versions of JAX.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from hypothesis import strategies as st

from compiler.ir import (
    ArrayType,
    Builder,
    Dense,
    Effect,
    Frame,
    Graph,
    Location,
    Operation,
    Region,
    Value,
    build_graph,
    finish_graph,
    mutate,
)
from compiler.ir.attributes import Attribute

F32, I32, BOOL = (np.dtype(name) for name in ("float32", "int32", "bool"))
SHAPES = ((), (3,), (2, 3), (3, 2))
FLOATS = (0.0, -0.0, 1.0, -1.0, 0.5, float("inf"), float("nan"), 1e-40)
INTEGERS = (0, 1, -1, 2, 7, 2**31 - 1, -(2**31))
UNARY = {
    F32: ("neg", "abs", "sin", "exp", "tanh", "floor", "sqrt", "sign"),
    I32: ("neg", "abs", "sign", "not"),
    BOOL: ("not",),
}
BINARY = {
    F32: ("add", "sub", "mul", "div", "max", "min"),
    I32: ("add", "sub", "mul", "max", "min", "and", "or", "xor"),
    BOOL: ("and", "or", "xor"),
}
TYPES = tuple(ArrayType(shape, dtype) for dtype in (F32, I32, BOOL) for shape in SHAPES)
EFFECT = frozenset({Effect("Debug", ordered=True)})


class Drawing:
    """One region that is being drawn: what there is to read, and what adds to it."""

    def __init__(self, draw: st.DrawFn, builder: Builder, depth: int, *, effects: bool) -> None:
        self.draw = draw
        self.builder = builder
        self.depth = depth
        self.effects = effects
        self.values: list[Value] = list(builder.region.parameters)

    def pick(self, type: ArrayType) -> Value:
        """A value of the type: one that is there, or a new constant."""
        there = [value for value in self.values if value.type == type]
        if there and self.draw(st.integers(0, 4)):
            return self.draw(st.sampled_from(there))
        return self.constant(type)

    def any(self, dtypes: Sequence[np.dtype] = (F32, I32, BOOL)) -> Value:
        """A value that is there, of one of these element types, if there is one."""
        there = [value for value in self.values if value.type.dtype in dtypes]
        if there:
            return self.draw(st.sampled_from(there))
        return self.constant(ArrayType((), dtypes[0]))

    def constant(self, type: ArrayType) -> Value:
        numbers = {F32: FLOATS, I32: INTEGERS, BOOL: (True, False)}[type.dtype]
        array = np.full(type.shape, self.draw(st.sampled_from(numbers)), type.dtype)
        op = self.op("constant", (), [type], {"value": Dense(array)})
        return op.result

    def op(
        self,
        name: str,
        operands: Sequence[Value],
        types: Sequence[ArrayType],
        attributes: dict[str, Attribute] | None = None,
        regions: Sequence[Region] = (),
        effects: frozenset[Effect] = frozenset(),
    ) -> Operation:
        line = Frame("drawn.py", self.draw(st.integers(1, 9)), "f")
        scope = self.draw(st.sampled_from(("", "", "a", "a/b")))
        op = self.builder.op(
            name,
            operands,
            types,
            attributes or {},
            regions,
            effects=effects,
            location=Location((line,), scope),
        )
        self.values.extend(op.results)
        return op

    def fill(self, most: int) -> None:
        """Draws up to so many ops."""
        kinds = [*LEAVES, *(NESTED if self.depth < 2 else ())]
        kinds += [_effect] if self.effects else []
        for _ in range(self.draw(st.integers(0, most))):
            self.draw(st.sampled_from(kinds))(self)

    def region(
        self, name: str, parameters: Sequence[ArrayType], types: Sequence[ArrayType]
    ) -> Region:
        """A region that takes and gives these types."""
        region = Region(name)
        mutate.add_parameters(region, parameters)
        builder = Builder(region)
        inner = Drawing(self.draw, builder, self.depth + 1, effects=self.effects)
        inner.fill(3)
        builder.finish([inner.pick(type) for type in types])
        return region

    def type(self) -> ArrayType:
        return self.draw(st.sampled_from(TYPES))


def _unary(d: Drawing) -> None:
    x = d.any()
    name = d.draw(st.sampled_from(UNARY[x.type.dtype]))
    d.op(name, [x], [x.type])


def _binary(d: Drawing) -> None:
    x = d.any()
    d.op(d.draw(st.sampled_from(BINARY[x.type.dtype])), [x, d.pick(x.type)], [x.type])


def _compare(d: Drawing) -> None:
    x = d.any((F32, I32))
    name = d.draw(st.sampled_from(("eq", "ne", "lt", "ge")))
    d.op(name, [x, d.pick(x.type)], [ArrayType(x.type.shape, BOOL)])


def _select(d: Drawing) -> None:
    x = d.any()
    d.op("select_n", [d.pick(ArrayType(x.type.shape, BOOL)), x, d.pick(x.type)], [x.type])


def _transpose(d: Drawing) -> None:
    x = d.pick(ArrayType(d.draw(st.sampled_from(((2, 3), (3, 2)))), F32))
    d.op("transpose", [x], [ArrayType(x.type.shape[::-1], F32)], {"permutation": (1, 0)})


def _reshape(d: Drawing) -> None:
    x = d.pick(ArrayType((2, 3), F32))
    d.op("reshape", [x], [ArrayType((3, 2), F32)], {"new_sizes": (3, 2)})


def _broadcast(d: Drawing) -> None:
    x = d.any()
    old = x.type.shape
    ends = [shape for shape in SHAPES if shape[len(shape) - len(old) :] == old]
    shape = d.draw(st.sampled_from([old, *ends]))
    places = tuple(range(len(shape) - len(old), len(shape)))
    attributes: dict[str, Attribute] = {"broadcast_dimensions": places, "shape": shape}
    d.op("broadcast_in_dim", [x], [ArrayType(shape, x.type.dtype)], attributes)


def _reduce(d: Drawing) -> None:
    x = d.any((F32,))
    axes = d.draw(st.sampled_from([(), *[(i,) for i in range(len(x.type.shape))]]))
    shape = tuple(size for i, size in enumerate(x.type.shape) if i not in axes)
    name = d.draw(st.sampled_from(("reduce_sum", "reduce_max")))
    d.op(name, [x], [ArrayType(shape, F32)], {"axes": axes})


def _slice(d: Drawing) -> None:
    x = d.pick(ArrayType((3,), F32))
    start = d.draw(st.integers(0, 2))
    y = d.op(
        "slice",
        [x],
        [ArrayType((3 - start,), F32)],
        {"limit_indices": (3,), "start_indices": (start,)},
    ).result
    zero = d.constant(ArrayType((), F32))
    d.op("pad", [y, zero], [x.type], {"padding_config": ((start, 0, 0),)})


def _dot(d: Drawing) -> None:
    left, right = d.pick(ArrayType((2, 3), F32)), d.pick(ArrayType((3, 2), F32))
    attributes: dict[str, Attribute] = {"dimension_numbers": (((0,), (1,)), ((), ()))}
    d.op("dot_general", [left, right], [ArrayType((3, 3), F32)], attributes)


def _effect(d: Drawing) -> None:
    d.op("foreign.log", [d.any()], [], {"tag": d.draw(st.integers(0, 3))}, effects=EFFECT)


def _call(d: Drawing) -> None:
    operands = [d.any() for _ in range(d.draw(st.integers(0, 2)))]
    types = [d.type() for _ in range(d.draw(st.integers(1, 2)))]
    region = d.region("jaxpr", [x.type for x in operands], types)
    d.op("jit", operands, types, {"name": d.draw(st.sampled_from(("f", "g")))}, [region])


def _cond(d: Drawing) -> None:
    operands = [d.any() for _ in range(d.draw(st.integers(0, 2)))]
    types = [d.type() for _ in range(d.draw(st.integers(1, 2)))]
    parameters = [x.type for x in operands]
    regions = [d.region(f"branches[{i}]", parameters, types) for i in range(2)]
    d.op("cond", [d.pick(ArrayType((), I32)), *operands], types, {}, regions)


def _scan(d: Drawing) -> None:
    constants = [d.any() for _ in range(d.draw(st.integers(0, 1)))]
    carry = [d.any() for _ in range(d.draw(st.integers(1, 2)))]
    sliced = [d.pick(ArrayType((3, 2), F32))]
    stacked = [ArrayType((3, *shape), F32) for shape in d.draw(st.sampled_from(([], [()], [(2,)])))]
    carried = [x.type for x in carry]
    parameters = [*(x.type for x in constants), *carried, ArrayType((2,), F32)]
    yielded = [*carried, *(ArrayType(type.shape[1:], F32) for type in stacked)]
    attributes: dict[str, Attribute] = {
        "length": 3,
        "num_carry": len(carry),
        "num_consts": len(constants),
        "reverse": d.draw(st.booleans()),
        "unroll": 1,
    }
    region = d.region("jaxpr", parameters, yielded)
    d.op("scan", [*constants, *carry, *sliced], [*carried, *stacked], attributes, [region])


LEAVES: tuple[Callable[[Drawing], None], ...] = (
    *(_unary, _binary, _binary, _compare, _select, _transpose, _reshape, _broadcast),
    *(_reduce, _slice, _dot),
)
NESTED: tuple[Callable[[Drawing], None], ...] = (_call, _cond, _scan)


@st.composite
def typed_graphs(draw: st.DrawFn, *, most: int = 10, effects: bool = False) -> Graph:
    """Random graphs that JAX could have made; with effects, some ops are none that it can run."""
    types = draw(st.lists(st.sampled_from(TYPES), min_size=1, max_size=3))
    graph, builder = build_graph("f", types, [f"x{i}" for i in range(len(types))])
    drawing = Drawing(draw, builder, 0, effects=effects)
    drawing.fill(most)
    results = [drawing.any() for _ in range(draw(st.integers(1, 3)))]
    return finish_graph(graph, results)
