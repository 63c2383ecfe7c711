"""Where an error of ours says that the user stands, and what is left of the way to it."""

from __future__ import annotations

import traceback

import jax.numpy as jnp
import pytest

import tracegraph as tg
from tracegraph.boundary import boundary


def body(x):
    return x * 2


STEP = tg.function(body)
X = jnp.ones(3)

WRONG = {
    "numerics": lambda: tg.function(body, numerics="zz"),
    "roll_layers": lambda: tg.function(body, roll_layers="x"),
    "check": lambda: tg.function(body, check="zz"),
    "max_traces": lambda: tg.function(body, max_traces=-1),
    "autograph": lambda: tg.function(body, autograph="yes"),
    "donate_replaced": lambda: tg.function(body, donate_replaced=True, donate_argnums=0),
    "passes": lambda: tg.function(body, passes=3),
    "cache": lambda: tg.function(body, cache=3),
    "Autotune": lambda: tg.Autotune(seconds=-1),
    "Spec": lambda: tg.Spec((3,), "floatt"),
    "Cache": lambda: tg.Cache("x", 0),
    "cost": lambda: STEP.cost(X, device="zz"),
    "report": lambda: STEP.report(X, device="zz"),
    "profile": lambda: STEP.profile(X, calls=0),
    "verify": lambda: STEP.verify(X, numerics="zz"),
    "watch": lambda: tg.debug.watch(body, "q")(X),
    "diff": lambda: tg.diff(3, STEP.graph(X)),
    "parse_graph": lambda: tg.parse_graph(b"x"),
    "print_graph": lambda: tg.print_graph(3),
    "export_graph": lambda: tg.export_graph(STEP.graph(X), "a.zzz"),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_a_door_names_the_users_line_and_ends_there(wrong):
    with pytest.raises(tg.TracegraphError) as caught:
        wrong()
    assert caught.value.where == f"{__file__}:{wrong.__code__.co_firstlineno} (<lambda>)"
    assert caught.value.where in str(caught.value)
    ours = [step.filename for step in traceback.extract_tb(caught.value.__traceback__)]
    assert set(ours) == {__file__}


def test_a_place_of_its_own_stays():
    with pytest.raises(tg.TracegraphError) as caught:
        tg.function(body, passes="cse,zz")
    assert caught.value.where.startswith("column 5\n")


def test_a_door_names_the_innermost_line_that_the_error_came_through():
    def step(x):
        tg.Spec(None)
        return x

    with pytest.raises(tg.TracegraphError) as caught:
        tg.function(step).graph(X)
    line = step.__code__.co_firstlineno + 1
    assert caught.value.where == f"{__file__}:{line} (step)"


def test_a_class_stays_a_class_behind_its_door():
    @boundary
    class Setting:
        def __init__(self, value: int) -> None:
            """Its value."""
            if value < 0:
                raise tg.TracegraphError("no setting", expected="0 or more")
            self.value = value

    assert Setting(3).value == 3
    assert Setting.__init__.__doc__ == "Its value."
    with pytest.raises(tg.TracegraphError, match=r"where: .*test_userlines\.py"):
        Setting(-1)
