"""Text that somebody broke: cut, filled with rubbish, or far too large."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.ir import Graph, TracegraphError, VerificationError, parse_graph, print_graph
from compiler.ir.lexer import MAX_LINE
from tests.compiler.ir.test_text_laws import EXAMPLE
from tests.strategies.ir_graphs import graphs

ROOT = Path(__file__).parents[3]
HEAD = "tracegraph.ir 1\ngraph @f(%x: f32[2], %y: i32[]) -> (f32[2]) {\n"
TAIL = "\n  return %x\n}\n"
LOCATED = """\
// a comment: with ümlauts
tracegraph.ir 1
graph @"ä b"(captured %w: f32[3]@"x", %k: dtype<key<fry>>[], %r: opaque<"Ref">)
    -> (~f32[] "['a']") {
  %a, %b = odd %k, %r {f = float(0x7ff0000000000001), n = -12} !(Read(1))
      : ~f32[], bf16[2*n,3] loc("a.py":1:2 "f", "b.py":3 "g" in "s" by "cse")
  %c = constant {value = resource(#55ddea2d6eefb872)} : u8[3]
  return %a
}
resources {
  #55ddea2d6eefb872 : u8[3] = "AQID"
}
"""

BROKEN_RULES = {
    "an effect on an operand that is not there": (
        HEAD + "  %a = swap %x !(Write(3)) : f32[2]" + TAIL,
        """\
an effect happens to an operand that is not there
  where: f.txt:3:3
      %a = swap %x !(Write(3)) : f32[2]
      ^
  expected: an operand below 1
  found: Write(3)
  what to do: correct the text: it can be read, but no graph may be like that""",
    ),
    "a constant without a value": (
        HEAD + "  %a = constant : f32[2]" + TAIL,
        """\
a constant is not formed like one
  where: f.txt:3:3
      %a = constant : f32[2]
      ^
  expected: no operand, one result, and an array as its attribute `value`
  found: <Operation constant of 0 at unknown location>
  what to do: correct the text: it can be read, but no graph may be like that""",
    ),
    "two regions of one name": (
        HEAD + "  op : ()\n    r () {\n      yield\n    }\n    r () {\n      yield\n    }" + TAIL,
        """\
two regions of an operation have one name
  where: f.txt:3:3
      op : ()
      ^
  expected: different names
  found: ['r', 'r']
  what to do: correct the text: it can be read, but no graph may be like that""",
    ),
    "a terminator with a region": (
        HEAD + "  return %x\n    r () {\n      yield\n    }\n}\n",
        """\
a terminator has results or regions
  where: f.txt:3:3
      return %x
      ^
  expected: operands only
  found: ()
  what to do: correct the text: it can be read, but no graph may be like that""",
    ),
}
LARGE = {
    "one long line of operands": HEAD + "  %a = op " + "%x, " * 4_000_000 + " : f32[2]" + TAIL,
    "one long string": HEAD + '  %a = op {b = "' + "x" * 16_000_000 + '"} : f32[2]' + TAIL,
    "one long type": HEAD + "  %a = op : f32[" + "1," * 8_000_000 + "1]" + TAIL,
    "one long word": "x" * 16_000_000,
    "one long number": HEAD + "  %a = op {b = " + "1" * 16_000_000 + "} : f32[2]" + TAIL,
    "one long row": HEAD + "  %a = constant {value = [" + "1, " * 5_000_000 + TAIL,
    "nothing but zeros": "\0" * 16_000_000,
    "ten thousand regions": HEAD + "  op : ()\n body () {\n" * 10_000,
    "ten thousand tuples": HEAD + "  op {a = " + "(" * 10_000,
}


def assert_short(error: TracegraphError) -> None:
    """It has its four parts, fits on a screen, and holds nothing that a terminal would obey."""
    assert error.what
    assert error.where
    assert error.expected
    assert error.found
    assert error.hint
    text = str(error)
    assert len(text) < 1500
    assert text.replace("\n", "").isprintable()


@pytest.mark.parametrize("text", [EXAMPLE, LOCATED], ids=["example", "located"])
def test_cut_anywhere_it_is_an_error_that_shows_the_place(text: str) -> None:
    data = text.encode()
    for end in range(len(data) - 1):
        with pytest.raises(TracegraphError) as caught:
            parse_graph(data[:end].decode(errors="replace"), filename="f.txt")
        assert caught.value.where.startswith("f.txt:")
        assert_short(caught.value)


@given(graphs(max_ops=3), st.data())
def test_any_graph_cut_anywhere_is_an_error(graph: Graph, data: st.DataObject) -> None:
    text = print_graph(graph, locations=True)
    end = data.draw(st.integers(0, len(text) - 2))
    with pytest.raises(TracegraphError) as caught:
        parse_graph(text[:end])
    assert_short(caught.value)


@given(graphs(max_ops=3), st.data())
def test_a_graph_with_a_piece_replaced_is_read_or_refused(
    graph: Graph, data: st.DataObject
) -> None:
    text = print_graph(graph)
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    piece = data.draw(st.text(max_size=5) | st.sampled_from((text[end:], "%x", "{", ")", '"')))
    try:
        parse_graph(text[:start] + piece + text[end:])
    except TracegraphError as error:
        assert_short(error)


@pytest.mark.parametrize("seed", range(20))
def test_rubbish_is_an_error(seed: int) -> None:
    rng = random.Random(seed)
    rubbish = "".join(
        chr(rng.choice((rng.randrange(256), rng.randrange(0xD800)))) for _ in range(99)
    )
    for text in (rubbish, HEAD + rubbish, EXAMPLE.replace("neg", rubbish)):
        with pytest.raises(TracegraphError) as caught:
            parse_graph(text)
        assert_short(caught.value)


@pytest.mark.parametrize("case", BROKEN_RULES)
def test_what_breaks_a_rule_of_graphs_is_shown_in_its_place(case: str) -> None:
    text, message = BROKEN_RULES[case]
    with pytest.raises(VerificationError) as caught:
        parse_graph(text, filename="f.txt")
    assert str(caught.value) == message


@pytest.mark.parametrize("text", LARGE.values(), ids=LARGE)
def test_what_is_far_too_large_gives_a_short_error(text: str) -> None:
    with pytest.raises(TracegraphError) as caught:
        parse_graph(text, filename="f.txt")
    assert_short(caught.value)


def test_a_signature_may_be_long() -> None:
    names = [f"%parameter_of_some_layer_{i}" for i in range(30_000)]
    types = [f"f32[{i % 7},128]" for i in range(30_000)]
    parameters = ", ".join(map("{}: {}".format, names, types))
    head = f"tracegraph.ir 1\ngraph @f({parameters}) -> ({', '.join(types)}) {{\n"
    assert len(head) < MAX_LINE
    text = head + f"  return {', '.join(names)}\n}}\n"
    assert print_graph(parse_graph(text)) == text


def test_a_line_of_a_hundred_megabytes_is_refused_in_bounded_memory() -> None:
    program = (
        "import resource\n"
        "from compiler.ir import TracegraphError, parse_graph\n"
        f"text = {HEAD!r} + '  %a = op ' + '%x, ' * 25_000_000 + ': f32[2]' + {TAIL!r}\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try:\n"
        "    parse_graph(text)\n"
        "except TracegraphError as error:\n"
        "    print(error.what)\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1000)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True, text=True
    )
    what, megabytes = done.stdout.splitlines()
    assert what == "a line of the text is too long"
    # A copy of the text alone would take another 100.
    assert int(megabytes) < 250
