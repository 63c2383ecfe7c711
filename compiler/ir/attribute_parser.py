"""Reads attribute values from tokens. The other side is ``compiler.ir.attribute_text``.

Nothing is evaluated: each form is read by a function of its own.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping
from typing import Final

from compiler.ir.attributes import Attribute, Dense, EnumValue, Opaque, Record
from compiler.ir.constant_parser import (
    Elements,
    Resources,
    build_dense,
    find_resource,
    parse_elements,
)
from compiler.ir.lexer import Lexer
from compiler.ir.scopes import defined_twice
from compiler.ir.text import unquote_bytes
from compiler.ir.type_parser import parse_dtype, parse_type

_NAMED: Final[Mapping[str, Attribute]] = {
    "None": None,
    "True": True,
    "False": False,
    "inf": float("inf"),
    "nan": float("nan"),
}


class AttributeParser:
    """Reads attribute values.

    Args:
        lexer: where the tokens come from.
        resources: the arrays that values may name by digest.
    """

    __slots__ = ("_forms", "_lexer", "_resources")

    def __init__(self, lexer: Lexer, resources: Resources) -> None:
        self._lexer = lexer
        self._resources = resources
        self._forms: Mapping[str, Callable[[], Attribute]] = {
            "complex": self._complex,
            "dense": self._dense,
            "enum": self._enum,
            "float": self._float_from_bits,
            "opaque": self._opaque,
            "record": self._quoted_record,
            "resource": self._resource,
        }

    def value(self) -> Attribute:
        """An attribute value of any form.

        Raises:
            ParseError: the text is none.
        """
        lexer, kind = self._lexer, self._lexer.token.kind
        if kind == "word":
            return self._word()
        if kind == "int":
            return lexer.whole()
        if kind == "float":
            return self._number()
        if kind == "string":
            return lexer.string()
        if kind == "bytes":
            return lexer.unquoted(lexer.advance(), unquote_bytes)
        if kind == "dtype":
            return parse_dtype(lexer, lexer.token.text, lexer.advance())
        if lexer.at("("):
            return self._tuple()
        raise lexer.unexpected("an attribute value such as 1, None, f32, (0, 1) or Kind.MEMBER")

    def _number(self) -> float:
        token = self._lexer.advance()
        number = float(token.text)
        if math.isfinite(number) or token.text == "-inf":
            return number
        raise self._lexer.error(
            "a number is too large",
            expected="at most 1.7976931348623157e+308, or inf",
            found=f"`{token.text}`",
            hint="write inf for infinity",
            token=token,
        )

    def constant(self) -> Dense | Elements:
        """The value of a constant: an array, or elements whose type is still to come.

        Raises:
            ParseError: the text is none.
        """
        if self._lexer.accept("resource"):
            return self._resource()
        if self._lexer.accept("dense"):
            return self._dense_or_elements()
        return parse_elements(self._lexer)

    def _word(self) -> Attribute:
        token = self._lexer.advance()
        if self._lexer.at("("):
            form = self._forms.get(token.text)
            return form() if form is not None else self._record(token.text)
        if token.text in _NAMED:
            return _NAMED[token.text]
        kind, dot, member = token.text.rpartition(".")
        if dot:
            return EnumValue(kind, member)
        return parse_dtype(self._lexer, token.text, token)

    def _tuple(self) -> tuple[Attribute, ...]:
        self._lexer.expect("(")
        self._lexer.enter()
        items = self._lexer.separated(")", self.value)
        self._lexer.leave()
        return tuple(items)

    def _record(self, kind: str) -> Record:
        self._lexer.expect("(")
        return self._fields(kind)

    def _quoted_record(self) -> Record:
        self._lexer.expect("(")
        kind = self._lexer.string()
        if not self._lexer.at(")"):
            self._lexer.expect(",")
        return self._fields(kind)

    def _fields(self, kind: str) -> Record:
        fields: dict[str, Attribute] = {}

        def read() -> None:
            token = self._lexer.token
            name = self._lexer.name("the name of a field")
            if name in fields:
                raise defined_twice(self._lexer, f"the field {name}", token)
            self._lexer.expect("=")
            fields[name] = self.value()

        self._lexer.enter()
        self._lexer.separated(")", read)
        self._lexer.leave()
        return Record(kind, tuple(fields.items()))

    def _two_strings(self) -> tuple[str, str]:
        self._lexer.expect("(")
        first = self._lexer.string()
        self._lexer.expect(",")
        second = self._lexer.string()
        self._lexer.expect(")")
        return first, second

    def _enum(self) -> EnumValue:
        return EnumValue(*self._two_strings())

    def _opaque(self) -> Opaque:
        return Opaque(*self._two_strings())

    def _complex(self) -> complex:
        self._lexer.expect("(")
        real = self._float()
        self._lexer.expect(",")
        imaginary = self._float()
        self._lexer.expect(")")
        return complex(real, imaginary)

    def _float(self) -> float:
        number = self.value()
        if isinstance(number, float):
            return number
        raise self._lexer.unexpected("a number with a point before this")

    def _float_from_bits(self) -> float:
        self._lexer.expect("(")
        token = self._lexer.expect_kind("bits", "write the 16 digits of a 64-bit number")
        if len(token.text) != len("0x") + 16:
            raise self._lexer.unexpected("16 hexadecimal digits before this")
        self._lexer.expect(")")
        (number,) = struct.unpack(">d", bytes.fromhex(token.text.removeprefix("0x")))
        return number

    def _resource(self) -> Dense:
        self._lexer.expect("(")
        dense = find_resource(self._lexer, self._resources)
        self._lexer.expect(")")
        return dense

    def _dense(self) -> Dense:
        self._lexer.expect("(")
        type = parse_type(self._lexer)
        self._lexer.expect(",")
        elements = parse_elements(self._lexer)
        self._lexer.expect(")")
        return build_dense(self._lexer, elements, type)

    def _dense_or_elements(self) -> Dense | Elements:
        if self._lexer.ahead.text != "[":
            return self._dense()
        self._lexer.expect("(")
        elements = parse_elements(self._lexer)
        self._lexer.expect(")")
        return elements
