"""What stands before and behind a program does not change what it is called with, but as said."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks.contexts import BEFORE, BEHIND, contexts

X = np.arange(6, dtype=np.float32).reshape(2, 3)


def _found(*arguments):
    return {name: f(*given) for name, f, given in contexts(lambda *v: [v[-1] + 1], arguments)}


def test_every_context_is_there_once():
    names = ["alone", *(f"of {name}" for name in BEFORE), *(f"then {name}" for name in BEHIND)]
    assert list(_found(X)) == names


def test_a_transposed_array_is_given_transposed_and_turned_back_inside():
    given = {name: rest for name, _, rest in contexts(lambda x: [x + 1], [X])}
    assert given["of transposed"][0].shape == (3, 2)
    np.testing.assert_array_equal(_found(X)["of transposed"][0], X + 1)


@pytest.mark.parametrize("integers", [np.arange(3), jnp.int32(1)])
def test_what_is_not_of_floats_stays_alone(integers):
    assert list(_found(integers)) == ["alone"]
    assert list(_found(X, integers)) == ["alone", *(f"of {name}" for name in BEFORE)]
