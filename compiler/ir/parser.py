"""Reads the text of a graph that ``compiler.ir.printer`` wrote, or that somebody wrote by hand.

A recursive descent of one function per rule of the grammar:

    text       = "tracegraph.ir" "1" graph [resources]
    graph      = "graph" "@" name "(" parameters ")" "->" "(" results ")" block
    parameter  = ["captured"] value ":" type ["donated"]
    block      = "{" operation* terminator "}"
    operation  = [values "="] name [values] [attributes] [effects] ":" (types | "()") [loc] region*
    terminator = ("return" | "yield") [values]
    attributes = "{" name "=" attribute, ... "}"
    effects    = "!" "(" name ["!"] ["(" operand ")"], ... ")"
    loc        = "loc" "(" [frames] ["in" string] ["by" strings] ")"
    region     = name "(" parameters ")" block

Space and line ends separate tokens and mean nothing else; a type is one token. ``//`` begins a
comment. Op names are free.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from compiler.ir import mutate
from compiler.ir.attribute_parser import AttributeParser
from compiler.ir.attributes import Attribute
from compiler.ir.builder import Builder
from compiler.ir.constant_parser import Elements, Resources, build_dense, parse_resources
from compiler.ir.effects import NO_EFFECTS, Effect, Effects
from compiler.ir.errors import ParseError
from compiler.ir.graph import (
    CONSTANT,
    RETURN,
    TERMINATORS,
    YIELD,
    Graph,
    Operation,
    ParameterInfo,
    Region,
)
from compiler.ir.lexer import Lexer, Token
from compiler.ir.location_parser import parse_location
from compiler.ir.locations import UNKNOWN
from compiler.ir.scopes import Scopes, defined_twice
from compiler.ir.text import FORMAT_NAME, FORMAT_VERSION
from compiler.ir.type_parser import parse_type
from compiler.ir.types import Type
from compiler.ir.verifier import verify

_RESOURCES: Final = re.compile(r"^resources\b", re.MULTILINE)
_REGION_KINDS: Final = frozenset({"word", "type", "string"})


def parse_graph(text: str, *, filename: str = "<text>") -> Graph:
    """The graph that a text describes, its values hinted with the names in the text.

    Args:
        text: what ``print_graph`` wrote, or the like.
        filename: what errors call the text.

    Raises:
        ParseError: the text is not a graph; the error shows the place.
        VerificationError: it is one, but breaks a rule of the IR.
    """
    found = _RESOURCES.search(text)
    end = found.start() if found else len(text)
    lexer = Lexer(text, filename, 0, end)
    _parse_header(lexer)
    graph = _Parser(lexer, _parse_resources(text, filename, end)).graph()
    verify(graph)
    return graph


def _parse_header(lexer: Lexer) -> None:
    lexer.expect(FORMAT_NAME, f"begin the text with the line `{FORMAT_NAME} {FORMAT_VERSION}`")
    token = lexer.expect_kind("int")
    if token.text == str(FORMAT_VERSION):
        return
    raise lexer.error(
        f"version {token.text} of the text is not known",
        expected=f"version {FORMAT_VERSION}",
        found=f"version {token.text}",
        hint="read the text with the version of tracegraph that wrote it",
        token=token,
    )


def _parse_resources(text: str, filename: str, start: int) -> Resources:
    return parse_resources(Lexer(text, filename, start, len(text))) if start < len(text) else {}


class _Typed(NamedTuple):
    """A parameter in the text."""

    token: Token
    type: Type
    info: ParameterInfo


class _Parser:
    """One reading: the tokens, and the names of the regions that are open."""

    def __init__(self, lexer: Lexer, resources: Resources) -> None:
        self._lexer = lexer
        self._attribute_parser = AttributeParser(lexer, resources)
        self._scopes = Scopes(lexer)

    def graph(self) -> Graph:
        lexer = self._lexer
        lexer.expect("graph")
        lexer.expect("@")
        graph = Graph(lexer.name("the name of the graph"), Region())
        parameters = self._parameters()
        lexer.expect("->")
        lexer.expect("(")
        results_token = lexer.token
        results = lexer.separated(")", self._result)
        self._block(graph.body, parameters, RETURN)
        lexer.expect_kind("end", "one text holds one graph")
        mutate.set_parameter_info(graph, [parameter.info for parameter in parameters])
        self._check_results(graph, [type for type, _ in results], results_token)
        graph.result_names = self._result_names([name for _, name in results], results_token)
        return graph

    def _parameters(self) -> list[_Typed]:
        self._lexer.expect("(")
        return self._lexer.separated(")", self._parameter)

    def _parameter(self) -> _Typed:
        lexer = self._lexer
        captured = lexer.accept("captured")
        token = lexer.expect_kind("value")
        lexer.expect(":")
        type = parse_type(lexer)
        return _Typed(token, type, ParameterInfo(lexer.accept("donated"), captured))

    def _result(self) -> tuple[Type, str | None]:
        type = parse_type(self._lexer)
        return type, self._lexer.string() if self._lexer.token.kind == "string" else None

    def _check_results(self, graph: Graph, types: Sequence[Type], token: Token) -> None:
        returned = [value.type for value in graph.outputs]
        if returned == types:
            return
        raise self._lexer.error(
            "the graph does not return what its head says",
            expected=f"({', '.join(map(str, types))})",
            found=f"({', '.join(map(str, returned))})",
            hint="correct the result types in the head, or what is returned",
            token=token,
        )

    def _result_names(self, names: Sequence[str | None], token: Token) -> tuple[str, ...]:
        given = tuple(name for name in names if name is not None)
        if not given or len(given) == len(names):
            return given
        raise self._lexer.error(
            "some results of the graph have a name and some have none",
            expected=f"{len(names)} names, or none",
            found=f"{len(given)} names",
            hint="name all results or none",
            token=token,
        )

    def _block(self, region: Region, parameters: Sequence[_Typed], terminator: str) -> None:
        lexer = self._lexer
        lexer.expect("{")
        lexer.enter()
        self._scopes.enter()
        values = mutate.add_parameters(region, [parameter.type for parameter in parameters])
        for value, parameter in zip(values, parameters, strict=True):
            self._scopes.define(parameter.token, value)
        builder = Builder(region)
        while not self._operation(builder, terminator).is_terminator:
            pass
        self._scopes.leave()
        lexer.leave()
        lexer.expect("}", f"`{terminator}` is the last operation of its region")

    def _operation(self, builder: Builder, terminator: str) -> Operation:
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
        regions = self._regions()
        op = builder.op(
            name,
            operands,
            types,
            self._settled(attributes, types),
            regions,
            effects=effects,
            location=location,
        )
        for token, value in zip(targets, op.results, strict=True):
            self._scopes.define(token, value)
        return op

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

    def _regions(self) -> list[Region]:
        regions: list[Region] = []
        while self._lexer.token.kind in _REGION_KINDS and self._lexer.ahead.text == "(":
            regions.append(self._region())
        return regions

    def _region(self) -> Region:
        lexer = self._lexer
        name = lexer.string() if lexer.token.kind == "string" else lexer.advance().text
        region = Region(name)
        self._block(region, self._parameters(), YIELD)
        return region

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
