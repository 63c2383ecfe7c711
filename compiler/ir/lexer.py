"""Cuts the text of a graph into tokens, one at a time, and words the errors about them.

Time is linear in the text whatever its shape: each token is one match of one regular expression
that never looks back, and lines are counted only for an error. Memory is bounded too: a line that
no graph needs is refused before its tokens are kept.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple, TypeVar

from compiler.ir.errors import ParseError
from compiler.ir.source_text import SourceText, clipped
from compiler.ir.text import EXTENDED_DTYPE, STRING, WORD, unquote

T = TypeVar("T")

MAX_NESTING: Final = 100
"""How deep attribute values and rows of elements may nest in a text."""

MAX_LINE: Final = 4_000_000
"""Where the last token of a line may begin. A signature of 30,000 named parameters fits."""

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
        source: the text.
        token: the token that is being looked at.
        ahead: the one after it.
    """

    __slots__ = ("_depth", "_line_limit", "_tokens", "ahead", "source", "token")

    def __init__(self, source: SourceText, start: int, end: int) -> None:
        self.source = source
        self._depth = 0
        self._line_limit = MAX_LINE
        self._tokens = _tokens(source.text, start, end)
        self.token = next(self._tokens)
        self.ahead = next(self._tokens, self.token)

    def advance(self) -> Token:
        """The token that was being looked at; looks at the next one."""
        token = self.token
        if token.start > self._line_limit:
            self._check_line(token)
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
        """Counts one more level of nested values; ``leave`` counts it off.

        Raises:
            ParseError: the text nests too deeply.
        """
        self._depth += 1
        if self._depth > MAX_NESTING:
            raise self.too_deep(MAX_NESTING, "values")

    def leave(self) -> None:
        """Counts one level of nesting off."""
        self._depth -= 1

    def too_deep(self, limit: int, what: str) -> ParseError:
        """The error that the token opens one level too many."""
        return self.error(
            "the text nests too deeply",
            expected=f"at most {limit} levels of {what}",
            found="one level more",
            hint=f"split the {what} into smaller ones",
        )

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
        line, column = self.source.position(start)
        return ParseError(
            clipped(what),
            line=line,
            column=column,
            where=self.source.where(start),
            expected=clipped(expected),
            found=clipped(found),
            hint=hint,
        )

    def _check_line(self, token: Token) -> None:
        """Raises if the token's line is too long already, else notes up to where it may go."""
        line_start = token.start - self.source.position_in_line(token.start)
        self._line_limit = line_start + MAX_LINE
        if token.start <= self._line_limit:
            return
        raise self.error(
            "a line of the text is too long",
            expected=f"lines of at most {MAX_LINE} characters",
            found="a longer line",
            hint="write one operation a line, and large arrays in the resources section",
            token=token,
        )


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
    if token.kind == "unknown" and not token.text.isprintable():
        return f"the character U+{ord(token.text[0]):04X}"
    return f"`{clipped(token.text, 40)}`"
