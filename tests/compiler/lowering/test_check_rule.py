"""The proof of rules: rules that break their word, one way each, and what the error says."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from compiler.lowering.check_rule import check_rule
from compiler.lowering.convert_types import to_type
from compiler.lowering.host import JaxHost
from compiler.lowering.rule_errors import RuleError
from compiler.rewrite.expression import constant, traced
from compiler.rewrite.numerics import Numerics
from compiler.rewrite.pattern import op, variables
from compiler.rewrite.rule import Rule, example

x, y, z = variables("x y z")
cosine_of_negative = Rule(
    name="cosine-of-negative",
    law="cos(-x) = cos(x)",
    pattern=op.cos(op.neg(x)),
    replace=lambda m: op.cos(m.x),
    transparent=True,
    examples=(example(lambda a: jnp.cos(-a), "f32[n]"),),
)


def broken(**facts) -> Rule:
    good = {
        "name": "a-rule",
        "law": "some law",
        "pattern": op.cos(op.neg(x)),
        "replace": lambda m: op.cos(m.x),
        "examples": (example(lambda a: jnp.cos(-a), "f32[n]"),),
        "normal_form": "a form",
    }
    return Rule(**{**good, **facts})


def error_of(rule: Rule, *others: Rule) -> str:
    with pytest.raises(RuleError) as caught:
        check_rule(rule, others)
    return str(caught.value)


def test_a_rule_that_keeps_its_word_passes():
    check_rule(cosine_of_negative)


def test_a_rule_without_an_example():
    text = error_of(broken(examples=()))
    assert text.startswith("the rule a-rule has no example\n  where: ")
    assert "test_check_rule.py" in text


def test_a_pattern_that_cannot_match():
    text = error_of(broken(pattern=op.cos(op.neg(op.neg(x)))))
    assert "does not fire on its own example" in text
    assert "found: none: a parameter stands where the rule needs neg" in text
    assert "%cos = cos %neg : f32[3]" in text


def test_a_pattern_whose_readers_are_others():
    text = error_of(broken(pattern=op.neg(x).read_by("slice", "split")))
    assert "found: none: neg is read by other ops than ['slice', 'split']" in text


def test_wrong_values():
    text = error_of(broken(replace=lambda m: op.sin(m.x)))
    assert "changes values beyond its class, as written" in text
    assert "EXACT: a relative difference of at most 0" in text


def test_values_that_are_wrong_only_for_a_nan_or_an_infinity():
    zero = broken(
        pattern=op.sub(x, x),
        replace=lambda m: op.mul(op.floor(op.exp(op.neg(op.exp(m.x)))), 0.0),
        numerics=Numerics.ROUNDING,
        examples=(example(lambda a: a - a, "f32[n]"),),
    )
    assert "at edge values" in error_of(zero)


def test_values_that_are_wrong_only_at_ties():
    """The last of equal elements, not the first: random elements are never equal."""

    def last(a):
        return (a.size - 1 - jnp.argmin(-a[::-1])).astype(jnp.int32)

    rule = broken(
        pattern=op.argmax(x),
        replace=lambda m: traced(last, m.x),
        examples=(example(lambda a: jnp.argmax(a), "f32[9]"),),
    )
    assert "changes values beyond its class, as written, at ties" in error_of(rule)


def test_values_that_are_wrong_only_at_zero():
    rule = broken(
        pattern=op.div(x, x),
        replace=lambda m: constant(1.0, like=m.x),
        examples=(example(lambda a: a / a, "f32[]"),),
    )
    assert "changes values beyond its class, as written, at" in error_of(rule)


def test_values_that_are_wrong_only_at_another_size():
    """The mean of nothing is nan, and the sum of nothing is not."""
    text = error_of(
        broken(
            pattern=op.div(op.reduce_sum(x), y),
            replace=lambda m: op.mul(op.reduce_sum(m.x, axes=(0,)), 1 / max(1, m.x.type.size)),
            examples=(example(lambda a: a.sum() / a.size, "f32[n]", n=4),),
            numerics=Numerics.ROUNDING,
        )
    )
    assert "with n = 0" in text


def test_values_that_are_wrong_only_for_another_element_type():
    """Of an unsigned number the negative is large, and its absolute value is itself."""
    text = error_of(
        broken(
            pattern=op.abs(op.neg(x)),
            replace=lambda m: op.max(m.x, op.neg(m.x)),
            examples=(example(lambda a: jnp.abs(-a), "f32[n]"),),
            numerics=Numerics.FINITE,
        )
    )
    assert "in u8" in text or "in c64" in text or "in bf16" in text


def test_a_replacement_of_another_type():
    text = error_of(broken(replace=lambda m: op.reshape(m.x, new_sizes=(1, 3))))
    assert "fails on its own example" in text
    assert "expected: f32[3]\n  found: the replacement is of another type" in text


def test_a_guard_that_raises():
    def bad(m):
        return m.nothing

    text = error_of(broken(guards=(bad,)))
    assert "AttributeError: the pattern binds no 'nothing'; it binds x" in text


def test_a_rule_that_loops():
    text = error_of(
        broken(
            pattern=op.add(x, y),
            replace=lambda m: op.add(m.y, m.x),
            examples=(example(jnp.add, "f32[n]", "f32[n]"),),
        )
    )
    assert "does not come to an end" in text


def test_two_rules_that_undo_each_other():
    to_sub = broken(
        name="to-sub", pattern=op.add(x, op.neg(y)), replace=lambda m: op.sub(m.x, m.y),
        examples=(example(lambda a, b: a + -b, "f32[n]", "f32[n]"),),
    )  # fmt: skip
    to_add = broken(
        name="to-add", pattern=op.sub(x, y), replace=lambda m: op.add(m.x, op.neg(m.y)),
        examples=(example(jnp.subtract, "f32[n]", "f32[n]"),),
    )  # fmt: skip
    check_rule(to_sub)
    check_rule(to_add)
    text = error_of(to_add, to_sub)
    assert "does not come to an end beside other rules" in text
    assert "to-add, to-sub" in text or "to-sub, to-add" in text


def test_a_rule_that_derivatives_do_not_see_through():
    def blind(a):
        return jnp.cos(jax.lax.stop_gradient(a))

    rule = broken(replace=lambda m: traced(blind, m.x))
    check_rule(rule)
    assert "forward derivative" in error_of(dataclasses.replace(rule, transparent=True))


def test_a_rule_that_fires_where_it_says_it_refuses():
    text = error_of(broken(rejects=(example(lambda a: jnp.cos(-a), "f32[2]", reason="too small"),)))
    assert "expected: no firing, because of: too small" in text
    assert "found: it fired" in text


def test_an_example_whose_argument_cannot_be_read():
    with pytest.raises(Exception, match=r'such as "f32\[m,k\]"'):
        check_rule(broken(examples=(example(jnp.cos, "float[3"),)))


def test_the_host_infers_types_as_jax_does():
    host = JaxHost()
    found = host.result_types(
        "dot_general",
        [to_type(jax.typeof(jnp.ones((2, 3)))), to_type(jax.typeof(jnp.ones((3, 4))))],
        {"dimension_numbers": (((1,), (0,)), ((), ()))},
    )
    assert [str(type) for type in found] == ["f32[2,4]"]


def test_a_traced_function_must_not_capture_a_large_array():
    table = jnp.ones(5000)
    rule = broken(replace=lambda m: traced(lambda a: jnp.cos(a) + table.sum() * 0, m.x))
    assert "captures a large array" in error_of(rule)


def test_a_constant_takes_the_type_of_its_neighbour():
    assert str(constant(2, like=constant(np.float16(1))).type) == "f16[]"
