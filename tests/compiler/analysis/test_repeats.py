"""Finding runs of equal blocks in a sequence."""

from __future__ import annotations

import random

import pytest

from compiler.analysis.repeats import Run, repeated


def test_the_run_that_saves_the_most_comes_first() -> None:
    text = "xy" + "abc" * 3 + "z" + "defgh" * 4 + "w"
    first, second = repeated(text, 3, 3)[:2]
    assert (first, first.repeats, first.saved) == (Run(12, 5, 15), 4, 15)
    assert (second, second.repeats, second.saved) == (Run(2, 3, 6), 3, 6)


def test_a_block_is_not_taken_twice_as_long() -> None:
    assert repeated("abab" * 4, 2, 2)[0].period == 2


def test_what_is_too_short_or_too_rare_is_no_run() -> None:
    assert repeated("ab" * 9, 2, 3)
    assert not repeated("ab" * 2, 2, 3)
    assert not repeated("abcdef", 2, 2)
    assert not repeated("", 1, 2)
    assert not repeated("a" * 9, 10, 2)


def test_a_run_may_be_cut_at_other_places() -> None:
    (run,) = repeated("abcabcabca", 3, 3)
    assert (run.repeats, run.matched) == (3, 7)
    assert run.shifted(1).repeats == 3
    assert run.shifted(2).repeats == 2
    assert run.overlaps(Run(9, 2, 4))
    assert not run.overlaps(Run(10, 2, 4))


@pytest.mark.parametrize("seed", range(20))
def test_what_is_planted_is_found(seed: int) -> None:
    """A block of its own letters, written out several times among random others."""
    draw = random.Random(seed)
    period, count = draw.randint(3, 12), draw.randint(3, 6)
    block = [f"own{i}" for i in range(period)]
    before, after = ([draw.randint(0, 3) for _ in range(draw.randint(0, 9))] for _ in range(2))
    runs = repeated([*before, *block * count, *after], 3, 3)
    assert Run(len(before), period, (count - 1) * period) in runs
