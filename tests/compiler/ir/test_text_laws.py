"""The laws of the text form, over random graphs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.ir import (
    ArrayType,
    Dense,
    Graph,
    Location,
    build_graph,
    clone,
    difference,
    finish_graph,
    parse_graph,
    print_graph,
    verify,
    walk,
)
from tests.strategies.ir_graphs import NUMPY_DTYPES, arrays, attributes, graphs

ROOT = Path(__file__).parents[3]

EXAMPLE = """\
tracegraph.ir 1
graph @loss(%x: f32[8,128] donated, %w: f32[128,4], %p: i32[]) -> (f32[] "loss", f32[8,4] "h") {
  %dot = dot_general %x, %w {dimension_numbers = (((1,), (0,)), ((), ()))} : f32[8,4]
  %c = constant {value = 2.0} : ~f32[]
  %c_1 = constant {value = dense([[1, -2], [3, 4]])} : i4[2,2]
  %h = cond %p, %dot {mode = Mode.CLIP, tg.group = "a"} !(Debug!, Read(0)) : f32[8,4]
    branches[0] (%a: f32[8,4]) {
      %neg = neg %a : f32[8,4]
      yield %neg
    }
    branches[1] (%a: f32[8,4]) {
      debug_callback %a {callback = opaque("function", "print")} !(Debug!) : ()
      yield %a
    }
  %loss = reduce_sum %h {axes = (0, 1)} : f32[]
  return %loss, %h
}
"""


def one_constant(array: np.ndarray) -> Graph:
    graph, builder = build_graph("f", ())
    value = builder.constant(Dense(array), ArrayType(array.shape, array.dtype))
    return finish_graph(graph, [value])


def the_array(graph: Graph) -> np.ndarray:
    value = next(walk(graph)).attributes["value"]
    assert isinstance(value, Dense)
    return value.array


@given(graphs())
def test_parsing_what_was_printed_gives_an_equal_graph(graph: Graph) -> None:
    verify(graph)
    parsed = parse_graph(print_graph(graph))
    assert difference(graph, parsed) is None
    assert parsed.name == graph.name


@given(graphs(), st.booleans())
def test_printing_what_was_parsed_gives_the_text_back(graph: Graph, locations: bool) -> None:
    text = print_graph(graph, locations=locations)
    assert print_graph(parse_graph(text), locations=locations) == text


@given(graphs())
def test_locations_come_back(graph: Graph) -> None:
    parsed = parse_graph(print_graph(graph, locations=True))
    expected: list[Location] = [op.location for op in walk(graph)]
    assert [op.location for op in walk(parsed)] == expected


@given(graphs())
def test_a_clone_equals_its_original(graph: Graph) -> None:
    copy = clone(graph)
    assert difference(graph, copy) is None
    assert print_graph(copy) == print_graph(graph)


@given(attributes())
def test_attributes_come_back_with_the_same_text(value: object) -> None:
    graph, builder = build_graph("f", ())
    builder.op("op", (), (), {"value": value})  # type: ignore[dict-item]
    finish_graph(graph, ())
    parsed = parse_graph(print_graph(graph))
    assert difference(graph, parsed) is None


@pytest.mark.parametrize("dtype", NUMPY_DTYPES, ids=str)
@given(shape=st.sampled_from([(), (3,), (2, 2), (0, 3), (20,)]), data=st.data())
def test_constants_come_back_to_the_bit(
    dtype: np.dtype, shape: tuple[int, ...], data: st.DataObject
) -> None:
    array = data.draw(arrays(dtype, shape))
    back = the_array(parse_graph(print_graph(one_constant(array))))
    assert (back.dtype, back.shape, back.tobytes()) == (array.dtype, shape, array.tobytes())


@pytest.mark.parametrize(
    ("bits", "text"),
    [
        (0x7FC00000, "nan"),
        (0x7FC00001, "0x7fc00001"),
        (0x7F800001, "0x7f800001"),
        (0xFFC00000, "0xffc00000"),
        (0xFF800000, "-inf"),
        (0x80000000, "-0.0"),
        (0x3DCCCCCD, "0.1"),
        (0x00000001, "1e-45"),
        (0x7F7FFFFF, "3.4028235e+38"),
    ],
)
def test_a_float_has_the_fewest_digits_or_its_bits(bits: int, text: str) -> None:
    graph = one_constant(np.array(bits, np.uint32).view(np.float32))
    assert f"{{value = {text}}} : f32[]" in print_graph(graph)


def test_the_example_is_canonical() -> None:
    assert print_graph(parse_graph(EXAMPLE)) == EXAMPLE


def test_space_and_comments_mean_nothing() -> None:
    loose = "// a comment\n" + EXAMPLE.replace(", ", " ,\n").replace(" {", "\n{ // and another\n")
    assert print_graph(parse_graph(loose)) == EXAMPLE


def test_an_array_is_written_once_however_often_it_is_used() -> None:
    array = np.arange(100, dtype=np.float32)
    graph, builder = build_graph("f", ())
    builder.constant(Dense(array), ArrayType((100,), array.dtype))
    builder.op("op", (), (), {"table": (Dense(array.copy()),)})
    text = print_graph(finish_graph(graph, ()))
    assert text.count("base64") == 0
    assert text.count(" : f32[100] = ") == 1
    assert text.count(f"resource(#{Dense(array).digest})") == 2


@pytest.mark.parametrize("seed", ["0", "1"])
def test_another_process_prints_the_same(seed: str) -> None:
    program = (
        "from compiler.ir import Effect, build_graph, finish_graph, print_graph\n"
        "graph, builder = build_graph('f', ())\n"
        "effects = frozenset(Effect(kind, flag) for kind in 'abcdef' for flag in (True, False))\n"
        "builder.op('op', (), (), dict.fromkeys({'x', 'y', 'z', 'w'}, 1), effects=effects)\n"
        "print(print_graph(finish_graph(graph, ())), end='')\n"
    )
    environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, check=True, capture_output=True, text=True
    )
    effects = ", ".join(f"{kind}{mark}" for kind in "abcdef" for mark in ("", "!"))
    attributes = "{w = 1, x = 1, y = 1, z = 1}"
    head = "tracegraph.ir 1\ngraph @f() -> () {\n"
    assert done.stdout == f"{head}  op {attributes} !({effects}) : ()\n  return\n}}\n"
