"""Errors as values: written to a pickle and copied, whatever their kind."""

from __future__ import annotations

import copy
import pickle

import pytest

import tracegraph.rules
from compiler.ir.errors import ParseError, TracegraphError

PARTS = {"where": "model.py:7", "expected": "this", "found": "that", "hint": "correct it"}
OF_ITS_OWN = {ParseError: {"line": 3, "column": 5}}


def kinds(kind=TracegraphError):
    return [kind, *(found for one in kind.__subclasses__() for found in kinds(one))]


def test_the_kinds_are_known():
    assert {ParseError, tracegraph.CheckError, tracegraph.rules.RuleError} < set(kinds())


@pytest.mark.parametrize(
    "again",
    [
        copy.copy,
        copy.deepcopy,
        *(lambda error, p=p: pickle.loads(pickle.dumps(error, p)) for p in (0, 2, 5)),
    ],
)
@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: kind.__name__)
def test_an_error_survives_a_pickle_and_a_copy(kind, again):
    error = kind("it happened", **PARTS, **OF_ITS_OWN.get(kind, {}))
    error.add_note("a note")
    found = again(error)
    assert type(found) is kind
    assert (str(found), repr(found), vars(found)) == (str(error), repr(error), vars(error))


def test_a_place_that_is_named_later_is_in_the_message():
    error = TracegraphError("it happened", found="that")
    error.where = "model.py:7"
    assert str(error) == "it happened\n  where: model.py:7\n  found: that"
