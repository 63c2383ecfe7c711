"""Reads constant arrays from tokens: elements in line, and the resources section.

The other side is ``compiler.ir.elements`` and the printer's resources section.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, Final

import numpy as np

from compiler.ir.attributes import Dense
from compiler.ir.elements import array_from_texts
from compiler.ir.errors import ParseError
from compiler.ir.lexer import Lexer, Token
from compiler.ir.type_parser import parse_type
from compiler.ir.types import ArrayType, Type

Resources = Mapping[str, Dense]
_ELEMENT_KINDS: Final = frozenset({"int", "float", "bits"})
_ELEMENT_WORDS: Final = frozenset({"True", "False", "inf", "nan"})


@dataclass(frozen=True, slots=True)
class Elements:
    """Elements of an array whose element type is not known yet."""

    texts: list[str]
    shape: tuple[int, ...]
    token: Token


def parse_elements(lexer: Lexer) -> Elements:
    """Elements in nested brackets, or one bare element.

    Raises:
        ParseError: the text is no such thing, or the rows differ in shape.
    """
    token = lexer.token
    if not lexer.accept("["):
        return Elements([_parse_element(lexer)], (), token)
    if not (lexer.at("[") or lexer.at("]")):
        texts = lexer.separated("]", lambda: _parse_element(lexer))
        return Elements(texts, (len(texts),), token)
    lexer.enter()
    rows = lexer.separated("]", lambda: parse_elements(lexer))
    lexer.leave()
    inner = rows[0].shape if rows else ()
    for row in rows:
        if row.shape != inner:
            raise _misfit(lexer, row, f"rows of shape {list(inner)}", f"shape {list(row.shape)}")
    return Elements([text for row in rows for text in row.texts], (len(rows), *inner), token)


def build_dense(lexer: Lexer, elements: Elements, type: Type) -> Dense:
    """The constant of these elements and this type.

    Raises:
        ParseError: they do not fit the type.
    """
    found = f"elements of shape {list(elements.shape)}"
    if not isinstance(type, ArrayType) or not isinstance(type.dtype, np.dtype):
        raise _misfit(lexer, elements, f"nothing in line for the type {type}", found)
    sizes = tuple(dim for dim in type.shape if isinstance(dim, int))
    both_empty = prod(elements.shape) == prod(sizes) == 0
    if not type.is_static or (elements.shape != sizes and not both_empty):
        raise _misfit(lexer, elements, str(type), found)
    try:
        return Dense(array_from_texts(elements.texts, type.dtype, sizes))
    except (ValueError, OverflowError) as error:
        raise _misfit(lexer, elements, str(type), str(error)) from error


def parse_resources(lexer: Lexer) -> Resources:
    """The section ``resources { #digest : type = "base64" ... }``, whole.

    Raises:
        ParseError: an entry cannot be read, comes twice, or is not what its digest says.
    """
    resources: dict[str, Dense] = {}
    lexer.expect("resources")
    lexer.expect("{")
    while not lexer.accept("}"):
        token = lexer.expect_kind("digest", "end the section with `}`")
        digest = token.text.removeprefix("#")
        if digest in resources:
            raise _broken(lexer, token, "each digest once", "a second entry")
        resources[digest] = _parse_resource(lexer, digest, token)
    lexer.expect_kind("end", "the resources section is the last of the text")
    return resources


def find_resource(lexer: Lexer, resources: Resources) -> Dense:
    """The resource whose digest is the token.

    Raises:
        ParseError: the resources section does not have it.
    """
    token = lexer.expect_kind("digest")
    dense = resources.get(token.text.removeprefix("#"))
    if dense is not None:
        return dense
    raise lexer.error(
        f"there is no resource {token.text}",
        expected="an entry in the resources section at the end of the text",
        found=f"{len(resources)} entries, none of this digest",
        hint="copy the resources section together with the graph",
        token=token,
    )


def _parse_element(lexer: Lexer) -> str:
    token = lexer.token
    if token.kind in _ELEMENT_KINDS or token.text in _ELEMENT_WORDS or token.text == "-inf":
        return lexer.advance().text
    if not lexer.accept("complex"):
        raise lexer.unexpected("an element such as 1, 2.5, True, nan or 0x7fc00001")
    lexer.expect("(")
    parts = lexer.separated(")", lambda: _parse_element(lexer))
    return f"complex({', '.join(parts)})"


def _parse_resource(lexer: Lexer, digest: str, token: Token) -> Dense:
    lexer.expect(":")
    type = parse_type(lexer)
    lexer.expect("=")
    text = lexer.expect_kind("string").text
    if not isinstance(type, ArrayType) or not isinstance(type.dtype, np.dtype):
        raise _broken(lexer, token, "the type of an array of numbers", str(type))
    try:
        array = _decode(text, type.dtype, [dim for dim in type.shape if isinstance(dim, int)])
    except (ValueError, OverflowError, binascii.Error) as error:
        raise _broken(lexer, token, f"the bytes of {type} in base64", str(error)) from error
    dense = Dense(array)
    if dense.digest != digest:
        raise _broken(lexer, token, f"data of digest #{digest}", f"data of digest #{dense.digest}")
    return dense


def _decode(text: str, dtype: np.dtype[Any], shape: list[int]) -> np.ndarray[Any, Any]:
    data = base64.b64decode(text[1:-1], validate=True)
    if len(data) != prod(shape) * dtype.itemsize:
        raise ValueError(f"{len(data)} bytes")
    if dtype.itemsize == 0:
        return np.zeros(shape, dtype)
    return np.frombuffer(data, dtype).reshape(shape)


def _misfit(lexer: Lexer, elements: Elements, expected: str, found: str) -> ParseError:
    return lexer.error(
        "a constant does not fit its type",
        expected=expected,
        found=found,
        hint="correct the type or the elements",
        token=elements.token,
    )


def _broken(lexer: Lexer, token: Token, expected: str, found: str) -> ParseError:
    return lexer.error(
        f"the resource {token.text} cannot be used",
        expected=expected,
        found=found,
        hint="take the section from the text that print_graph wrote",
        token=token,
    )
