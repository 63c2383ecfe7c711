"""Reads types from tokens. The other side is the ``__str__`` of the type classes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from compiler.ir.errors import ParseError
from compiler.ir.lexer import Lexer, Token
from compiler.ir.types import (
    ArrayType,
    Dim,
    DType,
    OpaqueType,
    SymbolicDim,
    Type,
    dtype_from_name,
)

_TYPE: Final = re.compile(r"(~?)(.*)\[([^\[\]]*)\]", re.DOTALL)
_SYMBOLIC: Final = re.compile(r"[A-Za-z0-9_ ()+*^,./-]+")
_MAX_DIGITS: Final = 20
_MAX_LENGTH: Final = 10_000


def parse_type(lexer: Lexer) -> Type:
    """A type: ``f32[8,4]``, weak ``~f32[]``, sharded ``f32[8]@"..."``, or ``opaque<"...">``.

    Raises:
        ParseError: the text is no type, or names an element type or a size that is none.
    """
    if lexer.accept("opaque"):
        return _parse_opaque_type(lexer)
    token = lexer.expect_kind("type", "write the type of every value, such as f32[] or i32[8]")
    if len(token.text) > _MAX_LENGTH:
        raise lexer.error(
            "a type is too long",
            expected=f"at most {_MAX_LENGTH} characters",
            found=f"{len(token.text)} characters",
            hint="an array has few dimensions: separate them by commas, such as f32[8,4]",
            token=token,
        )
    match = _TYPE.fullmatch(token.text)
    if match is None:
        raise _unknown(lexer, token, token.text)
    dtype = parse_dtype(lexer, match[2], token)
    shape = tuple(_parse_dim(lexer, text, token) for text in _split_dims(match[3]))
    sharding = lexer.string() if lexer.accept("@") else ""
    return ArrayType(shape, dtype, match[1] == "~", sharding)


def parse_dtype(lexer: Lexer, name: str, token: Token) -> DType:
    """The element type of a name that stands at a token.

    Raises:
        ParseError: there is no such element type.
    """
    try:
        return dtype_from_name(name)
    except (KeyError, ValueError) as error:
        raise _unknown(lexer, token, name) from error


def _parse_opaque_type(lexer: Lexer) -> OpaqueType:
    lexer.expect("<", 'an opaque type is written opaque<"...">')
    text = lexer.string()
    lexer.expect(">")
    return OpaqueType(text)


def _parse_dim(lexer: Lexer, text: str, token: Token) -> Dim:
    if text.isascii() and text.isdecimal() and len(text) <= _MAX_DIGITS:
        return int(text)
    if _SYMBOLIC.fullmatch(text) and any(char.isalpha() for char in text):
        return SymbolicDim(text)
    raise lexer.error(
        "a dimension cannot be read",
        expected="a size such as 8, or an expression over named sizes such as 2*b + 1",
        found=f"`{text}`",
        hint="separate dimensions by commas; a scalar has none: f32[]",
        token=token,
    )


def _split_dims(text: str) -> Iterator[str]:
    """The parts between the commas that stand in no parentheses."""
    if not text:
        return
    depth = start = 0
    for index, char in enumerate(text):
        depth += (char == "(") - (char == ")")
        if char == "," and depth == 0:
            yield text[start:index]
            start = index + 1
    yield text[start:]


def _unknown(lexer: Lexer, token: Token, name: str) -> ParseError:
    return lexer.error(
        f"there is no element type {name}",
        expected="an element type such as f32, bf16, i32, u8, bool, c64 or dtype<key<fry>>",
        found=f"`{name}`",
        hint="correct the name, or quote it if it was meant as a string",
        token=token,
    )
