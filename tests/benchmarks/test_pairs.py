"""Both sides in turn; compiled anew and with other buffers where the second seems slower."""

from __future__ import annotations

import jax.numpy as jnp
import pytest

from benchmarks.suite import pairs as pairing
from benchmarks.suite.pairs import in_pairs, speedup, until_settled
from benchmarks.suite.workload import Call


@pytest.fixture(autouse=True)
def few_rounds(monkeypatch):
    monkeypatch.setattr(pairing, "ROUNDS", 3)


@pytest.fixture(autouse=True)
def as_told(monkeypatch):
    """Each sample takes what its side says."""
    monkeypatch.setattr(pairing, "_sample", lambda side, calls: side[1])


CALL = Call(lambda x: x, (jnp.ones(4),))


def test_each_round_has_both_sides_in_their_places():
    assert in_pairs((CALL, 3.0), (CALL, 2.0)) == [(3.0, 2.0)] * 3
    assert speedup([(3.0, 2.0), (1.0, 1.0), (4.0, 1.0)]) == 1.5


def test_what_is_not_slower_is_measured_once():
    found = until_settled(CALL, 1.0, 1.0, lambda call: pytest.fail("it was compiled anew"))
    assert found == [(1.0, 1.0)] * 3


def test_what_seems_slower_is_compiled_anew_with_other_buffers_and_all_rounds_count():
    calls = []

    def anew(call):
        calls.append(call)
        return 1.0, 1.0 if len(calls) == 2 else 2.0

    found = until_settled(CALL, 1.0, 2.0, anew)
    assert found == [(1.0, 2.0)] * 6 + [(1.0, 1.0)] * 3 + [(1.0, 2.0)] * 6
    assert speedup(found) == 0.5
    places = [one.arguments[0].unsafe_buffer_pointer() for one in (CALL, *calls)]
    assert len(set(places)) == pairing.TURNS
