"""Outlines let everything through that the pattern could match, and little else."""

from __future__ import annotations

import pytest

from compiler.ir import parse_graph
from compiler.rewrite.outline import Names, names_around, outline, readers_wanted
from compiler.rewrite.pattern import known, num, op, rest, variables

x, y = variables("x y")

TEXT = """tracegraph.ir 1
graph @f(%a: f32[2], %b: f32[2]) -> (f32[2]) {
  %s = sin %a : f32[2]
  %c = constant {value = 2.0} : f32[]
  %sum = add %s, %c : f32[2]
  %minus = sub %s, %b : f32[2]
  %all = concatenate %a, %s, %b {dimension = 0} : f32[6]
  return %minus
}
"""


@pytest.fixture
def ops() -> dict[str, Names]:
    return {operation.name: names_around(operation) for operation in parse_graph(TEXT).body}


FITS = {
    "sin": op.sin(x) | op.cos(x),
    "add": op.add(num(2.0), op.sin(x)),
    "sub": op.sub(op.sin(x) | op.cos(x), y),
    "concatenate": op.concatenate(x, op.sin(y), rest("others")),
}
MISSES = {
    "sin": op.cos(x) | op.tan(x),
    "add": op.add(op.cos(x), y),
    "sub": op.sub(y, op.sin(x)),
    "concatenate": op.concatenate(op.sin(x), rest("others")),
}


@pytest.mark.parametrize("name", FITS)
def test_what_could_match_fits(ops, name):
    assert outline(FITS[name])(ops[name])
    assert outline(op[name].any())(ops[name])


@pytest.mark.parametrize("name", MISSES)
def test_what_cannot_match_does_not(ops, name):
    assert not outline(MISSES[name])(ops[name])


def test_the_number_of_operands_counts(ops):
    assert not outline(op.sin(x, y))(ops["sin"])
    assert not outline(op.concatenate(x, y))(ops["concatenate"])
    assert outline(op.concatenate(rest("all")))(ops["concatenate"])


def test_what_is_known_has_a_constant_behind_it(ops):
    assert outline(op.add(x, known("k")))(ops["add"])
    assert not outline(op.sub(x, known("k")))(ops["sub"])


def test_the_names_around_an_op(ops):
    assert ops["sub"] == ("sub", "sin", "")
    assert ops["constant"] == ("constant",)


def test_what_must_read_an_op():
    assert readers_wanted(op.sin(x).read_by("slice")) == {"slice"}
    assert readers_wanted(op.sin(x)) is None
