"""One row of the suite, measured on a program that takes no time."""

from __future__ import annotations

import jax.numpy as jnp
import pytest

from benchmarks.suite import measure as measuring
from benchmarks.suite import pairs as pairing
from benchmarks.suite import process
from benchmarks.suite.process import SIDES, pairs_alone, peak
from benchmarks.suite.workload import ByHand, Call, Workload
from benchmarks.suite.workloads import GROUPS, named


@pytest.fixture(autouse=True)
def not_in_other_processes(monkeypatch):
    """Workloads that are made up are found in no other process."""
    monkeypatch.setattr(measuring, "pairs_alone", lambda level, name, turn: [])


@pytest.fixture(autouse=True)
def few_rounds(monkeypatch):
    monkeypatch.setattr(pairing, "ROUNDS", 2)
    monkeypatch.setattr(pairing, "SECONDS_PER_SAMPLE", 1e-4)
    monkeypatch.setattr(measuring, "FIRST_CALLS", 1)


def row(function, *arguments, donated=(), **said):
    workload = Workload("made up", lambda: Call(function, arguments, donated), **said)
    return measuring.measure(workload, "ops", "rounding", (1e11, 1e10))


def test_a_row_has_both_sides():
    found = row(lambda x: x + 1, jnp.ones(8))
    assert found.is_right
    assert min(found.jit, found.ours, found.speedup, found.first_call, found.memory) > 0
    assert (found.level, found.lead, found.levels, found.fired) == ("rounding", 0.0, {}, ())
    assert (found.by_hand, found.hand_difference) == (0.0, 0.0)
    assert found.same_program


def test_arguments_that_are_given_away_are_copied_for_each_call():
    assert row(lambda x: x * 2, jnp.ones(8), donated=(0,)).is_right


def test_a_row_at_a_level_of_its_own_and_the_other_levels():
    a = jnp.ones((64, 64))
    found = row(lambda a, v: (a @ a) @ v, a, a[0], level="reassociate", lead=2.0)
    assert (found.level, found.lead) == ("reassociate", 2.0)
    assert "contraction-order" in found.fired
    assert {"exact", "rounding"} <= found.levels.keys()
    assert not found.same_program


def test_a_rewriting_by_hand_is_measured_and_its_values_compared():
    right = row(lambda x: x + x, jnp.ones(8), by_hand=ByHand(lambda x: 2 * x))
    assert right.by_hand > 0
    assert (right.hand_difference, right.is_right) == (0.0, True)
    wrong = row(lambda x: x + x, jnp.ones(8), by_hand=ByHand(lambda x: 3 * x))
    assert (wrong.difference, wrong.hand_difference, wrong.is_right) == (0.0, 0.5, False)


def test_a_rewriting_by_hand_may_keep_its_arguments_in_another_form():
    shapes = []

    def double(x):
        shapes.append(x.shape)
        return x * 2

    found = row(double, jnp.ones((4, 2)), donated=(0,), by_hand=ByHand(kept=jnp.ravel))
    assert found.is_right
    assert set(shapes) == {(4, 2), (8,)}


@pytest.mark.parametrize(
    ("differs", "moves", "right"),
    [
        (1e-3, (0.0, 0.0), False),
        (1e-3, (1.0, 0.0), False),
        (1e-3, (0.0, 6e-4), True),
        (float("inf"), (0.0, float("inf")), False),
    ],
)
def test_each_output_differs_by_what_jit_itself_moves_there(monkeypatch, differs, moves, right):
    apart = iter([[0.0, differs], *[list(moves)] * measuring.DRAWS])
    monkeypatch.setattr(measuring, "_apart", lambda expected, found: next(apart))
    found = row(lambda x: (x + 1, x + 2), jnp.ones(8))
    assert found.difference == differs
    assert found.is_right == right


def test_memory_is_measured_in_processes_where_the_estimate_is_noticeable(monkeypatch):
    asked = []
    monkeypatch.setattr(measuring, "NOTICED", 0.0)
    monkeypatch.setattr(measuring, "peak", lambda *what: asked.append(what) or 10 + len(asked))
    assert row(lambda x: x + 1, jnp.ones(8)).memory == 12 / 11
    assert asked == [(side, "rounding", "made up") for side in SIDES]


@pytest.mark.slow
def test_the_peak_of_a_process():
    assert 1e7 < peak("tracegraph", "rounding", "tiny program") < 1e10


@pytest.mark.slow
@pytest.mark.parametrize("turn", [0, 1])
def test_both_sides_in_a_process(turn):
    pairs = pairs_alone("rounding", "tiny program", turn)
    assert len(pairs) >= 9
    assert all(0 < seconds < 1 for pair in pairs for seconds in pair)


@pytest.mark.parametrize(
    ("order", "compiled"), [(process.ORDERS[0], "jt"), (process.ORDERS[1], "tj")]
)
def test_the_side_that_is_named_is_compiled_first(monkeypatch, capsys, order, compiled):
    run = []
    sides = [lambda *_, side=side: run.append(side) for side in "jt"]
    monkeypatch.setattr(measuring, "sides", lambda call, level: sides)
    monkeypatch.setattr(pairing, "in_pairs", lambda one, other: [one[1](), other[1]()])
    process.main(order, "rounding", "tiny program")
    assert "".join(run) == compiled * 2
    assert capsys.readouterr().out.startswith("[")


def test_the_second_of_a_pair_is_tracegraphs(monkeypatch):
    monkeypatch.setattr(process, "_output", lambda *arguments: "[[1.0, 2.0]]")
    assert pairs_alone("rounding", "any", 0) == [(1.0, 2.0)]
    assert pairs_alone("rounding", "any", 1) == [(2.0, 1.0)]


def test_workloads_have_names_of_their_own():
    names = [one.name for group in GROUPS.values() for one in group]
    assert len(set(names)) == len(names)
    assert named(names[-1]).name == names[-1]
