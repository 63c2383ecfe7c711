"""Which names a text has defined, region by region, while it is being read."""

from __future__ import annotations

from compiler.ir.errors import ParseError
from compiler.ir.graph import Value
from compiler.ir.lexer import Lexer, Token


class Scopes:
    """The names of the regions that are open; only those of the innermost may be used."""

    __slots__ = ("_lexer", "_open")

    def __init__(self, lexer: Lexer) -> None:
        self._lexer = lexer
        self._open: list[dict[str, Value]] = []

    def enter(self) -> None:
        """Opens a region, which knows no names yet."""
        self._open.append({})

    def leave(self) -> None:
        """Closes the innermost region."""
        self._open.pop()

    def define(self, token: Token, value: Value) -> None:
        """Gives a value the name that stands at a token.

        Raises:
            ParseError: the innermost region has the name already.
        """
        name, scope = token.text[1:], self._open[-1]
        if name in scope:
            raise defined_twice(self._lexer, f"the value {token.text}", token)
        value.hint = name
        scope[name] = value

    def find(self, token: Token) -> Value:
        """The value of the name that stands at a token.

        Raises:
            ParseError: the innermost region does not have it.
        """
        value = self._open[-1].get(token.text[1:])
        if value is None:
            raise self._undefined(token)
        return value

    def _undefined(self, token: Token) -> ParseError:
        found, hint = token.text, "define it above, or correct the name"
        if any(token.text[1:] in scope for scope in self._open):
            found = f"{token.text}, defined outside of the region"
            hint = "regions are closed: make it an operand of the operation that has the region"
        return self._lexer.error(
            f"the value {token.text} is used but not defined before",
            expected="a parameter of this region, or a result of an operation above in it",
            found=found,
            hint=hint,
            token=token,
        )


def defined_twice(lexer: Lexer, what: str, token: Token) -> ParseError:
    """The error that something is defined a second time at a token."""
    return lexer.error(
        f"{what} is defined twice",
        expected="a new name",
        found=f"`{token.text}` once more",
        hint="rename one of the two",
        token=token,
    )
