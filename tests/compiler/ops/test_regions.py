from __future__ import annotations

import pytest

from compiler.ir import Effect, Operation, parse_graph
from compiler.ops.regions import Lane, lanes_of, narrowing


def op(head: str, regions: str, types: str = "f32[], f32[]") -> Operation:
    results = ", ".join(f"%r{i}" for i, _ in enumerate(types.split(",")))
    text = f"""tracegraph.ir 1
graph @f(%p: i32[], %x: f32[], %y: f32[], %z: f32[3]) -> () {{
  {results} = {head} : {types}
{regions}
  return
}}
"""
    return next(iter(parse_graph(text).body))


SCAN = op(
    "scan %x, %x, %y, %z {length = 3, linear = (True, False, True, False), num_carry = 2,"
    " num_consts = 1, reverse = False, unroll = 1}",
    """
    jaxpr (%k: f32[], %a: f32[], %b: f32[], %s: f32[]) {
      yield %b, %a, %s, %s
    }
    """,
    "f32[], f32[], f32[3], f32[3]",
)
WHILE = op(
    "while %x, %y, %x, %y {body_nconsts = 1, cond_nconsts = 1}",
    """
    cond_jaxpr (%c: f32[], %a: f32[], %b: f32[]) {
      %t = lt %a, %c : bool[]
      yield %t
    }
    body_jaxpr (%k: f32[], %a: f32[], %b: f32[]) {
      yield %b, %k
    }
    """,
)
COND = op(
    "cond %p, %x, %y",
    """
    branches[0] (%a: f32[], %b: f32[]) {
      yield %a, %b
    }
    branches[1] (%a: f32[], %b: f32[]) {
      yield %b, %b
    }
    """,
)


def lanes(of: Operation) -> tuple[Lane, ...]:
    found = lanes_of(of)
    assert found is not None
    return found.lanes


@pytest.mark.parametrize("of", [SCAN, WHILE, COND], ids=lambda of: of.name)
def test_every_slot_is_in_one_lane_or_a_control(of: Operation) -> None:
    found = lanes_of(of)
    assert found is not None
    operands = [lane.operand for lane in found.lanes if lane.operand is not None]
    results = [lane.result for lane in found.lanes if lane.result is not None]
    parameters = [value for lane in found.lanes for value in lane.parameters]
    outputs = [r.outputs[i] for lane in found.lanes for r, i in lane.outputs]
    controls = list(found.controls)
    assert len(operands) == len(set(operands)) == len(of.operands) - (of.name == "cond")
    assert sorted(results) == list(range(len(of.results)))
    assert set(parameters) == {v for region in of.regions for v in region.parameters}
    assert len(parameters) == len(set(parameters))
    inside = sum(len(region.outputs) for region in of.regions)
    assert len(outputs) + (of.name == "while") * len(controls) == inside


def test_a_carry_goes_round() -> None:
    carry = next(lane for lane in lanes(SCAN) if lane.result == 0)
    (body,) = SCAN.regions
    assert carry.arrivals(SCAN) == (SCAN.results[0], body.parameters[1])
    for arrival in carry.arrivals(SCAN):
        assert carry.sources(SCAN, arrival) == (SCAN.operands[1], body.parameters[2])


def test_a_slice_only_comes_in_and_a_stack_only_goes_out() -> None:
    (body,) = SCAN.regions
    inward = next(lane for lane in lanes(SCAN) if lane.operand == 3)
    outward = next(lane for lane in lanes(SCAN) if lane.result == 2)
    assert inward.sources(SCAN, body.parameters[3]) == (SCAN.operands[3],)
    assert outward.sources(SCAN, SCAN.results[2]) == (body.parameters[3],)


def test_a_branch_result_comes_from_every_branch() -> None:
    first, second = COND.regions
    lane = next(lane for lane in lanes(COND) if lane.result == 0)
    assert lane.sources(COND, COND.results[0]) == (first.outputs[0], second.outputs[0])


def test_what_decides_is_never_dropped() -> None:
    found = lanes_of(WHILE), lanes_of(COND)
    assert found[0] is not None
    assert found[1] is not None
    assert found[0].controls == WHILE.region("cond_jaxpr").outputs
    assert found[1].controls == COND.operands[:1]


def test_counts_and_lists_are_cut() -> None:
    needed = [lane.operand not in (0, 1) for lane in lanes(SCAN)]
    plan = narrowing(SCAN, lanes(SCAN), needed)
    assert plan.operands == (False, False, True, True)
    assert plan.results == (False, True, True, True)
    assert plan.parameters == ((False, False, True, True),)
    assert plan.outputs == ((False, True, True, True),)
    wanted = {"num_consts": 0, "num_carry": 1, "linear": (True, False), "length": 3}
    assert wanted.items() <= plan.attributes.items()


def test_the_counts_of_a_while_are_cut_each_on_its_own() -> None:
    needed = [lane.operand != 1 for lane in lanes(WHILE)]
    plan = narrowing(WHILE, lanes(WHILE), needed)
    assert plan.attributes == {"cond_nconsts": 1, "body_nconsts": 0}
    assert plan.parameters == ((True, True, True), (False, True, True))


@pytest.mark.parametrize(
    "attributes",
    [
        "length = 3, num_carry = 2, num_consts = 1, something_new = 1",
        "length = 3, num_carry = 2",
        "length = 3, linear = (True,), num_carry = 2, num_consts = 1",
        "length = 3, linear = 4, num_carry = 2, num_consts = 1",
    ],
)
def test_what_is_not_understood_has_no_lanes(attributes: str) -> None:
    body = "jaxpr (%k: f32[], %a: f32[], %b: f32[], %s: f32[]) {\n yield %a, %b\n}"
    assert lanes_of(op(f"scan %x, %x, %y, %z {{{attributes}}}", body)) is None


def test_our_own_annotations_do_not_matter() -> None:
    body = "call_jaxpr (%a: f32[]) {\n yield %a\n}"
    assert lanes_of(op("closed_call %x {tg.group = 1}", body, "f32[]")) is not None


def test_an_op_with_an_effect_on_an_operand_has_no_lanes() -> None:
    body = "call_jaxpr (%a: f32[]) {\n yield %a\n}"
    call = op("closed_call %x", body, "f32[]")
    call.effects = frozenset({Effect("Write", operand=0)})
    assert lanes_of(call) is None


def test_an_op_read_from_text_without_its_regions_has_no_lanes() -> None:
    assert lanes_of(op("while %x {body_nconsts = 0, cond_nconsts = 0}", "", "f32[]")) is None
