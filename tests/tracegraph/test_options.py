"""The decorator's keywords: what is said of one that is misspelt or means nothing."""

import inspect
from typing import get_type_hints

import jax
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


def test_a_keyword_like_none_of_ours_has_jits_error_alone():
    with pytest.raises(TypeError) as caught:
        tg.function(lambda x: x, zzz=1)
    assert not our_notes(caught.value)


@pytest.mark.parametrize(
    "name", ["autograph", "donate_replaced", "roll_layers", "static_nonarrays"]
)
def test_a_switch_is_on_or_off(name):
    with pytest.raises(tg.TracegraphError) as caught:
        tg.function(lambda x: x, **{name: "yes"})
    assert str(caught.value).splitlines() == [
        f"{name} is on or off",
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
