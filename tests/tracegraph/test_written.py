"""A user's values as text."""

import jax
import jax.numpy as jnp
import pytest

import tracegraph as tg
from tracegraph.written import short, written


class Speechless:
    """A value that cannot say what it is."""

    def __init__(self, factor):
        self.factor = factor

    def __hash__(self):
        return self.factor

    def __eq__(self, other):
        return isinstance(other, Speechless) and self.factor == other.factor

    def __repr__(self):
        raise RuntimeError("no repr")


@jax.tree_util.register_pytree_node_class
class Scaled:
    """A tree with such a value in its structure."""

    def __init__(self, x, by):
        self.x, self.by = x, by

    def tree_flatten(self):
        return (self.x,), self.by

    @classmethod
    def tree_unflatten(cls, by, children):
        return cls(*children, by)


def test_a_value_that_cannot_say_what_it_is_is_called_by_its_class():
    assert written(Speechless(2)) == short(Speechless(2)) == "<Speechless>"
    assert written(3, "{:>2}".format) == " 3"


def test_a_short_text_fits_on_a_line():
    assert short("a\n  b") == "a b"
    assert short("x" * 100) == "x" * 77 + "..."
    assert short(("a", 1)) == "('a', 1)"


@pytest.mark.parametrize(
    "options", [{"static_argnums": 1}, {"static_nonarrays": True}], ids=["jits", "leaf"]
)
def test_a_static_value_need_not_say_what_it_is(options):
    step = tg.function(lambda x, by: x * by.factor, **options)
    for factor in (2, 3):
        assert float(step(2.0 + jnp.zeros(()), Speechless(factor))) == 2.0 * factor
    assert str(step.retraces()[-1].cause) == "static value of by: <Speechless> -> <Speechless>"
    assert step.signatures()[0].static == ("by = <Speechless>",)


def test_neither_need_the_structure_of_a_tree():
    step = tg.function(lambda scaled: scaled.x * scaled.by.factor)
    for factor in (2, 3):
        assert float(step(Scaled(2.0, Speechless(factor)))) == 2.0 * factor
    assert len(step.retraces()) == 2
    assert step.lower(Scaled(2.0, Speechless(2))).compile()
