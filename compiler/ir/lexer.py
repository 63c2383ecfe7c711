"""Cuts the text of a graph into tokens, one at a time, and words the errors about them.

Time is linear in the text whatever its shape: each token is one match of one regular expression
that never looks back, and lines are counted only for an error.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple, TypeVar

from compiler.ir.errors import ParseError
from compiler.ir.text import EXTENDED_DTYPE, STRING, WORD, unquote

T = TypeVar("T")

MAX_NESTING: Final = 100
"""How deep regions and attribute values may nest in a text."""

_SHOWN: Final = 80
_MAX_DIGITS: Final = 4000
_TOKEN: Final = re.compile(
    rf"""
    (?:[ \t\r\n]+|//[^\n]*)*
    (?:(?P<value>%[A-Za-z0-9_.$]+)
    |(?P<type>~?(?:{EXTENDED_DTYPE}|{WORD})\[[^\[\]\n]*\])
    |(?P<dtype>{EXTENDED_DTYPE})
    |(?P<bytes>b{STRING})
    |(?P<word>{WORD})
    |(?P<string>{STRING})
    |(?P<digest>\#[0-9a-f]+)
    |(?P<bits>0x[0-9a-f]+)
    |(?P<float>-inf|-?[0-9]+(?:\.[0-9]+(?:e[+-]?[0-9]+)?|e[+-]?[0-9]+))
    |(?P<int>-?[0-9]+)
    |(?P<mark>->|[(){{}}\[\],:=!@<>])
    |(?P<end>\Z)
    |(?P<unknown>.))
    """,
    re.VERBOSE | re.ASCII,
)
_NAMES: Final = {
    "value": "a value such as %x",
    "type": "a type such as f32[8,4]",
    "word": "a word",
    "string": "a quoted string",
    "int": "a whole number",
    "digest": "a digest such as #0123456789abcdef",
}


class Token(NamedTuple):
    """One piece of the text: its kind, what it says, and where it starts."""

    kind: str
    text: str
    start: int


class Lexer:
    """Hands out the tokens of ``text[start:end]``, with one token of lookahead.

    Attributes:
        token: the token that is being looked at.
        ahead: the one after it.
    """

    __slots__ = ("_depth", "_filename", "_text", "_tokens", "ahead", "token")

    def __init__(self, text: str, filename: str, start: int, end: int) -> None:
        self._text = text
        self._filename = filename
        self._depth = 0
        self._tokens = _tokens(text, start, end)
        self.token = next(self._tokens)
        self.ahead = next(self._tokens, self.token)

    def advance(self) -> Token:
        """The token that was being looked at; looks at the next one."""
        token = self.token
        self.token = self.ahead
        self.ahead = next(self._tokens, self.ahead)
        return token

    def at(self, text: str) -> bool:
        """Whether the token is this word or mark."""
        return self.token.text == text and self.token.kind in ("mark", "word")

    def accept(self, text: str) -> bool:
        """Steps over this word or mark if it is the token; says whether it was."""
        found = self.at(text)
        if found:
            self.advance()
        return found

    def expect(self, text: str, hint: str = "") -> Token:
        """Steps over this word or mark.

        Raises:
            ParseError: the token is another one.
        """
        if not self.at(text):
            raise self.unexpected(f"`{text}`", hint)
        return self.advance()

    def expect_kind(self, kind: str, hint: str = "") -> Token:
        """Steps over a token of this kind.

        Raises:
            ParseError: the token is of another kind.
        """
        if self.token.kind != kind:
            raise self.unexpected(_NAMES.get(kind, kind), hint)
        return self.advance()

    def string(self) -> str:
        """A quoted string, without its quotes.

        Raises:
            ParseError: the token is none, or holds an unknown escape.
        """
        return self.unquoted(self.expect_kind("string"), unquote)

    def unquoted(self, token: Token, read: Callable[[str], T]) -> T:
        """What ``read`` makes of a quoted token."""
        try:
            return read(token.text)
        except ValueError as error:
            raise self.error(
                "a quoted string cannot be read",
                expected='the escapes \\n \\t \\r \\" \\\\ \\xNN \\uNNNN',
                found=str(error),
                hint="write a backslash as two",
                token=token,
            ) from error

    def name(self, what: str) -> str:
        """A word or a quoted string; ``what`` says in an error what it would be the name of."""
        if self.token.kind == "string":
            return self.string()
        if self.token.kind == "word":
            return self.advance().text
        raise self.unexpected(what)

    def whole(self) -> int:
        """A whole number.

        Raises:
            ParseError: the token is none, or too long for a number of the text.
        """
        token = self.expect_kind("int")
        if len(token.text) > _MAX_DIGITS:
            raise self.error(
                "a whole number is too long",
                expected=f"at most {_MAX_DIGITS} digits",
                found=f"{len(token.text)} digits",
                hint="keep a number of this size in a constant array",
                token=token,
            )
        return int(token.text)

    def separated(self, closing: str, read: Callable[[], T]) -> list[T]:
        """What ``read`` gives between commas, up to and over the closing mark."""
        items: list[T] = []
        while not self.accept(closing):
            items.append(read())
            if not self.at(closing):
                self.expect(",", f"separate by commas, and end with `{closing}`")
        return items

    def enter(self) -> None:
        """Counts one more level of nesting; ``leave`` counts it off.

        Raises:
            ParseError: the text nests too deeply.
        """
        self._depth += 1
        if self._depth > MAX_NESTING:
            raise self.error(
                "the text nests too deeply",
                expected=f"at most {MAX_NESTING} levels of regions and values",
                found="one level more",
                hint="split the graph, or the value, into smaller ones",
            )

    def leave(self) -> None:
        """Counts one level of nesting off."""
        self._depth -= 1

    def unexpected(self, expected: str, hint: str = "") -> ParseError:
        """The error that the token is not what has to stand here."""
        return self.error(
            "the text is not a graph",
            expected=expected,
            found=_describe(self.token),
            hint=hint or "check the line against what print_graph writes",
        )

    def error(
        self, what: str, *, expected: str, found: str, hint: str, token: Token | None = None
    ) -> ParseError:
        """An error at a token, the one being looked at if none is given."""
        start = (token or self.token).start
        line = self._text.count("\n", 0, start) + 1
        line_start = self._text.rfind("\n", 0, start) + 1
        column = start - line_start
        return ParseError(
            what,
            line=line,
            column=column + 1,
            where=f"{self._filename}:{line}:{column + 1}{self._drawn(line_start, column)}",
            expected=expected,
            found=found,
            hint=hint,
        )

    def _drawn(self, line_start: int, column: int) -> str:
        line_end = self._text.find("\n", line_start)
        line_end = len(self._text) if line_end < 0 else line_end
        if line_end == line_start:
            return ""
        first = line_start + max(0, column - _SHOWN // 2)
        last = min(first + _SHOWN, line_end)
        before = "..." if first > line_start else ""
        after = "..." if last < line_end else ""
        shown = re.sub(r"\s", " ", self._text[first:last]) + after
        caret = " " * (len(before) + line_start + column - first) + "^"
        return f"\n{before}{shown}\n{caret}"


def _tokens(text: str, start: int, end: int) -> Iterator[Token]:
    for match in _TOKEN.finditer(text, start, end):
        kind = match.lastgroup or "unknown"
        yield Token(kind, match[kind], match.start(kind))
        if kind == "end":
            return


def _describe(token: Token) -> str:
    if token.kind == "end":
        return "the end of the text"
    if token.text == '"':
        return "a quoted string that does not end on its line"
    shown = token.text if len(token.text) <= 40 else token.text[:37] + "..."
    return f"`{shown}`"
