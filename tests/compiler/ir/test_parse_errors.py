"""Text that is not a graph gives an error that shows the place, in exactly these words."""

from __future__ import annotations

import time

import numpy as np
import pytest

from compiler.ir import (
    ArrayType,
    Dense,
    Graph,
    ParseError,
    TracegraphError,
    build_graph,
    finish_graph,
    parse_graph,
    print_graph,
    walk,
)
from compiler.ir.lexer import MAX_NESTING
from compiler.ir.region_parser import MAX_REGIONS

HEAD = "tracegraph.ir 1\ngraph @f(%x: f32[2], %y: i32[]) -> (f32[2]) {\n"
TAIL = "\n  return %x\n}\n"

MESSAGES = {
    "use before definition": (
        HEAD + "  %a = neg %b : f32[2]\n  %b = neg %x : f32[2]" + TAIL,
        """\
the value %b is used but not defined before
  where: f.txt:3:12
      %a = neg %b : f32[2]
               ^
  expected: a parameter of this region, or a result of an operation above in it
  found: %b
  what to do: define it above, or correct the name""",
    ),
    "use from outside": (
        HEAD + "  %a = cond %y : f32[2]\n    b (%c: f32[2]) {\n      yield %x\n    }" + TAIL,
        """\
the value %x is used but not defined before
  where: f.txt:5:13
          yield %x
                ^
  expected: a parameter of this region, or a result of an operation above in it
  found: %x, defined outside of the region
  what to do: regions are closed: make it an operand of the operation that has the region""",
    ),
    "unknown type": (
        HEAD + "  %a = neg %x : f31[2]" + TAIL,
        """\
there is no element type f31
  where: f.txt:3:17
      %a = neg %x : f31[2]
                    ^
  expected: an element type such as f32, bf16, i32, u8, bool, c64 or dtype<key<fry>>
  found: `f31`
  what to do: correct the name, or quote it if it was meant as a string""",
    ),
    "bad dimension": (
        HEAD + "  %a = neg %x : f32[2,,3]" + TAIL,
        """\
a dimension cannot be read
  where: f.txt:3:17
      %a = neg %x : f32[2,,3]
                    ^
  expected: a size such as 8, or an expression over named sizes such as 2*b + 1
  found: ``
  what to do: separate dimensions by commas; a scalar has none: f32[]""",
    ),
    "duplicate name": (
        HEAD + "  %x = neg %x : f32[2]" + TAIL,
        """\
the value %x is defined twice
  where: f.txt:3:3
      %x = neg %x : f32[2]
      ^
  expected: a new name
  found: `%x` once more
  what to do: rename one of the two""",
    ),
    "wrong number of results": (
        HEAD + "  %a, %b = neg %x : f32[2]" + TAIL,
        """\
the results of the operation neg and their types differ in number
  where: f.txt:3:3
      %a, %b = neg %x : f32[2]
      ^
  expected: 1 names on the left, one for each type
  found: 2 names
  what to do: give one type for each name before the `=`""",
    ),
    "wrong type": (
        HEAD + "  %a = neg %x : f32[3]\n  return %a\n}\n",
        """\
the graph does not return what its head says
  where: f.txt:2:37
    graph @f(%x: f32[2], %y: i32[]) -> (f32[2]) {
                                        ^
  expected: (f32[2])
  found: (f32[3])
  what to do: correct the result types in the head, or what is returned""",
    ),
    "no terminator": (
        HEAD + "  %a = neg %x : f32[2]\n}\n",
        """\
the text is not a graph
  where: f.txt:4:1
    }
    ^
  expected: an operation, or `return`
  found: `}`
  what to do: end every region of this kind with `return`""",
    ),
    "wrong terminator": (
        HEAD + "  yield %x\n}\n",
        """\
`yield` cannot end this region
  where: f.txt:3:3
      yield %x
      ^
  expected: `return`
  found: `yield`
  what to do: a graph ends with `return`, a region of an operation with `yield`""",
    ),
    "operation after the terminator": (
        HEAD + "  return %x\n  %a = neg %x : f32[2]\n}\n",
        """\
the text is not a graph
  where: f.txt:4:3
      %a = neg %x : f32[2]
      ^
  expected: `}`
  found: `%a`
  what to do: `return` is the last operation of its region""",
    ),
    "no types": (
        HEAD + "  %a = neg %x" + TAIL,
        """\
the text is not a graph
  where: f.txt:4:3
      return %x
      ^
  expected: `:`
  found: `return`
  what to do: write the result types after a colon, or `: ()` if there are no results""",
    ),
    "constant out of range": (
        HEAD + "  %a = constant {value = dense([1, 300])} : u8[2]" + TAIL,
        """\
a constant does not fit its type
  where: f.txt:3:32
      %a = constant {value = dense([1, 300])} : u8[2]
                                   ^
  expected: u8[2]
  found: 300 does not fit in u8
  what to do: correct the type or the elements""",
    ),
    "ragged rows": (
        HEAD + "  %a = constant {value = dense([[1, 2], [3]])} : u8[2,2]" + TAIL,
        """\
a constant does not fit its type
  where: f.txt:3:41
      %a = constant {value = dense([[1, 2], [3]])} : u8[2,2]
                                            ^
  expected: rows of shape [2]
  found: shape [1]
  what to do: correct the type or the elements""",
    ),
    "missing resource": (
        HEAD + "  %a = constant {value = resource(#0123)} : u8[20]" + TAIL,
        """\
there is no resource #0123
  where: f.txt:3:35
      %a = constant {value = resource(#0123)} : u8[20]
                                      ^
  expected: an entry in the resources section at the end of the text
  found: 0 entries, none of this digest
  what to do: copy the resources section together with the graph""",
    ),
    "false resource": (
        HEAD + TAIL + 'resources {\n  #0123 : u8[3] = "AQID"\n}\n',
        """\
the resource #0123 cannot be used
  where: f.txt:7:3
      #0123 : u8[3] = "AQID"
      ^
  expected: data of digest #0123
  found: data of digest #55ddea2d6eefb872
  what to do: take the section from the text that print_graph wrote""",
    ),
    "some results named": (
        HEAD.replace("(f32[2])", '(f32[2] "a", i32[])') + "  return %x, %y\n}\n",
        """\
some results of the graph have a name and some have none
  where: f.txt:2:37
    graph @f(%x: f32[2], %y: i32[]) -> (f32[2] "a", i32[]) {
                                        ^
  expected: 2 names, or none
  found: 1 names
  what to do: name all results or none""",
    ),
    "attribute twice": (
        HEAD + "  %a = neg %x {b = 1, b = 2} : f32[2]" + TAIL,
        """\
the attribute b is defined twice
  where: f.txt:3:23
      %a = neg %x {b = 1, b = 2} : f32[2]
                          ^
  expected: a new name
  found: `b` once more
  what to do: rename one of the two""",
    ),
    "bad escape": (
        HEAD + '  %a = neg %x {b = "\\q"} : f32[2]' + TAIL,
        """\
a quoted string cannot be read
  where: f.txt:3:20
      %a = neg %x {b = "\\q"} : f32[2]
                       ^
  expected: the escapes \\n \\t \\r \\" \\\\ \\xNN \\uNNNN
  found: unknown escape \\q
  what to do: write a backslash as two""",
    ),
    "open string": (
        HEAD + '  %a = neg %x {b = "c} : f32[2]' + TAIL,
        """\
the text is not a graph
  where: f.txt:3:20
      %a = neg %x {b = "c} : f32[2]
                       ^
  expected: an attribute value such as 1, None, f32, (0, 1) or Kind.MEMBER
  found: a quoted string that does not end on its line
  what to do: check the line against what print_graph writes""",
    ),
    "a number that no float holds": (
        HEAD + "  %a = neg %x {b = 1e999} : f32[2]" + TAIL,
        """\
a number is too large
  where: f.txt:3:20
      %a = neg %x {b = 1e999} : f32[2]
                       ^
  expected: at most 1.7976931348623157e+308, or inf
  found: `1e999`
  what to do: write inf for infinity""",
    ),
    "field twice": (
        HEAD + "  %a = neg %x {b = K(c = 1, c = 2)} : f32[2]" + TAIL,
        """\
the field c is defined twice
  where: f.txt:3:29
      %a = neg %x {b = K(c = 1, c = 2)} : f32[2]
                                ^
  expected: a new name
  found: `c` once more
  what to do: rename one of the two""",
    ),
    "a character that is none": (
        HEAD + "  %a = neg \x00\x1b[31m %x : f32[2]" + TAIL,
        """\
the text is not a graph
  where: f.txt:3:12
      %a = neg ��[31m %x : f32[2]
               ^
  expected: `:`
  found: the character U+0000
  what to do: write the result types after a colon, or `: ()` if there are no results""",
    ),
    "one wrong type of many": (
        "tracegraph.ir 1\ngraph @f(%x: f32[], %y: i32[]) -> (f32[], f32[]) {\n  return %x, %y\n}\n",
        """\
the graph does not return what its head says
  where: f.txt:2:36
    graph @f(%x: f32[], %y: i32[]) -> (f32[], f32[]) {
                                       ^
  expected: f32[] as result 1
  found: i32[]
  what to do: correct the result types in the head, or what is returned""",
    ),
    "other version": (
        "tracegraph.ir 2\n",
        """\
version 2 of the text is not known
  where: f.txt:1:15
    tracegraph.ir 2
                  ^
  expected: version 1
  found: version 2
  what to do: read the text with the version of tracegraph that wrote it""",
    ),
    "no graph at all": (
        "",
        """\
the text is not a graph
  where: f.txt:1:1
  expected: `tracegraph.ir`
  found: the end of the text
  what to do: begin the text with the line `tracegraph.ir 1`""",
    ),
    "a long line": (
        HEAD + "  %a = neg " + "%x, " * 50 + "%b" + ", %x" * 50 + " : f32[2]" + TAIL,
        """\
the value %b is used but not defined before
  where: f.txt:3:212
    ...%x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %b, %x, %x, %x, %x, %x, %x, %x, %x, %x, ...
                                               ^
  expected: a parameter of this region, or a result of an operation above in it
  found: %b
  what to do: define it above, or correct the name""",
    ),
}


@pytest.mark.parametrize("case", MESSAGES)
def test_the_message(case: str) -> None:
    text, message = MESSAGES[case]
    with pytest.raises(ParseError) as caught:
        parse_graph(text, filename="f.txt")
    assert str(caught.value) == message


def big_graph(ops: int) -> Graph:
    graph, builder = build_graph("f", [ArrayType((4,), np.dtype(np.float32))])
    (value,) = graph.parameters
    for index in range(ops):
        if index % 5:
            op = builder.op("add", (value, value), (value.type,), {"axes": (0, index)})
            value = op.result
        else:
            builder.constant(Dense(np.float32(index)), ArrayType((), np.dtype(np.float32)))
    return finish_graph(graph, [value])


def test_a_text_cut_anywhere_is_an_error() -> None:
    graph, builder = build_graph("f", ())
    builder.constant(Dense(np.arange(20)), ArrayType((20,), np.dtype(np.int64)))
    text = print_graph(finish_graph(graph, ()), locations=True)
    for end in range(len(text) - 1):
        with pytest.raises(ParseError):
            parse_graph(text[:end])


@pytest.mark.parametrize(
    "opening",
    [
        "  %a = op {b = " + "(" * 10_000,
        "  %a = op {b = " + "K(c = " * 10_000,
        "  %a = constant {value = dense(" + "[" * 10_000,
        "  op : ()\n body () {\n" * 10_000,
        "  %a = op : " + "f32[" * 10_000,
    ],
    ids=["tuples", "records", "rows", "regions", "types"],
)
def test_deep_nesting_is_an_error_of_the_text(opening: str) -> None:
    with pytest.raises(ParseError):
        parse_graph(HEAD + opening)


def test_values_nest_a_hundred_levels_deep() -> None:
    def nested(levels: int) -> str:
        return HEAD + "  op {a = " + "(" * levels + ")" * levels + "} : ()" + TAIL

    parse_graph(nested(MAX_NESTING))
    with pytest.raises(ParseError, match="at most 100 levels of values"):
        parse_graph(nested(MAX_NESTING + 1))


def test_regions_nest_a_thousand_levels_deep() -> None:
    def nested(levels: int) -> str:
        return HEAD + "op : () r () {\n" * levels + "yield }\n" * levels + TAIL

    parse_graph(nested(MAX_REGIONS))
    with pytest.raises(ParseError, match="at most 1000 levels of regions"):
        parse_graph(nested(MAX_REGIONS + 1))


@pytest.mark.parametrize(
    "unit", ["%x, ", "f32[", '"', "a[", "(", "-", "0x", "1e", "// ", "b", "dtype<", " ", "\\"]
)
def test_a_long_line_takes_linear_time(unit: str) -> None:
    text = HEAD + "  op " + unit * 200_000
    start = time.process_time()
    with pytest.raises(TracegraphError):
        parse_graph(text)
    # A quadratic reader needs minutes for this; a linear one well under a second.
    assert time.process_time() - start < 10


def test_a_megabyte_constant_is_read_in_one_piece() -> None:
    graph, builder = build_graph("f", ())
    array = np.arange(1_000_000, dtype=np.float32)
    value = builder.constant(Dense(array), ArrayType(array.shape, array.dtype))
    parsed = parse_graph(print_graph(finish_graph(graph, [value])))
    found = next(walk(parsed)).attributes["value"]
    assert isinstance(found, Dense)
    np.testing.assert_array_equal(found.array, array)


def test_a_large_graph_is_printed_and_read_in_seconds() -> None:
    graph = big_graph(20_000)
    start = time.process_time()
    text = print_graph(graph)
    assert print_graph(parse_graph(text)) == text
    assert time.process_time() - start < 30
