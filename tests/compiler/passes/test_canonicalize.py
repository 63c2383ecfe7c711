from __future__ import annotations

import pytest

from compiler.passes.canonicalize import Canonicalize
from tests.compiler.passes.running import body, check, graph, run


def op_on_constant(op: str, dtype: str, number: str, *, constant_first: bool = False) -> str:
    operands = "%c, %x" if constant_first else "%x, %c"
    return f"""
        %c = constant {{value = {number}}} : {dtype}[]
        %y = {op} {operands} : {dtype}[3]
        return %y
    """


def is_identity(text: str, dtype: str = "f32") -> bool:
    found, _ = run(Canonicalize(), graph(f"(%x: {dtype}[3]) -> ({dtype}[3])", text))
    return body(found).endswith("return %x")


@pytest.mark.parametrize("dtype", ["f16", "bf16", "f32", "f64"])
@pytest.mark.parametrize(
    ("op", "number"), [("mul", "1.0"), ("div", "1.0"), ("sub", "0.0"), ("add", "-0.0")]
)
def test_float_neutral_elements(op: str, dtype: str, number: str) -> None:
    assert is_identity(op_on_constant(op, dtype, number), dtype)


@pytest.mark.parametrize(
    ("op", "number"),
    [("add", "0.0"), ("sub", "-0.0"), ("mul", "0.0"), ("mul", "-1.0"), ("mul", "nan")],
)
def test_near_identities_of_floats_are_refused(op: str, number: str) -> None:
    assert not is_identity(op_on_constant(op, "f32", number))


@pytest.mark.parametrize("op", ["sub", "div"])
def test_a_neutral_element_on_the_left_of_an_op_that_does_not_commute_is_refused(op: str) -> None:
    number = {"sub": "0.0", "div": "1.0"}[op]
    assert not is_identity(op_on_constant(op, "f32", number, constant_first=True))


@pytest.mark.parametrize("number", ["1.0", "0.0", "-0.0"])
@pytest.mark.parametrize("op", ["mul", "add", "sub", "div"])
def test_complex_numbers_are_left_alone(op: str, number: str) -> None:
    text = op_on_constant(op, "c64", f"complex({number}, 0.0)")
    assert not is_identity(text, "c64")


@pytest.mark.parametrize("dtype", ["i8", "u32", "i64"])
@pytest.mark.parametrize(
    ("op", "number"),
    [
        ("add", 0),
        ("sub", 0),
        ("mul", 1),
        ("div", 1),
        ("or", 0),
        ("xor", 0),
        ("shift_left", 0),
        ("shift_right_logical", 0),
        ("shift_right_arithmetic", 0),
    ],
)
def test_integer_neutral_elements(op: str, dtype: str, number: int) -> None:
    assert is_identity(op_on_constant(op, dtype, str(number)), dtype)
    assert not is_identity(op_on_constant(op, dtype, str(number + 2)), dtype)


def test_all_ones_is_neutral_for_and() -> None:
    assert is_identity(op_on_constant("and", "u8", "255"), "u8")
    assert is_identity(op_on_constant("and", "i8", "-1"), "i8")
    assert not is_identity(op_on_constant("and", "u8", "127"), "u8")


@pytest.mark.parametrize(
    ("op", "number", "same"),
    [
        ("and", "true", True),
        ("and", "false", False),
        ("or", "false", True),
        ("or", "true", False),
        ("xor", "false", True),
        ("xor", "true", False),
    ],
)
def test_booleans(op: str, number: str, same: bool) -> None:
    assert is_identity(op_on_constant(op, "bool", number.title()), "bool") is same


def test_a_constant_of_the_results_type_absorbs() -> None:
    check(
        Canonicalize(),
        "(%x: i32[]) -> (i32[])",
        "%c = constant {value = 0} : i32[]\n%y = and %x, %c : i32[]\nreturn %y",
        "%c = constant {value = 0} : i32[]\nreturn %c",
    )


def test_a_constant_of_another_shape_does_not_absorb() -> None:
    _, changes = run(
        Canonicalize(), graph("(%x: i32[3]) -> (i32[3])", op_on_constant("and", "i32", "0"))
    )
    assert not changes


def test_the_number_is_seen_through_a_broadcast() -> None:
    assert is_identity("""
        %c = constant {value = 1.0} : f32[]
        %b = broadcast_in_dim %c {broadcast_dimensions = (), shape = (3,)} : f32[3]
        %y = mul %x, %b : f32[3]
        return %y
    """)


def test_an_array_of_different_numbers_is_no_number() -> None:
    assert not is_identity("""
        %c = constant {value = dense([1.0, 1.0, 2.0])} : f32[3]
        %y = mul %x, %c : f32[3]
        return %y
    """)


def test_an_identity_that_would_change_the_weak_type_is_refused() -> None:
    text = "%c = constant {value = 1.0} : f32[]\n%y = mul %x, %c : f32[]\nreturn %y"
    _, changes = run(Canonicalize(), graph("(%x: ~f32[]) -> (f32[])", text))
    assert not changes


def test_an_identity_that_would_change_the_shape_is_refused() -> None:
    text = "%c = constant {value = dense([1.0, 1.0])} : f32[2]\n%y = mul %x, %c : f32[2]\nreturn %y"
    _, changes = run(Canonicalize(), graph("(%x: f32[]) -> (f32[2])", text))
    assert not changes


@pytest.mark.parametrize("op", ["neg", "not"])
def test_involutions(op: str) -> None:
    dtype = {"neg": "f32", "not": "i32"}[op]
    text = f"%a = {op} %x : {dtype}[3]\n%b = {op} %a : {dtype}[3]\nreturn %b"
    assert is_identity(text, dtype)


def test_an_op_that_is_no_involution() -> None:
    assert not is_identity("%a = sin %x : f32[3]\n%b = sin %a : f32[3]\nreturn %b")


@pytest.mark.parametrize("op", ["and", "or", "max", "min"])
def test_idempotent_ops(op: str) -> None:
    assert is_identity(f"%y = {op} %x, %x : i32[3]\nreturn %y", "i32")
    assert not is_identity("%y = add %x, %x : i32[3]\nreturn %y", "i32")


NO_MOVES = [
    "convert_element_type %x {new_dtype = f32, weak_type = False}",
    "reshape %x {new_sizes = (2, 3)}",
    "broadcast_in_dim %x {broadcast_dimensions = (0, 1), shape = (2, 3)}",
    "transpose %x {permutation = (0, 1)}",
    "squeeze %x {dimensions = ()}",
    "slice %x {limit_indices = (2, 3), start_indices = (0, 0)}",
    "rev %x {dimensions = ()}",
    "concatenate %x {dimension = 0}",
]


@pytest.mark.parametrize("call", NO_MOVES)
def test_ops_that_move_nothing(call: str) -> None:
    text = f"%y = {call} : f32[2,3]\nreturn %y"
    found, _ = run(Canonicalize(), graph("(%x: f32[2,3]) -> (f32[2,3])", text))
    assert body(found) == "return %x"


@pytest.mark.parametrize(
    "call",
    [
        "reshape %x {dimensions = (1, 0), new_sizes = (3, 3)}",
        "broadcast_in_dim %x {broadcast_dimensions = (1, 0), shape = (3, 3)}",
        "transpose %x {permutation = (1, 0)}",
        "rev %x {dimensions = (0,)}",
        "concatenate %x, %x {dimension = 0}",
        "copy %x",
        "optimization_barrier %x",
    ],
)
def test_ops_of_the_same_type_that_do_something(call: str) -> None:
    text = f"%y = {call} : f32[3,3]\nreturn %y"
    _, changes = run(Canonicalize(), graph("(%x: f32[3,3]) -> (f32[3,3])", text))
    assert not changes


def test_pads() -> None:
    nothing = "((0, 0, 0),)"
    shift = "((1, -1, 0),)"
    text = "%c = constant {{value = 0.0}} : f32[]\n%y = pad %x, %c {{padding_config = {}}} : f32[3]"
    assert is_identity(text.format(nothing) + "\nreturn %y")
    assert not is_identity(text.format(shift) + "\nreturn %y")


def test_a_dynamic_slice_of_everything_starts_at_zero() -> None:
    text = "%y = dynamic_slice %x, %i {slice_sizes = (3,)} : f32[3]\nreturn %y"
    found, _ = run(Canonicalize(), graph("(%x: f32[3], %i: i32[]) -> (f32[3])", text))
    assert body(found) == "return %x"


def test_an_update_of_everything_is_the_update() -> None:
    text = "%y = dynamic_update_slice %x, %u, %i : f32[3]\nreturn %y"
    found, _ = run(Canonicalize(), graph("(%x: f32[3], %u: f32[3], %i: i32[]) -> (f32[3])", text))
    assert body(found) == "return %u"


def test_transposes_compose() -> None:
    check(
        Canonicalize(),
        "(%x: f32[2,3,4]) -> (f32[4,2,3])",
        """
        %a = transpose %x {permutation = (1, 2, 0)} : f32[3,4,2]
        %b = transpose %a {permutation = (1, 2, 0)} : f32[4,2,3]
        return %b
        """,
        """
        %a = transpose %x {permutation = (1, 2, 0)} : f32[3,4,2]
        %b = transpose %x {permutation = (2, 0, 1)} : f32[4,2,3]
        return %b
        """,
    )


def test_reshapes_compose_in_a_chain() -> None:
    check(
        Canonicalize(),
        "(%x: f32[6,1]) -> (f32[6])",
        """
        %a = reshape %x {new_sizes = (3, 2)} : f32[3,2]
        %b = reshape %a {new_sizes = (2, 3)} : f32[2,3]
        %c = reshape %b {new_sizes = (6,)} : f32[6]
        return %c
        """,
        """
        %a = reshape %x {new_sizes = (3, 2)} : f32[3,2]
        %b = reshape %x {new_sizes = (2, 3)} : f32[2,3]
        %c = reshape %x {new_sizes = (6,)} : f32[6]
        return %c
        """,
    )


def test_broadcasts_compose() -> None:
    check(
        Canonicalize(),
        "(%x: f32[3]) -> (f32[2,3,4])",
        """
        %a = broadcast_in_dim %x {broadcast_dimensions = (1,), shape = (1, 3)} : f32[1,3]
        %b = broadcast_in_dim %a {broadcast_dimensions = (0, 1), shape = (2, 3, 4)} : f32[2,3,4]
        return %b
        """,
        """
        %a = broadcast_in_dim %x {broadcast_dimensions = (1,), shape = (1, 3)} : f32[1,3]
        %b = broadcast_in_dim %x {broadcast_dimensions = (1,), shape = (2, 3, 4)} : f32[2,3,4]
        return %b
        """,
    )


def test_sharded_values_are_not_composed() -> None:
    text = """
        %a = reshape %x {new_sizes = (3, 2)} : f32[3,2]@"P(None, 'a')"
        %b = reshape %a {new_sizes = (6,)} : f32[6]
        return %b
    """
    _, changes = run(Canonicalize(), graph("(%x: f32[2,3]) -> (f32[6])", text))
    assert not changes


def test_constants_come_last_where_the_op_commutes() -> None:
    check(
        Canonicalize(),
        "(%x: f32[]) -> (f32[], f32[])",
        """
        %c = constant {value = 2.0} : f32[]
        %a = mul %c, %x : f32[]
        %b = sub %c, %x : f32[]
        return %a, %b
        """,
        """
        %c = constant {value = 2.0} : f32[]
        %a = mul %x, %c : f32[]
        %b = sub %c, %x : f32[]
        return %a, %b
        """,
    )


SELECT = "(%p: bool[2], %x: f32[2], %y: f32[2]) -> (f32[2])"


@pytest.mark.parametrize(("number", "taken"), [("False", "%x"), ("True", "%y")])
def test_a_known_selection(number: str, taken: str) -> None:
    text = (
        f"%c = constant {{value = {number}}} : bool[]\n%s = select_n %c, %x, %y : f32[2]\nreturn %s"
    )
    found, _ = run(Canonicalize(), graph(SELECT, text))
    assert body(found).endswith(f"return {taken}")


def test_a_selection_of_equal_cases() -> None:
    found, _ = run(Canonicalize(), graph(SELECT, "%s = select_n %p, %x, %x : f32[2]\nreturn %s"))
    assert body(found) == "return %x"


@pytest.mark.parametrize(("first", "second", "same"), [(0, 1, True), (1, 0, False), (1, 1, False)])
def test_a_selection_between_false_and_true_is_what_selects(
    first: int, second: int, same: bool
) -> None:
    names = ("False", "True")
    text = f"""
    %a = constant {{value = {names[first]}}} : bool[]
    %b = constant {{value = {names[second]}}} : bool[]
    %x = broadcast_in_dim %a {{broadcast_dimensions = (), shape = (2)}} : bool[2]
    %y = broadcast_in_dim %b {{broadcast_dimensions = (), shape = (2)}} : bool[2]
    %s = select_n %p, %x, %y : bool[2]
    return %s
    """
    found, _ = run(Canonicalize(), graph("(%p: bool[2]) -> (bool[2])", text))
    assert body(found).endswith("return %p") == same


def test_numbers_do_not_say_which_is_selected() -> None:
    text = """
    %a = constant {value = 0} : i32[]
    %b = constant {value = 1} : i32[]
    %s = select_n %p, %a, %b : i32[]
    return %s
    """
    _, changes = run(Canonicalize(), graph("(%p: i32[]) -> (i32[])", text))
    assert not changes


def test_a_selection_outside_the_cases_is_left() -> None:
    text = "%c = constant {value = 2} : i32[]\n%s = select_n %c, %x, %y : f32[2]\nreturn %s"
    _, changes = run(Canonicalize(), graph(SELECT, text))
    assert not changes


def branch(index: int) -> str:
    return f"""
        %i = constant {{value = {index}}} : i32[]
        %r = cond %i, %x : f32[]
          branches[0] (%a: f32[]) {{
            yield %a
          }}
          branches[1] (%a: f32[]) {{
            %c = constant {{value = 1.0}} : f32[]
            %s = sin %a : f32[]
            %t = mul %c, %s : f32[]
            yield %t
          }}
        return %r
    """


def test_a_branch_on_a_constant_becomes_the_branch_and_is_canonical_too() -> None:
    found, _ = run(Canonicalize(), graph("(%x: f32[]) -> (f32[])", branch(1)))
    assert [op.name for op in found.body] == ["constant", "constant", "sin", "return"]
    sin = found.outputs[0].producer
    assert sin is not None
    assert sin.location.name_stack == "cond/branch_1_fun"


@pytest.mark.parametrize("index", [-1, 2])
def test_an_index_outside_the_branches_is_left(index: int) -> None:
    found, _ = run(Canonicalize(), graph("(%x: f32[]) -> (f32[])", branch(index)))
    assert "cond" in [op.name for op in found.body]
