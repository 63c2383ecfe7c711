from __future__ import annotations

import pytest

from compiler.ir import Location, mutate
from compiler.passes.inline import InlineCalls
from compiler.rewrite.rewriter import Rewriter
from tests.compiler.passes.running import body, check, graph, run

SIGNATURE = "(%x: f32[]) -> (f32[])"


def call(head: str, region: str = "jaxpr", parameter: str = "f32[]", result: str = "f32[]") -> str:
    return f"""
        %y = {head} : {result}
          {region} (%a: {parameter}) {{
            %b = sin %a : f32[]
            yield %b
          }}
        return %y
    """


def changes(text: str, step: InlineCalls | None = None) -> int:
    return run(step or InlineCalls(), graph(SIGNATURE, text))[1]


@pytest.mark.parametrize(
    ("head", "region"),
    [
        ('jit %x {name = "g"}', "jaxpr"),
        ('pjit %x {name = "g"}', "jaxpr"),
        ("jit %x {in_shardings = (Sharding.UNSPECIFIED,), out_layouts = (None,)}", "jaxpr"),
        ("closed_call %x", "call_jaxpr"),
        ("core_call %x", "call_jaxpr"),
        ("custom_jvp_call %x {num_consts = 0}", "call_jaxpr"),
        ("custom_vjp_call %x {num_consts = 0}", "call_jaxpr"),
        ("remat2 %x {differentiated = False, prevent_cse = True}", "jaxpr"),
    ],
)
def test_calls_become_their_body(head: str, region: str) -> None:
    check(InlineCalls(), SIGNATURE, call(head, region), "%b = sin %x : f32[]\nreturn %b")


@pytest.mark.parametrize(
    "head",
    [
        "jit %x {in_shardings = (Sharding.OTHER,)}",
        'jit %x {out_shardings = (opaque("NamedSharding", "P"),)}',
        "jit %x {in_layouts = (1,)}",
        "jit %x {out_layouts = (1,)}",
        'jit %x {compiler_options_kvs = (("a", "b"),)}',
        "jit %x {tg.group = 1}",
        "remat2 %x {differentiated = True}",
        "shard_map %x",
        "somebody_elses_call %x",
    ],
)
def test_calls_that_say_something_are_kept(head: str) -> None:
    assert not changes(call(head))


@pytest.mark.parametrize(
    ("head", "region"),
    [
        ("custom_jvp_call %x", "call_jaxpr"),
        ("custom_vjp_call %x", "call_jaxpr"),
        ("remat2 %x {differentiated = False}", "jaxpr"),
    ],
)
def test_derivative_rules_can_be_kept(head: str, region: str) -> None:
    assert not changes(call(head, region), InlineCalls(derivatives=False))


def test_types_that_differ_in_the_weak_type_only_are_kept() -> None:
    assert not changes(call("jit %x", parameter="~f32[]"))


def test_a_result_that_differs_in_the_weak_type_only_is_kept() -> None:
    text = call("jit %x", result="~f32[]")
    _, found = run(InlineCalls(), graph("(%x: f32[]) -> (~f32[])", text))
    assert not found


NESTED = """
    %y = jit %x {name = "outer"} : f32[]
      jaxpr (%a: f32[]) {
        %b = jit %a {name = "inner"} : f32[]
          jaxpr (%c: f32[]) {
            %d = sin %c : f32[]
            yield %d
          }
        yield %b
      }
    return %y
"""


def test_name_stacks_are_nested() -> None:
    before = graph(SIGNATURE, NESTED)
    (outer, _) = before.body
    (inner, _) = outer.regions[0]
    (sin, _) = inner.regions[0]
    mutate.set_location(outer, Location(name_stack="model", handle="outer"))
    mutate.set_location(sin, Location(name_stack="layer", handle="sin"))
    after, _ = run(InlineCalls(), before)
    (sin, _) = after.body
    assert sin.location.name_stack == "model/jit(outer)/jit(inner)/layer"
    assert sin.location.handle == "sin"


def test_a_body_that_passes_its_parameter_on() -> None:
    check(
        InlineCalls(),
        SIGNATURE,
        """
        %y = jit %x : f32[]
          jaxpr (%a: f32[]) {
            yield %a
          }
        return %y
        """,
        "return %x",
    )


def test_calls_inside_loops_are_inlined() -> None:
    found, _ = run(
        InlineCalls(),
        graph(
            "(%x: f32[]) -> (f32[])",
            """
            %r = scan %x {length = 2, num_carry = 1, num_consts = 0} : f32[]
              jaxpr (%c: f32[]) {
                %y = jit %c : f32[]
                  jaxpr (%a: f32[]) {
                    %b = sin %a : f32[]
                    yield %b
                  }
                yield %y
              }
            return %r
            """,
        ),
    )
    (scan, _) = found.body
    assert [op.name for op in scan.regions[0]] == ["sin", "yield"]


def test_large_bodies_that_are_called_more_than_once_are_kept_under_a_bound() -> None:
    one = """
        %{n} = jit %x {{name = "g"}} : f32[]
          jaxpr (%a: f32[]) {{
            %b = sin %a : f32[]
            %c = cos %b : f32[]
            yield %c
          }}
    """
    twice = one.format(n="p") + one.format(n="q") + "        %r = add %p, %q : f32[]\n"
    twice += "        return %r\n"
    once = one.format(n="p") + "        return %p\n"
    assert changes(twice)
    assert changes(twice, InlineCalls(max_ops=2))
    assert not changes(twice, InlineCalls(max_ops=1))
    assert changes(once, InlineCalls(max_ops=1))


def test_under_a_limit_the_rest_is_left() -> None:
    two = graph(SIGNATURE, NESTED)
    InlineCalls().run(two, Rewriter(two, limit=1))
    assert [op.name for op in two.body] == ["jit", "return"]
    assert "sin" in body(two)
