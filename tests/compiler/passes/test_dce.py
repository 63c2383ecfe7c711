from __future__ import annotations

import pytest

from compiler.ir import Effect, Graph, print_graph
from compiler.passes.dce import DeadCodeElimination
from compiler.rewrite.rewriter import Rewriter
from tests.compiler.passes.running import body, check, graph, run

DCE = DeadCodeElimination


def test_chains_and_constants_go_but_parameters_stay() -> None:
    check(
        DCE(),
        "(%x: f32[], %unused: f32[]) -> (f32[])",
        """
        %c = constant {value = 1.0} : f32[]
        %a = add %x, %c : f32[]
        %b = sin %a : f32[]
        return %x
        """,
        "return %x",
    )


def test_unknown_ops_stay_and_so_does_what_they_read() -> None:
    text = "%a = sin %x : f32[]\n%b = somebody_elses %a : f32[]\nreturn %x"
    assert not run(DCE(), graph("(%x: f32[]) -> (f32[])", text))[1]


def test_effects_stay() -> None:
    before = graph("(%x: f32[]) -> (f32[])", "%a = sin %x : f32[]\nreturn %x")
    next(iter(before.body)).effects = frozenset({Effect("Debug")})
    assert not run(DCE(), before)[1]


def test_a_barrier_nobody_reads_behind_goes() -> None:
    text = "%a = optimization_barrier %x : f32[]\nreturn %x"
    assert run(DCE(), graph("(%x: f32[]) -> (f32[])", text))[1]


def test_dead_carries_of_a_scan() -> None:
    """%b only feeds itself, nobody reads %ys, and %d feeds %a through %c one round later."""
    check(
        DCE(),
        "(%x: f32[3], %k: f32[]) -> (f32[])",
        """
        %z = constant {value = 0.0} : f32[]
        %o = constant {value = 1.0} : f32[]
        %ra, %rb, %rc, %ys = scan %k, %z, %o, %z, %x, %x
            {length = 3, linear = (False, True, False, True, False, True), num_carry = 3,
             num_consts = 1, reverse = False, unroll = 1}
            : f32[], f32[], f32[], f32[3]
          jaxpr (%k: f32[], %a: f32[], %b: f32[], %c: f32[], %d: f32[], %e: f32[]) {
            %na = add %a, %c : f32[]
            %nb = mul %b, %k : f32[]
            yield %na, %nb, %d, %e
          }
        return %ra
        """,
        """
        %z = constant {value = 0.0} : f32[]
        %ra, %rc = scan %z, %z, %x
            {length = 3, linear = (True, True, False), num_carry = 2,
             num_consts = 0, reverse = False, unroll = 1}
            : f32[], f32[]
          jaxpr (%a: f32[], %c: f32[], %d: f32[]) {
            %na = add %a, %c : f32[]
            yield %na, %d
          }
        return %ra
        """,
    )


def test_a_scan_of_which_only_slices_are_read_keeps_their_carry() -> None:
    text = """
        %z = constant {value = 0.0} : f32[]
        %r, %ys = scan %z, %x {length = 3, num_carry = 1, num_consts = 0} : f32[], f32[3]
          jaxpr (%a: f32[], %d: f32[]) {
            %na = add %a, %d : f32[]
            yield %na, %a
          }
        return %ys
    """
    assert not run(DCE(), graph("(%x: f32[3]) -> (f32[3])", text))[1]


def test_a_whole_dead_scan_goes() -> None:
    text = """
        %r = scan %x {length = 3, num_carry = 1, num_consts = 0} : f32[]
          jaxpr (%a: f32[]) {
            yield %a
          }
        return %x
    """
    found, _ = run(DCE(), graph("(%x: f32[]) -> (f32[])", text))
    assert body(found) == "return %x"


def test_a_carry_that_an_unknown_op_inside_reads_stays() -> None:
    text = """
        %r, %s = scan %x, %x {length = 3, num_carry = 2, num_consts = 0} : f32[], f32[]
          jaxpr (%a: f32[], %b: f32[]) {
            %u = somebody_elses %b : f32[]
            yield %a, %b
          }
        return %x
    """
    check(
        DCE(),
        "(%x: f32[]) -> (f32[])",
        text,
        """
        %s = scan %x {length = 3, num_carry = 1, num_consts = 0} : f32[]
          jaxpr (%b: f32[]) {
            %u = somebody_elses %b : f32[]
            yield %b
          }
        return %x
        """,
    )


def test_dead_carries_of_a_while() -> None:
    """%i stays for the condition; %d and the body's %k are dead, the condition's %n is not."""
    check(
        DCE(),
        "(%n: i32[], %k: f32[], %x: f32[]) -> (f32[])",
        """
        %z = constant {value = 0} : i32[]
        %ri, %ra, %rd = while %n, %k, %z, %x, %x {body_nconsts = 1, cond_nconsts = 1}
            : i32[], f32[], f32[]
          cond_jaxpr (%n: i32[], %i: i32[], %a: f32[], %d: f32[]) {
            %p = lt %i, %n : bool[]
            yield %p
          }
          body_jaxpr (%k: f32[], %i: i32[], %a: f32[], %d: f32[]) {
            %o = constant {value = 1} : i32[]
            %ni = add %i, %o : i32[]
            %na = sin %a : f32[]
            %nd = add %d, %k : f32[]
            yield %ni, %na, %nd
          }
        return %ra
        """,
        """
        %z = constant {value = 0} : i32[]
        %ri, %ra = while %n, %z, %x {body_nconsts = 0, cond_nconsts = 1} : i32[], f32[]
          cond_jaxpr (%n: i32[], %i: i32[], %a: f32[]) {
            %p = lt %i, %n : bool[]
            yield %p
          }
          body_jaxpr (%i: i32[], %a: f32[]) {
            %o = constant {value = 1} : i32[]
            %ni = add %i, %o : i32[]
            %na = sin %a : f32[]
            yield %ni, %na
          }
        return %ra
        """,
    )


def test_dead_results_and_operands_of_a_branch() -> None:
    check(
        DCE(),
        "(%i: i32[], %x: f32[], %y: f32[]) -> (f32[])",
        """
        %a, %b = cond %i, %x, %y : f32[], f32[]
          branches[0] (%x: f32[], %y: f32[]) {
            %s = sin %y : f32[]
            yield %x, %s
          }
          branches[1] (%x: f32[], %y: f32[]) {
            %t = cos %x : f32[]
            yield %t, %y
          }
        return %a
        """,
        """
        %a = cond %i, %x : f32[]
          branches[0] (%x: f32[]) {
            yield %x
          }
          branches[1] (%x: f32[]) {
            %t = cos %x : f32[]
            yield %t
          }
        return %a
        """,
    )


def test_dead_results_and_operands_of_a_jit() -> None:
    check(
        DCE(),
        "(%x: f32[], %y: f32[]) -> (f32[])",
        """
        %a, %b = jit %x, %y
            {donated_invars = (False, True), in_layouts = (1, 2), name = "g",
             out_shardings = (3, 4)}
            : f32[], f32[]
          jaxpr (%x: f32[], %y: f32[]) {
            %s = sin %x : f32[]
            %t = sin %y : f32[]
            yield %s, %t
          }
        return %b
        """,
        """
        %b = jit %y
            {donated_invars = (True,), in_layouts = (2,), name = "g", out_shardings = (4,)}
            : f32[]
          jaxpr (%y: f32[]) {
            %t = sin %y : f32[]
            yield %t
          }
        return %b
        """,
    )


CALL = """
    %a, %b = {head} : f32[], f32[]
      {region} (%x: f32[], %y: f32[]) {{
        %s = sin %x : f32[]
        %t = sin %y : f32[]
        yield %s, %t
      }}
    return %b
"""


def narrowed(head: str, region: str) -> bool:
    text = CALL.format(head=head, region=region)
    return run(DCE(), graph("(%x: f32[], %y: f32[]) -> (f32[])", text))[1] > 0


@pytest.mark.parametrize(
    ("head", "region"),
    [
        ("closed_call %x, %y", "call_jaxpr"),
        ("core_call %x, %y", "call_jaxpr"),
        ("remat2 %x, %y {differentiated = True, policy = None, prevent_cse = True}", "jaxpr"),
    ],
)
def test_calls_that_are_narrowed(head: str, region: str) -> None:
    assert narrowed(head, region)


@pytest.mark.parametrize(
    ("head", "region"),
    [
        ("custom_jvp_call %x, %y", "call_jaxpr"),
        ("custom_vjp_call %x, %y", "call_jaxpr"),
        ("shard_map %x, %y", "jaxpr"),
        ("jit %x, %y {unknown_to_us = 1}", "jaxpr"),
        ("jit %x, %y {donated_invars = (False,)}", "jaxpr"),
        ("remat2 %x, %y {prevent_cse = (True, False)}", "jaxpr"),
    ],
)
def test_calls_whose_arity_somebody_relies_on(head: str, region: str) -> None:
    assert not narrowed(head, region)


def test_dead_ops_inside_a_call_of_fixed_arity_go() -> None:
    found, _ = run(
        DCE(),
        graph(
            "(%x: f32[]) -> (f32[])",
            """
            %a = custom_jvp_call %x : f32[]
              call_jaxpr (%x: f32[]) {
                %s = sin %x : f32[]
                %t = cos %x : f32[]
                yield %t
              }
            return %a
            """,
        ),
    )
    assert "sin" not in print_graph(found)


def test_an_op_with_an_effect_on_an_operand_is_left() -> None:
    text = CALL.format(head="closed_call %x, %y", region="call_jaxpr")
    before = graph("(%x: f32[], %y: f32[]) -> (f32[])", text)
    next(iter(before.body)).effects = frozenset({Effect("Read", operand=1)})
    assert not run(DCE(), before)[1]


def nested(depth: int) -> Graph:
    """Scans in scans, with a carry at every level that only feeds itself."""
    lines, pad = [], ""
    for level in range(depth):
        lines += [
            f"{pad}%r{level}, %s{level} = scan %x, %y"
            " {length = 2, num_carry = 2, num_consts = 0} : f32[], f32[]",
            f"{pad}  jaxpr (%x: f32[], %y: f32[]) {{",
        ]
        pad += "    "
    lines += [f"{pad}%n = sin %x : f32[]", f"{pad}%m = sin %y : f32[]", f"{pad}yield %n, %m"]
    for level in reversed(range(depth)):
        pad = "    " * level
        end = "yield %r{0}, %s{0}" if level else "return %r{0}"
        lines += [f"{pad}  }}", pad + end.format(level)]
    return graph("(%x: f32[], %y: f32[]) -> (f32[])", "\n".join(lines))


def test_dead_carries_are_followed_through_every_level() -> None:
    found, _ = run(DCE(), nested(6))
    text = print_graph(found)
    assert text.count("num_carry = 1") == 6
    assert text.count("sin") == 1


def test_under_a_limit_it_runs_whole_or_not_at_all() -> None:
    text = "%a = sin %x : f32[]\n%b = sin %a : f32[]\nreturn %x"
    before = graph("(%x: f32[]) -> (f32[])", text)
    DCE().run(before, Rewriter(before, limit=0))
    assert len(before.body) == 3
    DCE().run(before, Rewriter(before, limit=1))
    assert len(before.body) == 1
