"""Colour in ``print(graph)``: on a terminal, and nowhere else."""

from __future__ import annotations

import contextlib
import io
import re

import pytest

from compiler.ir.colours import coloured
from compiler.ir.parser import parse_graph
from compiler.ir.printer import print_graph

GRAPH = parse_graph(
    "tracegraph.ir 1\n"
    "graph @f(%x: f32[8]) -> (f32[8]) {\n"
    "  %y = integer_pow %x {y = 2} : f32[8]\n"
    "  return %y\n"
    "}\n"
)
ESCAPE = "\x1b["


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def wants_colour(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")


def terminal():
    """Standard output as a terminal."""
    return contextlib.redirect_stdout(Terminal())


def test_print_on_a_terminal_has_colour_and_says_the_same():
    with terminal() as out:
        print(GRAPH)
    assert ESCAPE in out.getvalue()
    plain = re.sub(r"\x1b\[[\d;]*m", "", out.getvalue())
    assert plain == print_graph(GRAPH) + "\n"


def test_a_print_over_several_lines_has_colour():
    with terminal() as out:
        print(
            "the graph:",
            GRAPH,
            sep="\n",
        )
    assert ESCAPE in out.getvalue()


def test_text_that_is_kept_has_none():
    with terminal():
        kept = str(GRAPH)
        formatted = f"{GRAPH}"
    assert kept == formatted == print_graph(GRAPH)


def test_print_of_text_has_none():
    with terminal() as out:
        print(str(GRAPH))
        print(f"{GRAPH}")
    assert ESCAPE not in out.getvalue()


def test_print_to_a_file_has_none():
    file = io.StringIO()
    with terminal():
        print(GRAPH, file=file)
    assert ESCAPE not in file.getvalue()


def test_print_where_there_is_no_terminal_has_none(capsys):
    print(GRAPH)
    assert ESCAPE not in capsys.readouterr().out


def test_no_color_is_kept(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    with terminal() as out:
        print(GRAPH)
    assert ESCAPE not in out.getvalue()


def test_without_the_source_there_is_none():
    with terminal() as out:
        exec(compile("print(graph)", "<nowhere>", "exec"), {"graph": GRAPH})
    assert ESCAPE not in out.getvalue()


def test_long_lines_are_not_broken():
    assert "\n" not in coloured("%x = add " + "%y, " * 2000)
