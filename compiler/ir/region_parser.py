"""Reads parameters, operations and regions from tokens. ``compiler.ir.parser`` reads the rest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from compiler.ir import mutate
from compiler.ir.attribute_parser import AttributeParser
from compiler.ir.attributes import Attribute, Attributes
from compiler.ir.builder import Builder
from compiler.ir.constant_parser import Elements, Resources, build_dense
from compiler.ir.effects import NO_EFFECTS, Effect, Effects
from compiler.ir.errors import ParseError
from compiler.ir.graph import (
    CONSTANT,
    RETURN,
    TERMINATORS,
    YIELD,
    Operation,
    ParameterInfo,
    Region,
    Value,
)
from compiler.ir.lexer import Lexer, Token
from compiler.ir.location_parser import parse_location
from compiler.ir.locations import UNKNOWN, Location
from compiler.ir.scopes import Scopes, defined_twice
from compiler.ir.type_parser import parse_type
from compiler.ir.types import Type

MAX_REGIONS: Final = 1000
"""How deep regions may nest: deeper than JAX can trace on a stack of Python's usual size."""

_REGION_KINDS: Final = frozenset({"word", "type", "string"})


class Parameter(NamedTuple):
    """A parameter in the text."""

    token: Token
    type: Type
    info: ParameterInfo


class _Head(NamedTuple):
    """An operation in the text, up to its regions."""

    start: Token
    targets: Sequence[Token]
    name: str
    operands: Sequence[Value]
    attributes: Attributes
    effects: Effects
    types: Sequence[Type]
    location: Location


class _Open:
    """A region that is being read.

    Attributes:
        builder: adds to it.
        terminator: what ends it.
        head: its operation that is being read; None between operations.
        regions: the regions of that operation that have been opened so far.
    """

    __slots__ = ("builder", "head", "regions", "terminator")

    def __init__(self, region: Region, terminator: str) -> None:
        self.builder = Builder(region)
        self.terminator = terminator
        self.head: _Head | None = None
        self.regions: list[Region] = []


class RegionParser:
    """Reads a graph's body.

    Args:
        lexer: where the tokens come from.
        resources: the arrays that attributes may name by digest.

    Attributes:
        starts: where each operation begins in the text.
    """

    __slots__ = ("_attribute_parser", "_lexer", "_scopes", "starts")

    def __init__(self, lexer: Lexer, resources: Resources) -> None:
        self.starts: dict[Operation, int] = {}
        self._lexer = lexer
        self._attribute_parser = AttributeParser(lexer, resources)
        self._scopes = Scopes(lexer)

    def parameters(self) -> list[Parameter]:
        """A list of parameters in parentheses.

        Raises:
            ParseError: the text is none.
        """
        self._lexer.expect("(")
        return self._lexer.separated(")", self._parameter)

    def body(self, body: Region, parameters: Sequence[Parameter]) -> None:
        """Fills the body of a graph.

        Open regions are kept on a list and not on Python's stack, so that depth costs nothing.

        Raises:
            ParseError: the text is no body.
        """
        opened = [self._open(body, parameters, RETURN)]
        while opened:
            innermost = opened[-1]
            if innermost.head is None:
                innermost.head = self._head(innermost.terminator)
            if self._at_region():
                opened.append(self._open_region(innermost, len(opened)))
            elif self._finish_operation(innermost, innermost.head):
                opened.pop()

    def _parameter(self) -> Parameter:
        lexer = self._lexer
        captured = lexer.accept("captured")
        token = lexer.expect_kind("value")
        lexer.expect(":")
        type = parse_type(lexer)
        return Parameter(token, type, ParameterInfo(lexer.accept("donated"), captured))

    def _open(self, region: Region, parameters: Sequence[Parameter], terminator: str) -> _Open:
        self._lexer.expect("{")
        self._scopes.enter()
        values = mutate.add_parameters(region, [parameter.type for parameter in parameters])
        for value, parameter in zip(values, parameters, strict=True):
            self._scopes.define(parameter.token, value)
        return _Open(region, terminator)

    def _at_region(self) -> bool:
        return self._lexer.token.kind in _REGION_KINDS and self._lexer.ahead.text == "("

    def _open_region(self, outer: _Open, depth: int) -> _Open:
        lexer = self._lexer
        if depth > MAX_REGIONS:
            raise lexer.too_deep(MAX_REGIONS, "regions")
        region = Region(lexer.string() if lexer.token.kind == "string" else lexer.advance().text)
        outer.regions.append(region)
        return self._open(region, self.parameters(), YIELD)

    def _finish_operation(self, region: _Open, head: _Head) -> bool:
        """Adds the operation, whose regions have been read; says whether it ends its region."""
        op = region.builder.op(
            head.name,
            head.operands,
            head.types,
            head.attributes,
            region.regions,
            effects=head.effects,
            location=head.location,
        )
        self.starts[op] = head.start.start
        region.head, region.regions = None, []
        for token, value in zip(head.targets, op.results, strict=True):
            self._scopes.define(token, value)
        if not op.is_terminator:
            return False
        self._scopes.leave()
        self._lexer.expect("}", f"`{region.terminator}` is the last operation of its region")
        return True

    def _head(self, terminator: str) -> _Head:
        lexer, start = self._lexer, self._lexer.token
        targets = self._value_tokens()
        if targets:
            lexer.expect("=")
        name = self._operation_name(terminator)
        operands = [self._scopes.find(token) for token in self._value_tokens()]
        attributes = self._attributes(name)
        effects = self._effects()
        types = [] if name in TERMINATORS else self._types()
        if len(types) != len(targets):
            raise self._miscounted(name, targets, types, start)
        at_location = lexer.at("loc") and lexer.ahead.text == "("
        location = parse_location(lexer) if at_location else UNKNOWN
        settled = self._settled(attributes, types)
        return _Head(start, targets, name, operands, settled, effects, types, location)

    def _operation_name(self, terminator: str) -> str:
        if self._lexer.at("}"):
            raise self._lexer.unexpected(
                f"an operation, or `{terminator}`",
                f"end every region of this kind with `{terminator}`",
            )
        token = self._lexer.token
        name = self._lexer.name("an operation")
        if name not in TERMINATORS or name == terminator:
            return name
        raise self._lexer.error(
            f"`{name}` cannot end this region",
            expected=f"`{terminator}`",
            found=f"`{name}`",
            hint=f"a graph ends with `{RETURN}`, a region of an operation with `{YIELD}`",
            token=token,
        )

    def _value_tokens(self) -> list[Token]:
        lexer = self._lexer
        tokens: list[Token] = []
        while lexer.token.kind == "value":
            tokens.append(lexer.advance())
            if not lexer.accept(","):
                break
        return tokens

    def _types(self) -> list[Type]:
        lexer = self._lexer
        lexer.expect(":", "write the result types after a colon, or `: ()` if there are no results")
        if lexer.accept("("):
            lexer.expect(")")
            return []
        types = [parse_type(lexer)]
        while lexer.accept(","):
            types.append(parse_type(lexer))
        return types

    def _attributes(self, op_name: str) -> dict[str, Attribute | Elements]:
        attributes: dict[str, Attribute | Elements] = {}

        def read() -> None:
            token = self._lexer.token
            name = self._lexer.name("the name of an attribute")
            if name in attributes:
                raise defined_twice(self._lexer, f"the attribute {name}", token)
            self._lexer.expect("=")
            is_constant = op_name == CONSTANT and name == "value"
            parser = self._attribute_parser
            attributes[name] = parser.constant() if is_constant else parser.value()

        if self._lexer.accept("{"):
            self._lexer.separated("}", read)
        return attributes

    def _settled(
        self, attributes: dict[str, Attribute | Elements], types: Sequence[Type]
    ) -> dict[str, Attribute]:
        """The attributes, elements made into an array of the result's type."""
        settled: dict[str, Attribute] = {}
        for name, value in attributes.items():
            if not isinstance(value, Elements):
                settled[name] = value
                continue
            if not types:
                raise self._lexer.unexpected("a constant with a result before this")
            settled[name] = build_dense(self._lexer, value, types[0])
        return settled

    def _effects(self) -> Effects:
        if not self._lexer.accept("!"):
            return NO_EFFECTS
        self._lexer.expect("(")
        return frozenset(self._lexer.separated(")", self._effect))

    def _effect(self) -> Effect:
        lexer = self._lexer
        kind = lexer.name("the kind of an effect")
        ordered = lexer.accept("!")
        if not lexer.accept("("):
            return Effect(kind, ordered)
        operand = lexer.whole()
        lexer.expect(")")
        return Effect(kind, ordered, operand)

    def _miscounted(
        self, name: str, targets: Sequence[Token], types: Sequence[Type], token: Token
    ) -> ParseError:
        return self._lexer.error(
            f"the results of the operation {name} and their types differ in number",
            expected=f"{len(types)} names on the left, one for each type",
            found=f"{len(targets)} names",
            hint="give one type for each name before the `=`",
            token=token,
        )
