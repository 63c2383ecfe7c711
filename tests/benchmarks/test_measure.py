"""One row of the suite, measured on a program that takes no time."""

from __future__ import annotations

import dataclasses

import jax.numpy as jnp
import pytest

from benchmarks.suite import measure as measuring
from benchmarks.suite.process import SIDES, peak
from benchmarks.suite.workload import Call, Workload
from benchmarks.suite.workloads import GROUPS, named
from tests.benchmarks.made_up import PLAIN


@pytest.fixture(autouse=True)
def few_rounds(monkeypatch):
    monkeypatch.setattr(measuring, "ROUNDS", 2)
    monkeypatch.setattr(measuring, "SECONDS_PER_SAMPLE", 1e-4)
    monkeypatch.setattr(measuring, "FIRST_CALLS", 1)


def row(function, *arguments, donated=(), **said):
    workload = Workload("made up", lambda: Call(function, arguments, donated), **said)
    return measuring.measure(workload, "ops", "rounding", (1e11, 1e10))


def test_a_row_has_both_sides():
    found = row(lambda x: x + 1, jnp.ones(8))
    assert found.is_right
    assert min(found.jit, found.ours, found.speedup, found.first_call, found.memory) > 0
    assert (found.level, found.lead, found.levels, found.fired) == ("rounding", 0.0, {}, ())


def test_arguments_that_are_given_away_are_copied_for_each_call():
    assert row(lambda x: x * 2, jnp.ones(8), donated=(0,)).is_right


def test_a_row_at_a_level_of_its_own_and_the_other_levels():
    a = jnp.ones((64, 64))
    found = row(lambda a, v: (a @ a) @ v, a, a[0], level="reassociate", lead=2.0)
    assert (found.level, found.lead) == ("reassociate", 2.0)
    assert "contraction-order" in found.fired
    assert {"exact", "rounding"} <= found.levels.keys()


@pytest.mark.parametrize(
    ("difference", "noise", "right"), [(1e-5, 0.0, True), (1e-3, 0.0, False), (1e-3, 6e-4, True)]
)
def test_values_agree_within_what_jit_itself_moves(difference, noise, right):
    assert dataclasses.replace(PLAIN, difference=difference, noise=noise).is_right == right


def test_memory_is_measured_in_processes_where_the_estimate_is_noticeable(monkeypatch):
    asked = []
    monkeypatch.setattr(measuring, "NOTICED", 0.0)
    monkeypatch.setattr(measuring, "peak", lambda *what: asked.append(what) or 10 + len(asked))
    assert row(lambda x: x + 1, jnp.ones(8)).memory == 12 / 11
    assert asked == [(side, "rounding", "made up") for side in SIDES]


@pytest.mark.slow
def test_the_peak_of_a_process():
    assert 1e7 < peak("tracegraph", "rounding", "tiny program") < 1e10


def test_workloads_have_names_of_their_own():
    names = [one.name for group in GROUPS.values() for one in group]
    assert len(set(names)) == len(names)
    assert named(names[-1]).name == names[-1]
