from __future__ import annotations

from compiler.analysis.constants import uniform
from compiler.ir import Effect
from compiler.passes.fold_constants import FoldConstants
from compiler.rewrite.rewriter import Rewriter
from tests.compiler.passes.running import body, check, graph, run


def test_small_results_are_folded_and_keep_their_weak_type() -> None:
    check(
        FoldConstants(),
        "() -> (~i32[])",
        "%a = constant {value = 2} : ~i32[]\n%y = add %a, %a : ~i32[]\nreturn %y",
        "%a = constant {value = 2} : ~i32[]\n%y = constant {value = 4} : ~i32[]\nreturn %y",
    )


def test_integers_wrap() -> None:
    found, _ = run(
        FoldConstants(),
        graph(
            "() -> (i8[])",
            "%a = constant {value = 127} : i8[]\n%y = add %a, %a : i8[]\nreturn %y",
        ),
    )
    assert "value = -2" in body(found)


def iota(size: int) -> int:
    text = f"%y = iota {{dimension = 0, dtype = i32, shape = ({size},)}} : i32[{size}]\nreturn %y"
    return run(FoldConstants(), graph(f"() -> (i32[{size}])", text))[1]


def test_a_result_that_would_make_the_executable_larger_stays() -> None:
    assert iota(1)
    assert not iota(2)


ADD = """
    %a = constant {{value = dense([1, 2, 3])}} : i32[3]
    %b = constant {{value = dense([1, 1, 1])}} : i32[3]
    %y = add %a, %b : i32[3]
    return {}
"""


def test_an_array_that_makes_its_operands_useless_is_folded() -> None:
    found, changes = run(FoldConstants(), graph("() -> (i32[3])", ADD.format("%y")))
    assert changes
    assert "dense([2, 3, 4])" in body(found)


def test_an_array_over_the_bound_stays() -> None:
    before = graph("() -> (i32[3])", ADD.format("%y"))
    assert run(FoldConstants(max_elements=3), before)[1]
    assert not run(FoldConstants(max_elements=2), before)[1]


def test_an_operand_that_others_read_frees_nothing() -> None:
    text = ADD.format("%y, %a, %b")
    assert not run(FoldConstants(), graph("() -> (i32[3], i32[3], i32[3])", text))[1]


def test_ops_whose_bits_depend_on_the_device_stay() -> None:
    text = "%a = constant {value = 0.3} : f32[]\n%y = sin %a : f32[]\nreturn %y"
    assert not run(FoldConstants(), graph("() -> (f32[])", text))[1]


def test_operands_without_fixed_meaning_stay() -> None:
    text = """
        %a = constant {value = 1} : i32[]
        %b = constant {value = 0} : i32[]
        %y = div %a, %b : i32[]
        return %y
    """
    assert not run(FoldConstants(), graph("() -> (i32[])", text))[1]


def test_unknown_ops_and_ops_with_effects_stay() -> None:
    text = """
        %a = constant {value = 1} : i32[]
        %y = somebody_elses %a : i32[]
        %z = add %a, %a : i32[]
        return %y
    """
    before = graph("() -> (i32[])", text)
    (_, _, add, _) = before.body
    add.effects = frozenset({Effect("Debug")})
    assert not run(FoldConstants(), before)[1]


def test_folding_goes_on_through_a_chain_and_into_regions() -> None:
    found, _ = run(
        FoldConstants(),
        graph(
            "(%x: i32[]) -> (i32[])",
            """
            %r = jit %x : i32[]
              jaxpr (%a: i32[]) {
                %c = constant {value = 2} : i32[]
                %d = mul %c, %c : i32[]
                %e = mul %d, %d : i32[]
                %s = add %a, %e : i32[]
                yield %s
              }
            return %r
            """,
        ),
    )
    (jit, _) = found.body
    assert [op.name for op in jit.regions[0]] == [
        "constant",
        "constant",
        "constant",
        "add",
        "yield",
    ]


def test_a_limit_stops_it() -> None:
    chain = "%a = constant {value = 2} : i32[]\n%b = add %a, %a : i32[]\n%c = add %b, %b : i32[]"
    before = graph("() -> (i32[])", chain + "\nreturn %c")
    FoldConstants().run(before, Rewriter(before, limit=1))
    assert [op.name for op in before.body] == ["constant", "constant", "add", "return"]


def test_a_number_that_stands_for_all_elements_is_folded() -> None:
    before = graph(
        "(%x: i32[3]) -> (i32[3], ~f32[2,3])",
        """
        %a = constant {value = False} : bool[]
        %b = broadcast_in_dim %a {broadcast_dimensions = (), shape = (3,)} : bool[3]
        %c = convert_element_type %b {new_dtype = i32, weak_type = False} : i32[3]
        %d = constant {value = 2} : i32[]
        %e = add %c, %d : i32[3]
        %f = add %x, %e : i32[3]
        %g = constant {value = 1.5} : ~f32[]
        %h = broadcast_in_dim %g {broadcast_dimensions = (), shape = (3, 2)} : ~f32[3,2]
        %i = transpose %h {permutation = (1, 0)} : ~f32[2,3]
        %j = mul %i, %i : ~f32[2,3]
        return %f, %j
        """,
    )
    found, _ = run(FoldConstants(), before)
    total, square = found.outputs
    assert total.producer is not None
    added = total.producer.operands[1]
    assert (uniform(added), added.type) == (2, total.type)
    assert (uniform(square), str(square.type)) == (2.25, "~f32[2,3]")
    assert "mul" not in body(found)
