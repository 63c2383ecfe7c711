"""What is refused, in which words, and at which of the user's lines."""

from __future__ import annotations

import traceback

import jax
import jax.numpy as jnp
import pytest

import tracegraph as tg
from tests.tracegraph.autograph import refused


def line(function, offset):
    """A line of a function, counted from its ``def``, as an error names it."""
    return f"{function.__code__.co_filename}:{function.__code__.co_firstlineno + offset}"


def error_of(function, *args):
    with pytest.raises(tg.autograph.ControlFlowError) as caught:
        jax.jit(tg.autograph.convert(function))(*args)
    return caught.value


def test_a_branch_mismatch_names_the_variable_both_types_and_both_lines():
    error = error_of(refused.branches, 1.0)
    assert error.what == "`y` has another type in each branch of a traced condition"
    assert error.where == line(refused.branches, 1)
    first, second = line(refused.branches, 2), line(refused.branches, 4)
    assert error.found == f"float32[] at {first}\nfloat32[3] at {second}"
    assert error.hint == "give `y` the same shape and dtype in both branches"


def test_a_branch_without_an_assignment_names_the_line_before():
    error = error_of(refused.branch_without_else, 1.0)
    before, inside = line(refused.branch_without_else, 1), line(refused.branch_without_else, 3)
    assert error.found == f"int32[] at {inside}\nfloat32[2] at {before}"


def test_returns_of_two_types():
    error = error_of(refused.returns, 1.0)
    assert error.what.startswith("the return value has another type")
    assert error.found.splitlines()[0] == f"None at {line(refused.returns, 2)}"
    assert error.found.splitlines()[1] == f"float32[] at {line(refused.returns, 3)}"


def test_a_missing_return():
    error = error_of(refused.missing_return, 1.0)
    assert error.what == "missing_return returns a value on one way through it only"
    assert error.hint == "return a value of the same type at the end of the function"


def test_a_carry_mismatch_names_the_variable_both_types_and_both_lines():
    error = error_of(refused.carry, 3)
    assert error.what == "`s` changes its type in a traced loop"
    assert error.where == line(refused.carry, 3)
    assert error.expected == f"int32[], as at {line(refused.carry, 1)}"
    assert error.found == f"float32[] after an iteration, at {line(refused.carry, 4)}"


def test_a_shape_that_grows_in_a_loop():
    error = error_of(refused.growing_shape, jnp.ones(2), 3)
    assert error.expected.startswith("float32[2], as at")
    assert error.found.startswith("float32[4] after an iteration, at")


def test_a_variable_of_one_branch_is_refused_where_it_is_read():
    error = error_of(refused.one_branch, 1.0)
    assert error.what == "`y` is used, and may have no value"
    assert error.where == line(refused.one_branch, 3)
    assert error.found == f"one only in one branch, at {line(refused.one_branch, 2)}"
    assert "before the `if`" in error.hint


def test_a_variable_of_one_branch_that_nobody_reads_is_no_error():
    found = jax.jit(tg.autograph.convert(refused.unread_variable))(2.0)
    assert float(found) == 4.0


def test_a_variable_defined_in_a_while_only():
    error = error_of(refused.defined_in_while, 1.0)
    assert error.what.startswith("`q` is defined only inside a traced loop")
    assert error.found == f"its first value at {line(refused.defined_in_while, 3)}"


def test_a_list_in_a_while_says_what_to_do():
    error = error_of(refused.list_in_while, 1.0)
    assert error.what == "`out` changes its type in a traced loop"
    assert "x[i] = value" in error.hint


def test_a_list_appended_to_in_one_branch():
    error = error_of(refused.list_in_one_branch, jnp.arange(3.0))
    assert error.found.startswith("a list with 1 more items at")
    assert error.hint == "append in both branches, and keep beside it which items count"


def test_an_assert_on_a_traced_value_is_refused():
    error = error_of(refused.asserts, 1.0)
    assert error.where == line(refused.asserts, 1)
    assert "checkify" in error.hint


def test_two_strings_have_no_common_type():
    error = error_of(refused.strings, 1.0)
    assert error.found == (
        f"str 'up' at {line(refused.strings, 1)}\nstr 'down' at {line(refused.strings, 1)}"
    )


def test_an_endless_iterable_left_on_a_traced_condition():
    assert "Python iterable" in error_of(refused.endless, 1.0).what


def test_a_range_of_floats():
    assert error_of(refused.float_range, 2.0).found == "float32[]"


@pytest.mark.parametrize("function", refused.CONSTRUCTS, ids=lambda each: each.__name__)
def test_a_construct_that_cannot_be_converted_names_its_line(function):
    with pytest.raises(tg.autograph.ConversionError) as caught:
        tg.autograph.convert(function)
    marked = function.__doc__.rstrip(".").split()[-1]
    assert caught.value.where == line(function, int(marked))
    assert caught.value.hint


def test_a_helper_that_cannot_be_converted_is_refused_at_the_call():
    with pytest.raises(tg.autograph.ConversionError, match="else of a for loop"):
        jax.jit(tg.autograph.convert(lambda x: refused.for_else(x) + 1))(1.0)


def test_a_function_without_source_is_refused():
    namespace: dict = {}
    exec("def f(x):\n    return x if x > 0 else -x", namespace)
    with pytest.raises(tg.autograph.ConversionError, match="its source cannot be had"):
        tg.function(namespace["f"], autograph=True)


@pytest.mark.parametrize("value", [len, jnp.sin, int, jax.jit(lambda x: x), 3])
def test_what_is_no_python_function_is_refused(value):
    with pytest.raises(tg.autograph.ConversionError, match="this cannot be converted"):
        tg.autograph.convert(value)


def test_changed_source_is_refused(tmp_path):
    path = tmp_path / "changing.py"
    text = "def f(x):\n    return x\n"
    path.write_text("\n" + text)
    namespace: dict = {}
    exec(compile(text, str(path), "exec"), namespace)
    with pytest.raises(tg.autograph.ConversionError, match="has changed"):
        tg.autograph.convert(namespace["f"])


def test_a_users_error_shows_the_original_line():
    step = tg.function(refused.raises_deep, autograph=True)
    with pytest.raises(ValueError, match="deep inside") as caught:
        step(1.0)
    frames = traceback.extract_tb(caught.value.__traceback__)
    assert frames[-1].filename == refused.__file__
    assert frames[-1].lineno == refused.raises_deep.__code__.co_firstlineno + 4
    assert frames[-1].line == 'raise ValueError("deep inside")'
    assert frames[-1].name == "raises_deep"


def test_no_error_speaks_of_the_engine():
    for function in (refused.branches, refused.carry):
        text = str(error_of(function, 1.0))
        assert "malt" not in text.lower()
        assert "autograph" not in text.lower().replace("tests/tracegraph/autograph", "")
