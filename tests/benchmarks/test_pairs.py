"""Both sides in turn; measured again in other processes where the second seems slower."""

from __future__ import annotations

import gc

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


def test_what_drifts_within_a_round_is_the_same_for_both(monkeypatch):
    clock = iter(range(100))
    monkeypatch.setattr(pairing, "_sample", lambda side, calls: side[1] + next(clock))
    next(clock)
    assert [a - b for a, b in in_pairs((CALL, 3.0), (CALL, 2.0))] == [1.0] * 3


def test_no_garbage_is_collected_between_samples(monkeypatch):
    enabled: list[bool] = []
    monkeypatch.setattr(pairing, "_sample", lambda side, calls: enabled.append(gc.isenabled()) or 1)
    in_pairs((CALL, 1.0), (CALL, 1.0))
    assert enabled == [True] + [False] * 12
    assert gc.isenabled()


def test_what_is_not_slower_is_measured_once():
    once = [(1.0, 1.0)] * 3
    assert until_settled(once, lambda turn: pytest.fail("it was measured again")) == once


def test_what_seems_slower_is_measured_again_and_all_rounds_count():
    asked = []

    def again(turn):
        asked.append(turn)
        return [(1.0, 1.0 if turn == 2 else 2.0)] * 3

    found = until_settled([(1.0, 2.0)] * 3, again)
    assert asked == [1, 2, 3, 4, 5]  # each side is compiled first in three of the six
    assert found == [(1.0, 2.0)] * 6 + [(1.0, 1.0)] * 3 + [(1.0, 2.0)] * 9
    assert speedup(found) == 0.5


@pytest.mark.parametrize(("first", "other"), [(0.98, 0.98), (0.98, 1.2), (0.9, 1.2)])
def test_near_the_bar_both_orders_count_and_no_more(first, other):
    found = until_settled([(first, 1.0)] * 3, lambda turn: [(other, 1.0)] * 3)
    assert found == [(first, 1.0)] * 3 + [(other, 1.0)] * 3


def test_what_proves_as_fast_is_left():
    found = until_settled([(1.0, 2.0)] * 3, lambda turn: [(1.0, 1.0)] * 4)
    assert len(found) == 7
