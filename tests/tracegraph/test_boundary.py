"""What an error of ours shows of the way that it came, and the one switch to see all of it."""

import traceback

import jax
import pytest

import tracegraph as tg


def frames(error):
    return [frame.filename for frame in traceback.extract_tb(error.__traceback__)]


def fail():
    with pytest.raises(tg.TracegraphError) as caught:
        tg.function(lambda x: x, passes="no-such-pass")
    return frames(caught.value)


def test_the_way_through_tracegraph_is_left_out():
    assert not [name for name in fail() if "/compiler/passes/" in name]


def test_one_switch_shows_it():
    before = jax.config.jax_traceback_filtering
    jax.config.update("jax_traceback_filtering", "off")
    try:
        assert [name for name in fail() if "/compiler/passes/" in name]
    finally:
        jax.config.update("jax_traceback_filtering", before)


def test_all_errors_of_ours_have_one_base_class():
    errors = (tg.BudgetError, tg.CheckError, tg.autograph.ConversionError)
    errors += (tg.autograph.ControlFlowError,)
    for error in errors:
        assert issubclass(error, tg.TracegraphError)
