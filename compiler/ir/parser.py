"""Reads the text of a graph that ``compiler.ir.printer`` wrote, or that somebody wrote by hand.

A recursive descent of one function per rule of the grammar; regions within regions, which may be
many, are kept on a list by ``compiler.ir.region_parser``:

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
from collections.abc import Mapping, Sequence
from typing import Final, cast

from compiler.ir import mutate
from compiler.ir.constant_parser import Resources, parse_resources
from compiler.ir.errors import TracegraphError, VerificationError
from compiler.ir.graph import Graph, Operation, Region
from compiler.ir.lexer import Lexer, Token
from compiler.ir.region_parser import RegionParser
from compiler.ir.source_text import SourceText, clipped
from compiler.ir.text import FORMAT_NAME, FORMAT_VERSION
from compiler.ir.type_parser import parse_type
from compiler.ir.types import Type
from compiler.ir.verifier import verify

_RESOURCES: Final = re.compile(r"\nresources\b")


class GraphText:
    """A text that has been read: the graph, and where in the text each of its operations stands.

    Attributes:
        graph: the graph, its values hinted with the names in the text.
    """

    __slots__ = ("_source", "_starts", "graph")

    def __init__(self, graph: Graph, source: SourceText, starts: Mapping[Operation, int]) -> None:
        self.graph = graph
        self._source = source
        self._starts = starts

    def where(self, op: Operation) -> str:
        """The place of an operation that was read, its line drawn under it."""
        return self._source.where(self._starts[op])


def parse_graph(text: str, *, filename: str = "<text>") -> Graph:
    """The graph that a text describes, its values hinted with the names in the text.

    Args:
        text: what ``print_graph`` wrote, or the like.
        filename: what errors call the text.

    Raises:
        TracegraphError: it is no text.
        ParseError: the text is not a graph; the error shows the place.
        VerificationError: it is one, but breaks a rule of the IR; the error shows the operation.
    """
    return parse_text(text, filename=filename).graph


def parse_text(text: str, *, filename: str = "<text>") -> GraphText:
    """As ``parse_graph``, and remembers where in the text each operation stands."""
    if not isinstance(cast("object", text), str):
        raise TracegraphError(
            "this is no text of a graph",
            expected="a str, as print_graph gives it",
            found=f"a {type(text).__name__}",
            hint="read a file by its text: Path(path).read_text()",
        )
    source = SourceText(text, filename)
    resources = _RESOURCES.search(text)
    end = resources.start() if resources else len(text)
    lexer = Lexer(source, 0, end)
    _parse_header(lexer)
    parser = RegionParser(lexer, _parse_resources(source, end))
    found = GraphText(_parse_graph(lexer, parser), source, parser.starts)
    try:
        verify(found.graph)
    except VerificationError as error:
        raise _located(error, found) from None
    return found


def _located(error: VerificationError, text: GraphText) -> VerificationError:
    """The same error at its place in the text."""
    op = error.operation
    return VerificationError(
        error.what,
        where=text.where(op) if isinstance(op, Operation) else error.where,
        expected=clipped(error.expected),
        found=clipped(error.found),
        hint="correct the text: it can be read, but no graph may be like that",
    )


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


def _parse_resources(source: SourceText, start: int) -> Resources:
    end = len(source.text)
    return parse_resources(Lexer(source, start, end)) if start < end else {}


def _parse_graph(lexer: Lexer, parser: RegionParser) -> Graph:
    lexer.expect("graph")
    lexer.expect("@")
    graph = Graph(lexer.name("the name of the graph"), Region())
    parameters = parser.parameters()
    lexer.expect("->")
    lexer.expect("(")
    results_token = lexer.token
    results = lexer.separated(")", lambda: _parse_result(lexer))
    parser.body(graph.body, parameters)
    lexer.expect_kind("end", "one text holds one graph")
    mutate.set_parameter_info(graph, [parameter.info for parameter in parameters])
    _check_results(lexer, graph, [type for type, _ in results], results_token)
    graph.result_names = _result_names(lexer, [name for _, name in results], results_token)
    return graph


def _parse_result(lexer: Lexer) -> tuple[Type, str | None]:
    type = parse_type(lexer)
    return type, lexer.string() if lexer.token.kind == "string" else None


def _check_results(lexer: Lexer, graph: Graph, types: Sequence[Type], token: Token) -> None:
    returned = [value.type for value in graph.outputs]
    if returned == types:
        return
    expected, found = f"({', '.join(map(str, types))})", f"({', '.join(map(str, returned))})"
    if len(types) == len(returned) > 1:
        place = next(i for i, type in enumerate(types) if type != returned[i])
        expected, found = f"{types[place]} as result {place}", str(returned[place])
    raise lexer.error(
        "the graph does not return what its head says",
        expected=expected,
        found=found,
        hint="correct the result types in the head, or what is returned",
        token=token,
    )


def _result_names(lexer: Lexer, names: Sequence[str | None], token: Token) -> tuple[str, ...]:
    given = tuple(name for name in names if name is not None)
    if not given or len(given) == len(names):
        return given
    raise lexer.error(
        "some results of the graph have a name and some have none",
        expected=f"{len(names)} names, or none",
        found=f"{len(given)} names",
        hint="name all results or none",
        token=token,
    )
