"""Pipelines: immutable, and the same thing as their text.

The grammar::

    pipeline := step ("," step)*
    step     := NAME options? | "repeat" options? "(" pipeline ")"
    options  := "{" NAME "=" VALUE ("," NAME "=" VALUE)* "}"
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NoReturn

from compiler.ir.errors import TracegraphError
from compiler.passes.base import Pass
from compiler.passes.registry import make_pass

DEFAULT_PIPELINE: Final = (
    "inline,cse,dce,canonicalize,repeat{max=4}(fold-constants,canonicalize,cse,dce,rewrite),"
    "tile-rows,lower-platform,fuse"
)
MAX_NESTING: Final = 16

_TOKEN: Final = re.compile(r"\s*(?:([A-Za-z_][A-Za-z0-9_+-]*)|(-?\d+)|([{}(),=]))")


@dataclass(frozen=True, slots=True)
class Repeat:
    """Runs its body again until nothing changes, at most ``max`` times."""

    body: Pipeline
    max: int = 4

    def __str__(self) -> str:
        return f"repeat{{max={self.max}}}({self.body})"


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Steps to run one after the other."""

    steps: tuple[Pass | Repeat, ...] = ()

    def passes(self) -> Iterator[Pass]:
        """Every pass that it names, those that are repeated too, in order."""
        for step in self.steps:
            if isinstance(step, Repeat):
                yield from step.body.passes()
            else:
                yield step

    def split(self) -> tuple[Pipeline, Pipeline]:
        """What decides the program that comes out, and the passes at the end that only mark it."""
        count = len(self.steps)
        while count and isinstance(last := self.steps[count - 1], Pass) and last.only_marks:
            count -= 1
        return Pipeline(self.steps[:count]), Pipeline(self.steps[count:])

    def __str__(self) -> str:
        return ",".join(map(str, self.steps))


def parse_pipeline(text: str) -> Pipeline:
    """The pipeline of a text; the empty text is the empty pipeline.

    Raises:
        TracegraphError: the text is no pipeline, or names a pass or an option that does not exist.
    """
    return _Parser(text).parse()


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.start = 0

    def parse(self) -> Pipeline:
        if not self.text.strip():
            return Pipeline()
        pipeline = self._pipeline(0)
        if self._peek():
            self._fail("a comma or the end", self._peek())
        return pipeline

    def _pipeline(self, depth: int) -> Pipeline:
        if depth > MAX_NESTING:
            self._fail(f"at most {MAX_NESTING} levels of repeat", "more")
        steps = [self._step(depth)]
        while self._take(","):
            steps.append(self._step(depth))
        return Pipeline(tuple(steps))

    def _step(self, depth: int) -> Pass | Repeat:
        name = self._word("the name of a pass")
        start = self.start
        options = self._options() if self._take("{") else {}
        if name == "repeat":
            return self._repeat(options, depth)
        return make_pass(name, options, where=self._where(start))

    def _repeat(self, options: dict[str, str], depth: int) -> Repeat:
        maximum = options.pop("max", "4")
        if options or not maximum.isdigit() or int(maximum) < 1:
            self._fail("repeat{max=N}(...) with N at least 1", f"max={maximum}")
        self._expect("(")
        body = self._pipeline(depth + 1)
        self._expect(")")
        return Repeat(body, int(maximum))

    def _options(self) -> dict[str, str]:
        options: dict[str, str] = {}
        while True:
            key = self._word("the name of an option")
            self._expect("=")
            options[key] = self._word("a value")
            if self._take("}"):
                return options
            self._expect(",")

    def _peek(self) -> str:
        match = _TOKEN.match(self.text, self.position)
        if match:
            self.start = match.start(match.lastindex or 0)
            return match.group().strip()
        self.start = len(self.text) - len(self.text[self.position :].lstrip())
        return self.text[self.start : self.start + 1]

    def _take(self, token: str) -> bool:
        if self._peek() != token:
            return False
        self.position = self.start + len(token)
        return True

    def _expect(self, token: str) -> None:
        if not self._take(token):
            self._fail(repr(token), self._peek())

    def _word(self, expected: str) -> str:
        token = self._peek()
        if not token or not (token[0].isalnum() or token[0] in "-_"):
            self._fail(expected, token)
        self.position = self.start + len(token)
        return token

    def _where(self, start: int) -> str:
        return f"column {start + 1}\n{self.text}\n{' ' * start}^"

    def _fail(self, expected: str, found: str) -> NoReturn:
        raise TracegraphError(
            "this pipeline does not parse",
            where=self._where(self.start),
            expected=expected,
            found=repr(found) if found else "the end of the text",
            hint=f"write it like the default one: {DEFAULT_PIPELINE}",
        )
