"""Reads locations from tokens. The other side is in ``compiler.ir.printer``."""

from __future__ import annotations

from compiler.ir.lexer import Lexer
from compiler.ir.locations import Frame, Location


def parse_location(lexer: Lexer) -> Location:
    """A location: ``loc("file.py":12 "function" in "name/stack" by "rule")``.

    Raises:
        ParseError: the text is none.
    """
    lexer.expect("loc")
    lexer.expect("(")
    frames = tuple(_parse_frames(lexer))
    name_stack = lexer.string() if lexer.accept("in") else ""
    rules = tuple(_parse_strings(lexer)) if lexer.accept("by") else ()
    lexer.expect(")")
    return Location(frames, name_stack, rules)


def _parse_frames(lexer: Lexer) -> list[Frame]:
    frames: list[Frame] = []
    while lexer.token.kind == "string":
        frames.append(_parse_frame(lexer))
        if not lexer.accept(","):
            break
    return frames


def _parse_frame(lexer: Lexer) -> Frame:
    file = lexer.string()
    lexer.expect(":", 'a line follows its file: `"file.py":12`')
    line = lexer.whole()
    end_line = lexer.whole() if lexer.accept(":") else 0
    return Frame(file, line, lexer.string(), end_line)


def _parse_strings(lexer: Lexer) -> list[str]:
    strings = [lexer.string()]
    while lexer.accept(","):
        strings.append(lexer.string())
    return strings
