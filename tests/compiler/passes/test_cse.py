from __future__ import annotations

import pytest

from compiler.ir import Frame, Location, mutate
from compiler.passes.cse import CommonSubexpressionElimination
from tests.compiler.passes.running import check, graph, run

CSE = CommonSubexpressionElimination
PAIR = "(%x: f32[4], %y: f32[4]) -> (f32[4], f32[4])"


def merges(first: str, second: str, types: str = "f32[4]", signature: str = PAIR) -> bool:
    text = f"%a = {first} : {types}\n%b = {second} : {types}\nreturn %a, %b"
    return run(CSE(), graph(signature, text))[1] > 0


def test_equal_ops_merge_and_the_name_stays() -> None:
    check(
        CSE(),
        PAIR,
        "%a = sin %x : f32[4]\n%b = sin %x : f32[4]\nreturn %a, %b",
        "%a = sin %x : f32[4]\nreturn %a, %a",
    )


def test_merging_goes_on_in_the_readers() -> None:
    found, changes = run(
        CSE(),
        graph(
            PAIR,
            """
            %a = sin %x : f32[4]
            %b = sin %x : f32[4]
            %c = neg %a : f32[4]
            %d = neg %b : f32[4]
            return %c, %d
            """,
        ),
    )
    assert changes == 2
    assert [op.name for op in found.body] == ["sin", "neg", "return"]


@pytest.mark.parametrize(
    ("first", "second", "merged"),
    [
        ("add %x, %y", "add %y, %x", True),
        ("mul %x, %y", "mul %y, %x", True),
        ("sub %x, %y", "sub %y, %x", False),
        ("sin %x", "sin %y", False),
        ("sin %x", "cos %x", False),
        ("somebody_elses %x", "somebody_elses %x", False),
        ("copy %x {a = 1}", "copy %x {a = 2}", False),
        ("cumsum %x {axis = 0, reverse = False}", "cumsum %x {axis = 0, reverse = True}", False),
        ("cumsum %x {axis = 0}", "cumsum %x {axis = 0, reverse = None}", True),
    ],
)
def test_what_merges(first: str, second: str, merged: bool) -> None:
    assert merges(first, second) is merged


def constants(first: str, second: str, dtype: str = "f32", other: str = "") -> int:
    return run(
        CSE(),
        graph(
            f"() -> ({dtype}[], {other or dtype}[])",
            f"%a = constant {{value = {first}}} : {dtype}[]\n"
            f"%b = constant {{value = {second}}} : {other or dtype}[]\nreturn %a, %b",
        ),
    )[1]


def test_constants_merge_by_their_bits() -> None:
    assert constants("1.0", "1.0")
    assert constants("nan", "nan")
    assert not constants("0.0", "-0.0")
    assert not constants("1.0", "2.0")
    assert not constants("1.0", "1.0", "f32", "~f32")
    assert not constants("1.0", "1.0", "f32", "f64")


def test_opaque_attributes_without_their_object_are_the_same_text_only() -> None:
    assert merges('sin %x {a = opaque("K", "t")}', 'sin %x {a = opaque("K", "t")}')
    assert not merges('sin %x {a = opaque("K", "t")}', 'sin %x {a = opaque("K", "u")}')


def test_contexts_must_agree() -> None:
    before = graph(PAIR, "%a = sin %x : f32[4]\n%b = sin %x : f32[4]\nreturn %a, %b")
    next(iter(before.body)).context = "another"
    assert not run(CSE(), before)[1]


@pytest.mark.parametrize(
    ("name", "merged"), [("jit", True), ("remat2", False), ("checkpoint", False)]
)
def test_ops_with_equal_regions(name: str, merged: bool) -> None:
    one = f"""
        %{{n}} = {name} %x : f32[4]
          jaxpr (%a: f32[4]) {{{{
            %b = {{op}} %a : f32[4]
            yield %b
          }}}}
    """

    def changes(second: str) -> int:
        text = one.format(n="p", op="sin") + one.format(n="q", op=second)
        return run(CSE(), graph(PAIR, text + "        return %p, %q"))[1]

    assert (changes("sin") > 0) is merged
    assert changes("cos") == 0


def test_regions_are_searched_each_on_its_own() -> None:
    found, changes = run(
        CSE(),
        graph(
            PAIR,
            """
            %a = sin %x : f32[4]
            %b = jit %x : f32[4]
              jaxpr (%a: f32[4]) {
                %c = sin %a : f32[4]
                %d = sin %a : f32[4]
                %e = add %c, %d : f32[4]
                yield %e
              }
            return %a, %b
            """,
        ),
    )
    assert changes == 1
    (_, jit, _) = found.body
    assert [op.name for op in jit.regions[0]] == ["sin", "add", "yield"]


def test_the_lines_of_both_are_kept() -> None:
    before = graph(PAIR, "%a = sin %x : f32[4]\n%b = sin %x : f32[4]\nreturn %a, %b")
    first, second, _ = before.body
    mutate.set_location(first, Location((Frame("a.py", 1, "f"),), "left"))
    mutate.set_location(second, Location((Frame("a.py", 2, "f"),), "right"))
    after, _ = run(CSE(), before)
    location = next(iter(after.body)).location
    assert [frame.line for frame in location.frames] == [1, 2]
    assert (location.name_stack, location.rules) == ("left", ("cse",))


@pytest.mark.parametrize(
    ("rows", "added", "merged"), [(1, "add", False), (4, "add", True), (1, "mul", True)]
)
def test_few_numbers_scattered_into_sums_stay_apart(rows: int, added: str, merged: bool) -> None:
    scattered = """scatter-add %zeros, %i, %u {dimension_numbers = ScatterDimensionNumbers(\
update_window_dims = (1,), inserted_window_dims = (0,), scatter_dims_to_operand_dims = (0,), \
operand_batching_dims = (), scatter_indices_batching_dims = ()), indices_are_sorted = False, \
mode = GatherScatterMode.FILL_OR_DROP, unique_indices = False} : f32[8,4]"""
    before = graph(
        f"(%x: f32[8,4], %y: f32[8,4], %i: i32[{rows},1], %u: f32[{rows},4])"
        " -> (f32[8,4], f32[8,4])",
        f"""
        %c = constant {{value = 0.0}} : f32[]
        %zeros = broadcast_in_dim %c {{broadcast_dimensions = (), shape = (8, 4)}} : f32[8,4]
        %a = {scattered}
        %b = {scattered}
        %p = {added} %x, %a : f32[8,4]
        %q = {added} %b, %y : f32[8,4]
        return %p, %q
        """,
    )
    assert (run(CSE(), before)[1] > 0) is merged
