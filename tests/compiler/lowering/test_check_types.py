"""The types of a graph that was read from text, against JAX's own rules."""

from __future__ import annotations

import jax
import pytest

from compiler.ir import TracegraphError, parse_graph, print_graph
from compiler.ir.parser import parse_text
from compiler.lowering.check_types import check_types
from compiler.lowering.import_jaxpr import import_jaxpr
from compiler.passes.manager import PassManager
from compiler.passes.pipeline import DEFAULT_PIPELINE, parse_pipeline
from tests.differential.all_operations import OPERATIONS

HEAD = "tracegraph.ir 1\ngraph @f(%x: f32[8,4], %y: f32[4], %i: i32[], %p: bool[]) -> () {\n"
TAIL = "\n  return\n}\n"

MESSAGES = {
    "another type than the operands give": (
        "  %a = add %x, %x : f32[8,5]",
        """\
the operation add does not give what is written
  where: f.tg:3:3
      %a = add %x, %x : f32[8,5]
      ^
  expected: (f32[8,4])
  found: (f32[8,5])
  what to do: correct the type after the colon, or what the operation reads""",
    ),
    "another element type": (
        "  %a = eq %x, %x : f32[8,4]",
        """\
the operation eq does not give what is written
  where: f.tg:3:3
      %a = eq %x, %x : f32[8,4]
      ^
  expected: (bool[8,4])
  found: (f32[8,4])
  what to do: correct the type after the colon, or what the operation reads""",
    ),
    "more results than there are": (
        "  %a, %b = neg %x : f32[8,4], f32[8,4]",
        """\
the operation neg does not give what is written
  where: f.tg:3:3
      %a, %b = neg %x : f32[8,4], f32[8,4]
      ^
  expected: (f32[8,4])
  found: (f32[8,4], f32[8,4])
  what to do: correct the type after the colon, or what the operation reads""",
    ),
    "an unknown operation": (
        "  %a = recude_sum %x {axes = (0,)} : f32[4]",
        """\
there is no operation recude_sum
  where: f.tg:3:3
      %a = recude_sum %x {axes = (0,)} : f32[4]
      ^
  expected: the name of a primitive of JAX
  found: recude_sum
  what to do: did you mean reduce_sum{more}? If not: write foreign.recude_sum if it is another \
library's""",
    ),
    "too few operands": (
        "  %a = add %x : f32[8,4]",
        """\
the operation add cannot be like this
  where: f.tg:3:3
      %a = add %x : f32[8,4]
      ^
  expected: operands and attributes that JAX's primitive add takes
  found: operands (f32[8,4]); AssertionError in JAX: the number of operands may be wrong
  what to do: correct the operation; another version of JAX may take other attributes""",
    ),
    "no attribute": (
        "  %a = reduce_sum %x : f32[4]",
        """\
the operation reduce_sum cannot be like this
  where: f.tg:3:3
      %a = reduce_sum %x : f32[4]
      ^
  expected: operands and attributes that JAX's primitive reduce_sum takes
  found: operands (f32[8,4]); no attribute axes
  what to do: correct the operation; another version of JAX may take other attributes""",
    ),
    "no member of an enumeration": (
        "  %a = sin %x {accuracy = Precision.MEDIUM} : f32[8,4]",
        """\
Precision has no member MEDIUM
  where: f.tg:3:3
      %a = sin %x {accuracy = Precision.MEDIUM} : f32[8,4]
      ^
  expected: one of DEFAULT, HIGH, HIGHEST
  found: MEDIUM
  what to do: correct the attribute""",
    ),
    "a region that takes something else": (
        "  %a = jit %x : f32[8,4]\n    jaxpr (%b: f32[4]) {\n      yield %b\n    }",
        """\
the operation jit and its regions do not fit together
  where: f.tg:3:3
      %a = jit %x : f32[8,4]
      ^
  expected: f32[8,4] as parameter of jaxpr 0, like the operand
  found: f32[4]
  what to do: correct the operation, or the parameters and the `yield` of the region""",
    ),
}


def checked(body: str) -> None:
    text = parse_text(HEAD + body + TAIL, filename="f.tg")
    check_types(text.graph, text.where)


@pytest.mark.parametrize("case", MESSAGES)
def test_the_message(case: str) -> None:
    body, message = MESSAGES[case]
    with pytest.raises(TracegraphError) as caught:
        checked(body)
    first, more, last = message.partition("{more}")
    assert str(caught.value).startswith(first)
    assert str(caught.value).endswith(last if more else message)


REFUSED = [
    ("add %x, %x, %x : f32[8,4]", "the number of operands"),
    ("neg %x, %x : f32[8,4]", "the number of operands"),
    ("add %x, %y : f32[8,4]", "JAX says: add"),
    ("sin %i : i32[]", "JAX says: sin does not accept dtype int32"),
    ("reduce_sum %x {axes = (5,)} : f32[8]", "axes (5,)"),
    ("transpose %x {permutation = (0, 0)} : f32[8,8]", "permutation"),
    ("dot_general %x, %y {dimension_numbers = (((0,), (0,)), ((), ()))} : f32[4]", "contracting"),
    ("gather %x, %i {depth = 1} : f32[4]", "depth, which it does not have"),
    ("gather %x, %i {dimension_numbers = GatherDimensionNumbers(a = 1)} : f32[4]", "fields"),
    ("reduce_sum %x {axes = GatherScatterMode(a = 1)} : f32[4]", "GatherScatterMode"),
    ("sin %x {accuracy = GatherDimensionNumbers.CLIP} : f32[8,4]", "(field = value, ...)"),
]


@pytest.mark.parametrize(("op", "reason"), REFUSED, ids=[op for op, _ in REFUSED])
def test_what_jax_refuses_is_an_error_that_says_why(op: str, reason: str) -> None:
    with pytest.raises(TracegraphError) as caught:
        checked(f"  %a = {op}")
    assert reason in str(caught.value)
    assert caught.value.where.startswith("f.tg:3:3\n")


REGIONS = {
    "no region": ("%a = jit %x : f32[8,4]", "the regions jaxpr"),
    "another region": (
        "%a = jit %x : f32[8,4]\n body (%b: f32[8,4]) { yield %b }",
        "the regions jaxpr",
    ),
    "two few parameters": (
        "%a = jit %x, %y : f32[8,4]\n jaxpr (%b: f32[8,4]) { yield %b }",
        "2 parameters of region jaxpr",
    ),
    "another result": (
        "%a = jit %x : f32[4]\n jaxpr (%b: f32[8,4]) { yield %b }",
        "f32[4] as value from jaxpr 0",
    ),
    "a branch on a float": (
        "%a = cond %y, %x : f32[8,4]\n branches[0] (%b: f32[8,4]) { yield %b }",
        "i32[] as operand 0",
    ),
    "branches out of order": (
        "%a = cond %i, %x : f32[8,4]\n branches[1] (%b: f32[8,4]) { yield %b }",
        "the regions branches[0]",
    ),
    "a branch that yields less": (
        "%a = cond %i, %x : f32[8,4]\n branches[0] (%b: f32[8,4]) { yield %b }\n"
        " branches[1] (%b: f32[8,4]) { yield }",
        "1 values from region branches[1]",
    ),
    "a loop that counts more than there is": (
        "%a = while %x {body_nconsts = 2, cond_nconsts = 0} : f32[8,4]\n"
        " body_jaxpr (%b: f32[8,4]) { yield %b }\n cond_jaxpr (%b: f32[8,4]) { yield %b }",
        "how many of the 1 operands",
    ),
    "a loop that decides by a float": (
        "%a = while %x {body_nconsts = 0, cond_nconsts = 0} : f32[8,4]\n"
        " body_jaxpr (%b: f32[8,4]) { yield %b }\n cond_jaxpr (%b: f32[8,4]) { yield %b }",
        "one bool[] from region cond_jaxpr",
    ),
    "a scan over another length": (
        "%a = scan %y, %x {length = 9, num_carry = 1, num_consts = 0} : f32[4]\n"
        " jaxpr (%c: f32[4], %b: f32[4]) { yield %c }",
        "f32[9,4] as stacked operand 0",
    ),
    "a scan that stacks something else": (
        "%a, %s = scan %y, %x {length = 8, num_carry = 1, num_consts = 0} : f32[4], f32[8]\n"
        " jaxpr (%c: f32[4], %b: f32[4]) { yield %c, %b }",
        "f32[8,4] as stacked result 0",
    ),
    "a scan without a length": (
        "%a = scan %y {num_carry = 1, num_consts = 0} : f32[4]\n jaxpr (%c: f32[4]) { yield %c }",
        "the attribute length",
    ),
    "a scan that carries something else": (
        "%a = scan %y {length = 8, num_carry = 1, num_consts = 0} : f32[4]\n"
        " jaxpr (%c: f32[4]) { %d = reduce_sum %c {axes = (0,)} : f32[]\n yield %d }",
        "f32[4] as value from jaxpr 0",
    ),
}


@pytest.mark.parametrize("case", REGIONS)
def test_regions_that_do_not_fit(case: str) -> None:
    op, expected = REGIONS[case]
    with pytest.raises(TracegraphError, match="its regions do not fit together") as caught:
        checked(f"  {op}")
    assert expected in caught.value.expected


def test_the_first_wrong_op_is_named_however_deep_it_stands() -> None:
    body = (
        "  %a = jit %x : f32[8,4]\n"
        "    jaxpr (%b: f32[8,4]) {\n"
        "      %c = sin %b : f32[4,8]\n"
        "      yield %b\n"
        "    }\n"
        "  %d = cos %x : f32[4,8]"
    )
    with pytest.raises(TracegraphError) as caught:
        checked(body)
    assert caught.value.where.startswith("f.tg:5:7\n")


@pytest.mark.parametrize(
    "op",
    [
        "%a = foreign.mine %x {b = 1} : f32[3]",
        '%a = pure_callback %x {callback = opaque("function", "f")} : f32[3]',
        '%a = pallas_call %x {grid = opaque("Mapping", "f")} : f32[3]',
        "%a = custom_vjp_call_jaxpr %x : f32[8,4]\n fun_jaxpr (%b: f32[8,4]) { yield %b }",
        "%a = while %x {body_nconsts = 0, cond_nconsts = 0} : f32[8,4]\n"
        " body_jaxpr (%b: f32[8,4]) { yield %b }\n"
        " cond_jaxpr (%b: f32[8,4]) { %c = ne %b, %b : bool[8,4]\n yield %c }",
        "%a = iota {dimension = 0, dtype = i64, shape = (3,)} : i64[3]",
    ],
)
def test_what_cannot_be_known_is_passed_over(op: str) -> None:
    checked(f"  {op}")


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_of_jax_passes_as_captured_as_text_and_optimised(name: str) -> None:
    function, arguments = OPERATIONS[name]
    captured = import_jaxpr(jax.make_jaxpr(function)(*arguments))
    optimized = PassManager(parse_pipeline(DEFAULT_PIPELINE)).run(captured).graph
    for graph in (captured, optimized):
        check_types(graph)
        check_types(parse_graph(print_graph(graph)))
