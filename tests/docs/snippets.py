"""The fenced blocks of a page, and how each kind is run.

``python`` blocks run in order, in one namespace for the page; one that begins with ``# name.py`` is
also written to that file. ``console`` blocks hold ``$ tracegraph ...`` commands. An ``output``
block is what the block before it printed; ``...`` in it stands for anything. A ``tg`` block, or any
other that begins with ``tracegraph.ir``, is a graph.
"""

from __future__ import annotations

import contextlib
import doctest
import io
import linecache
import re
import shlex
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click.testing

from tracegraph.cli import main

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*(ROOT / "docs").glob("*.md"), ROOT / "README.md"])

_FENCE = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"# ([\w-]+\.py)\n")
_FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, and the line of its fence."""

    language: str
    text: str
    line: int

    @property
    def is_graph(self) -> bool:
        """Whether it holds the text of a graph."""
        return self.text.startswith("tracegraph.ir") and self.language != "output"


def blocks(page: str) -> list[Block]:
    """The fenced blocks of a page, in order."""
    return [
        Block(match[2], textwrap.dedent(match[3]), page.count("\n", 0, match.start()) + 1)
        for match in _FENCE.finditer(page)
    ]


def agrees(expected: str, printed: str) -> bool:
    """Whether a text was printed, ``...`` standing for anything and all space for one space."""
    return doctest.OutputChecker().check_output(expected, printed, _FLAGS)


class Session:
    """One page being run, in the folder that is current.

    Args:
        name: what tracebacks and locations call the page.
        page: its text.
    """

    def __init__(self, name: str, page: str) -> None:
        self._name = name
        self._namespace: dict[str, Any] = {"__name__": "__main__"}
        python = [block for block in blocks(page) if block.language == "python"]
        # Names of values come from the source: show it to whoever asks for a line of this page.
        text = "".join(_at_its_line(block, python[:i]) for i, block in enumerate(python))
        linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)

    def run(self, block: Block) -> str | None:
        """What the block printed; None if it is of a kind that is not run."""
        if block.language == "python":
            return self._python(block)
        if block.language == "console":
            return "".join(map(_command, block.text.splitlines()))
        return None

    def _python(self, block: Block) -> str:
        if named := _FILE.match(block.text):
            Path(named[1]).write_text(block.text, encoding="utf-8")
        code = compile("\n" * block.line + block.text, self._name, "exec", dont_inherit=True)
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(code, self._namespace)
        return printed.getvalue()


def _at_its_line(block: Block, before: list[Block]) -> str:
    """The text of a block behind as many empty lines as bring it to its line of the page."""
    end = before[-1].line + before[-1].text.count("\n") if before else 0
    return "\n" * (block.line - end) + block.text


def _command(line: str) -> str:
    """What a line ``$ tracegraph ...`` prints, its errors too; it may fail, as pages show."""
    prompt, program, *arguments = shlex.split(line)
    assert (prompt, program) == ("$", "tracegraph"), line
    return click.testing.CliRunner().invoke(main, arguments, prog_name=program).output
