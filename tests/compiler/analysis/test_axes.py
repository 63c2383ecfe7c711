"""Where an axis lies at an op, checked by computing the op for some places along it at a time."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from compiler.analysis.axes import carried
from compiler.ir.graph import CONSTANT
from compiler.lowering.blocks import Step, Window
from compiler.lowering.evaluate import op_function
from compiler.lowering.export_jax import constant_value
from compiler.lowering.import_jaxpr import import_jaxpr
from compiler.passes.manager import PassManager
from compiler.passes.pipeline import parse_pipeline


def draw(*shape, seed=0):
    return np.asarray(jax.random.normal(jax.random.key(seed), shape), np.float32)


X, Y = draw(6, 4, 3), draw(6, 4, 3, seed=1)
ROWS = np.arange(24, dtype=np.int32).reshape(6, 4) % 3


def along(x, i):
    return jnp.take_along_axis(x, i[..., None], axis=-1)


def write(x, i, v):
    return jax.vmap(lambda row, place, value: row.at[place].add(value))(x, i, v)


OPS = {
    "add": (lambda x, y: x + y, (X, Y)),
    "times a scalar": (lambda x: x * 2.0, (X,)),
    "select": (lambda x, y: lax.select(x > y, x, y), (X, Y)),
    "transpose": (lambda x: x.transpose(2, 0, 1), (X,)),
    "reshape": (lambda x: x.reshape(6, 12), (X,)),
    "reshape in front": (lambda x: x.reshape(24, 3), (X,)),
    "reshape of units": (lambda x: lax.reshape(x, (1, 6, 1, 4, 3)), (X,)),
    "broadcast": (lambda x: jnp.broadcast_to(x[:, 0], (5, 6, 3)), (X,)),
    "broadcast of a unit": (lambda x: jnp.broadcast_to(x, (6, 4, 3)), (draw(6, 1, 3),)),
    "sum": (lambda x: jnp.sum(x, 1), (X,)),
    "sum of two": (lambda x: jnp.sum(x, (0, 2)), (X,)),
    "max": (lambda x: jnp.max(x, 2), (X,)),
    "argmax": (lambda x: jnp.argmax(x, 0), (X,)),
    "convert": (lambda x: x.astype(jnp.int32), (X,)),
    "dot": (lambda x, y: jnp.einsum("abc,dc->abd", x, y), (X, draw(5, 3))),
    "dot in a batch": (lambda x, y: jnp.einsum("abc,adc->abd", x, y), (X, draw(6, 5, 3))),
    "dot over two": (lambda x, y: jnp.einsum("abc,abd->cd", x, y), (X, draw(6, 4, 2))),
    "gather": (along, (X, ROWS)),
    "scatter": (write, (X[:, 0], ROWS, draw(6, 4))),
    "squeeze": (lambda x: lax.squeeze(x, (1,)), (draw(6, 1, 3),)),
}


def captured(function, arrays):
    passes = PassManager(parse_pipeline("inline,canonicalize,cse,dce"))
    return passes.run(import_jaxpr(jax.make_jaxpr(function)(*arrays))).graph


def single_ops(function, arrays):
    """Every op of a function's graph with the arrays that it reads."""
    graph = captured(function, arrays)
    values = dict(zip(graph.parameters, map(jnp.asarray, arrays), strict=True))
    for op in graph.body:
        if op.is_terminator:
            return
        if op.name == CONSTANT:
            values[op.result] = constant_value(op.attributes["value"])
            continue
        operands = [values[value] for value in op.operands]
        found = op_function(op)(*operands)
        values.update(zip(op.results, found, strict=True))
        yield op, operands, found


def questions(function, arrays):
    """Each op, and each axis of an operand that it is known to carry, the others unknown."""
    for op, operands, results in single_ops(function, arrays):
        for slot, array in enumerate(operands):
            for axis in range(array.ndim):
                places = [axis if i == slot else None for i in range(len(operands))]
                ends = carried(op, places)
                if ends is not None and array.shape[axis] > 1:
                    yield op, operands, results, ends, array.shape[axis]


@pytest.mark.parametrize("name", OPS)
def test_parts_of_an_op_are_the_op_of_parts(name):
    asked = list(questions(*OPS[name]))
    assert asked
    for op, operands, (whole, *_), ends, size in asked:
        step, middle = Step(op, [ends]), size // 2
        parts = []
        for window in (Window([0], [middle]), Window([middle], [size - middle])):
            cut = [window.of(x, p) for x, p in zip(operands, step.operands, strict=True)]
            parts.append(step.run(cut, window)[0])
        if ends.sums:
            np.testing.assert_allclose(parts[0] + parts[1], whole, rtol=1e-5, atol=1e-5)
        else:
            assert ends.result is not None
            found = jnp.concatenate(parts, ends.result)
            np.testing.assert_allclose(found, whole, rtol=1e-6, atol=2e-6)


@pytest.mark.parametrize(
    ("name", "slot", "axis"),
    [
        ("sum", 0, 0),
        ("max", 0, 2),
        ("argmax", 0, 0),
        ("reshape", 0, 2),
        ("reshape in front", 0, 1),
        ("gather", 0, 2),
        ("gather", 1, 0),
        ("scatter", 0, 1),
    ],
)
def test_what_mixes_places_carries_nothing(name, slot, axis):
    function, arrays = OPS[name]
    *_, (op, operands, _) = single_ops(function, arrays)
    places = [None] * len(operands)
    places[slot] = axis
    ends = carried(op, places)
    mixes = not (name == "sum" or (name, slot) == ("gather", 1))
    assert (ends is None) == mixes


@pytest.mark.parametrize("name", ["broadcast", "dot", "transpose", "reshape of units", "select"])
def test_the_result_says_where_the_axis_is_in_the_operands(name):
    for op, _, _, ends, _ in questions(*OPS[name]):
        if ends.result is not None:
            assert carried(op, [None] * len(op.operands), ends.result) == ends


def test_places_that_do_not_go_together_are_refused():
    ((op, _, _),) = single_ops(lambda x, y: x + y, (X, Y))
    assert carried(op, [0, 1]) is None
    assert carried(op, [0, None], 1) is None


def test_counting_has_its_axis_in_the_result_alone():
    op, *_ = next(single_ops(lambda: lax.broadcasted_iota(jnp.int32, (6, 4), 0), ()))
    ends = carried(op, [], 0)
    assert ends is not None
    step = Step(op, [ends])
    (part,) = step.run([], Window([2], [3]))
    np.testing.assert_array_equal(part, np.arange(2, 5)[:, None].repeat(4, 1))
