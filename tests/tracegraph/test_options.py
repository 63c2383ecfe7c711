"""The decorator's keywords: what is said of one that is misspelt or means nothing."""

import inspect
from typing import get_type_hints

import jax
import jax.numpy as jnp
import pytest

import tracegraph as tg
from tracegraph.options import DEFAULTS, Options, settings_of


def our_notes(error):
    """The notes on an error but for JAX's own, which says that frames are left out."""
    return [n for n in getattr(error, "__notes__", []) if n.startswith("tracegraph")]


def test_a_misspelt_keyword_keeps_jits_error_and_names_the_nearest():
    with pytest.raises(TypeError, match="unexpected keyword argument 'chek'") as caught:
        tg.function(lambda x: x, chek="nan")
    assert our_notes(caught.value) == ["tracegraph: did you mean check?"]


def test_a_misspelt_keyword_of_jits_names_the_nearest_of_jits():
    with pytest.raises(TypeError) as caught:
        tg.function(lambda x: x, static_argnum=0)
    assert our_notes(caught.value) == ["tracegraph: did you mean static_argnums?"]


def test_a_keyword_like_none_that_is_known_has_jits_error_alone():
    with pytest.raises(TypeError) as caught:
        tg.function(lambda x: x, zzz=1)
    assert not our_notes(caught.value)


@pytest.mark.parametrize(
    "name", ["autograph", "donate_replaced", "roll_layers", "static_nonarrays"]
)
def test_a_switch_is_on_or_off(name):
    with pytest.raises(tg.TracegraphError) as caught:
        tg.function(lambda x: x, **{name: "yes"})
    line = caught.traceback[0].lineno + 1
    assert str(caught.value).splitlines() == [
        f"{name} is on or off",
        f"  where: {__file__}:{line} (test_a_switch_is_on_or_off)",
        f"  expected: {name}=True or {name}=False",
        "  found: 'yes'",
        f"  what to do: write {name}=True to have it",
    ]


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"passes": ["cse"]}, tg.TracegraphError, "passes is one text"),
        ({"numerics": 3}, tg.TracegraphError, "no numerics level named 3"),
        ({"numerics": ["exact"]}, tg.TracegraphError, "no numerics level named"),
        ({"rules": 3}, TypeError, "rules is a list of rules, not 3"),
    ],
)
def test_values_of_the_wrong_type_are_said_to_be(options, error, said):
    with pytest.raises(error, match=said):
        tg.function(lambda x: x, **options)


def test_every_keyword_is_typed():
    """Ours by their defaults, jit's by its own signature."""
    jits = set(inspect.signature(jax.jit).parameters) - {"fun", "abstracted_axes"}
    assert jits | set(DEFAULTS) == set(get_type_hints(Options))


@pytest.mark.parametrize(
    ("options", "rolled"),
    [
        ({}, ""),
        ({"roll_layers": True}, "roll-layers"),
        ({"max_compile_seconds": 3}, "roll-layers{over_ms=3000}"),
        ({"max_compile_seconds": 0.5, "passes": "cse"}, "roll-layers{over_ms=500}"),
        ({"max_compile_seconds": 3, "roll_layers": True}, "roll-layers"),
        ({"max_compile_seconds": 0}, ""),
        ({"max_compile_seconds": float("inf")}, ""),
    ],
)
def test_layers_are_rolled_when_asked_or_when_a_budget_would_break(options, rolled):
    steps = [str(step) for step in settings_of(options).pipeline.passes()]
    assert [step for step in steps if step.startswith("roll-layers")] == [rolled] * bool(rolled)


def repeated(x, n):
    return jnp.concatenate([x] * n)


@pytest.mark.parametrize(
    ("name", "value", "named"),
    [("static_argnums", 1, {}), ("static_argnames", "n", {"n": 2})],
)
@pytest.mark.parametrize("options", [{}, {"static_nonarrays": True}])
def test_static_arguments_may_be_said_by_an_iterator(name, value, named, options):
    step = tg.function(repeated, **{name: iter([value])}, **options)
    args = () if named else (2,)
    for size in (2, 3):
        assert step(jnp.arange(size), *args, **named).shape == (2 * size,)


@pytest.mark.parametrize("name", ["donate_argnums", "donate_argnames"])
def test_what_an_iterator_says_is_given_away(name):
    x = jnp.arange(4.0)
    donated = iter([0] if name == "donate_argnums" else ["x"])
    step = tg.function(lambda x: x + 1, **{name: donated})
    step(x) if name == "donate_argnums" else step(x=x)
    assert x.is_deleted()


def test_a_decorator_with_an_iterator_may_be_used_twice():
    decorator = tg.function(static_argnames=iter(["n"]))
    for _ in range(2):
        assert decorator(repeated)(jnp.arange(2), n=2).shape == (4,)


@pytest.mark.parametrize("captured", [1, 4096], ids=["small", "hoisted"])
def test_options_of_xla_are_those_of_the_decoration(captured):
    said = {"xla_cpu_enable_fast_math": False}
    weights = jnp.ones((captured, 4))
    step = tg.function(lambda x: x @ weights, compiler_options=said)
    said["no_such_option"] = True
    assert step(jnp.ones((1, captured))).shape == (1, 4)


@pytest.mark.parametrize(
    "options",
    [
        {"static_argnums": 1.5},
        {"static_argnums": ["n"]},
        {"static_argnames": 3},
        {"static_argnames": [3]},
        {"donate_argnames": [3]},
        {"compiler_options": 3},
    ],
)
def test_a_bad_value_of_jits_keyword_has_jits_own_error(options):
    def error_of(decorator):
        with pytest.raises((TypeError, ValueError, AttributeError)) as caught:
            decorator(repeated, **options)(jnp.ones(2), 2)
        return caught.type, str(caught.value).partition("\n")[0]

    assert error_of(tg.function) == error_of(jax.jit)
