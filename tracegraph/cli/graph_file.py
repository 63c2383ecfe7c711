"""Reads the file of a graph: its text, and the pipeline that its first lines may name."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Final

from compiler.ir.errors import TracegraphError
from compiler.ir.graph import Graph
from compiler.ir.parser import parse_text
from compiler.lowering.check_types import check_types
from compiler.passes.pipeline import DEFAULT_PIPELINE
from tracegraph.cli.errors import suggest

STDIN: Final = "-"
_HEADER: Final = re.compile(r"(?://.*\n)*?//[ \t]*pipeline:[ \t]*(.{0,10000})")
"""A comment at the head of a reproducer that says what is left to run."""


def read_graph(file: str, pipeline: str | None) -> tuple[Graph, str]:
    """The graph in a file or in stdin, frozen, and the pipeline to run on it.

    Args:
        file: the file's name, ``-`` for stdin.
        pipeline: what to run; None for what the comments at the head of the text name, or the
            default pipeline.

    Raises:
        TracegraphError: the file cannot be read, holds no graph, or one that JAX cannot run.
    """
    text = _read(file)
    found = parse_text(text, filename=display_name(file))
    check_types(found.graph, found.where)
    return found.graph.freeze(), _pipeline_of(text) if pipeline is None else pipeline


def display_name(file: str) -> str:
    """What messages call the file."""
    return "<stdin>" if file == STDIN else file


def _pipeline_of(text: str) -> str:
    found = _HEADER.match(text)
    return found[1].strip() if found else DEFAULT_PIPELINE


def _read(file: str) -> str:
    try:
        return sys.stdin.read() if file == STDIN else Path(file).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        data = error.object
        line_start = data.rfind(b"\n", 0, error.start) + 1
        line, column = data.count(b"\n", 0, error.start) + 1, error.start - line_start + 1
        raise _unreadable(
            file,
            f"{display_name(file)}:{line}:{column}",
            f"the byte 0x{data[error.start]:02x}, which begins no character of UTF-8",
        ) from error
    except OSError as error:
        raise _unreadable(file, display_name(file), error.strerror or str(error)) from error


def _unreadable(file: str, where: str, found: str) -> TracegraphError:
    is_there = file == STDIN or Path(file).is_file()
    siblings = [] if is_there else [path.name for path in Path(file).parent.glob("*.tg")]
    return TracegraphError(
        "the graph cannot be read",
        where=where,
        expected="a text file that holds one graph",
        found=found,
        hint=suggest(Path(file).name, siblings, "name a file, or - to read stdin"),
    )
