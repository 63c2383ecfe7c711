from __future__ import annotations

import pytest

from compiler.ir import TracegraphError
from compiler.rewrite.numerics import LEVELS, Numerics, level_name, parse_level


def test_levels_and_their_names_are_the_same_thing() -> None:
    assert [parse_level(level_name(level)) for level in Numerics] == list(Numerics)
    assert list(LEVELS) == ["exact", "rounding", "reassociate", "fast"]


def test_a_level_stands_for_itself() -> None:
    assert [parse_level(level) for level in Numerics] == list(Numerics)
    with pytest.raises(TracegraphError, match="no numerics level named 0"):
        parse_level(0)


def test_each_level_admits_all_below_it() -> None:
    assert Numerics.EXACT < Numerics.ROUNDING < Numerics.REASSOCIATE < Numerics.FINITE


def test_an_unknown_level_is_an_error_with_a_suggestion() -> None:
    with pytest.raises(TracegraphError) as caught:
        parse_level("reasociate")
    assert str(caught.value) == (
        "there is no numerics level named 'reasociate'\n"
        "  expected: exact, rounding, reassociate, fast\n"
        "  found: 'reasociate'\n"
        "  what to do: did you mean 'reassociate'?"
    )
