"""Reports of functions that fail to trace: the error, its line, and the ops until then."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import pytest

import tracegraph as tg
from tests.tracegraph.report.gallery import failing


def names(content):
    return [content["ops"][op]["n"] for op, *_ in content["stages"][-1]["ops"]]


def failing_text(content):
    (file, line), *_ = content["error"]["lines"]
    return dict(map(tuple, content["files"][file]["lines"]))[line].strip()


def test_shapes_that_do_not_fit():
    report = failing()
    assert isinstance(report.error, TypeError)
    error = report.content["error"]
    assert error["kind"] == "TypeError"
    assert "dot_general" in error["what"]
    assert error["where"].endswith(f"gallery.py:{error['lines'][0][1]}")
    assert failing_text(report.content) == 'logits = hidden @ params["second"]'
    assert {"dot_general", "tanh", "sqrt"} <= set(names(report.content))
    assert report.content["notes"] == ["The graph holds what was traced before the error."]
    assert repr(report) == "<Report on predict, which failed to trace>"


def test_a_value_that_is_asked_for():
    @tg.function
    def branching(x):
        doubled = x * 2
        if doubled.sum() > 0:
            return doubled
        return x

    content = branching.report(jnp.ones(3)).content
    assert content["error"]["kind"] == "TracerBoolConversionError"
    assert failing_text(content) == "if doubled.sum() > 0:"
    assert {"mul", "reduce_sum", "gt"} <= set(names(content))


def test_an_error_inside_a_loop_keeps_what_came_before_it():
    @tg.function
    def looping(x):
        y = jnp.sin(x)

        def body(carry, _):
            raise ValueError("not today")

        return jax.lax.scan(body, y, None, length=3)

    content = looping.report(jnp.ones(3)).content
    assert content["error"]["what"] == "not today"
    assert failing_text(content) == 'raise ValueError("not today")'
    assert "sin" in names(content)
    assert content["error"]["functions"] == ["body", "looping"]


def test_an_argument_that_is_no_array_points_at_the_function():
    @tg.function
    def scaled(x):
        return x * 2

    content = scaled.report("three").content
    assert content["error"]["kind"] == "TypeError"
    assert content["notes"] == ["Of the operations traced until then nothing is known."]
    assert failing_text(content) == "@tg.function"


def test_errors_of_ours_have_their_four_parts():
    @tg.function(input_signature=[tg.Spec(("n", 4), "float32")])
    def summed(x):
        return x.sum()

    content = summed.report(jnp.ones((3, 5))).content
    error = content["error"]
    assert all(error[part] for part in ("what", "expected", "found", "hint"))


def test_the_failing_call_still_fails_as_before():
    @tg.function
    def broken(x):
        return x @ jnp.ones(5)

    x = jnp.ones(3)
    broken.report(x)
    with pytest.raises(TypeError, match="dot_general"):
        broken(x)
    assert broken(jnp.ones(5)) == 5


def test_interrupts_are_not_reported():
    @tg.function
    def interrupted(x):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted.report(jnp.ones(3))
