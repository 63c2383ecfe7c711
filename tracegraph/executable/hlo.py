"""Reads the text of a compiled module: its computations, instructions and their metadata.

Serves the two ways in which XLA writes where an instruction is from: file and line in its metadata
(jaxlib 0.7), and a number in a table of stack frames at the head of the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

_COMPUTATION: Final = re.compile(
    r"(ENTRY )?%?([\w.\-]+) (?:\(.*)?-> .*\{$|(ENTRY )?%?([\w.\-]+) \{$"
)
_HEAD: Final = re.compile(r"\s+(ROOT )?%?([\w.\-]+) = ")
_OPCODE: Final = re.compile(r"\s*([\w\-]+)\(")
_ARRAY: Final = re.compile(r"\b([a-z]+\d*\w*)\[([^\]]*)\](?:\{([\d,]*))?")
_NAME: Final = re.compile(r"%([\w.\-]+)")
_CALLED: Final = re.compile(
    r"\b(calls|to_apply|condition|body|true_computation|false_computation)=%?([\w.\-]+)"
)
_LISTED: Final = re.compile(r"\b(?:branch_computations|called_computations)=\{([^}]*)\}")
_OP_NAME: Final = re.compile(r'op_name="((?:[^"\\]|\\.)*)"')
_FILE: Final = re.compile(r'source_file="((?:[^"\\]|\\.)*)"')
_LINE: Final = re.compile(r"source_line=(\d+)")
_FRAME: Final = re.compile(r"stack_frame_id=(\d+)")
_TRIPS: Final = re.compile(r'"known_trip_count":\{"n":"(\d+)"')
_ENTRY_LINE: Final = re.compile(r"(\d+) (.*)$")
_FIELD: Final = re.compile(r"(\w+)=(\d+)")
_BITS: Final = re.compile(r"[a-z]+(\d+)")
_TABLES: Final = ("FileNames", "FunctionNames", "FileLocations", "StackFrames")


class Shape(NamedTuple):
    """An array of a module: its element type, its sizes, and its layout as written."""

    dtype: str
    dims: tuple[int, ...]
    layout: str = ""

    @property
    def size(self) -> int:
        """Its elements."""
        size = 1
        for dim in self.dims:
            size *= dim
        return size

    @property
    def nbytes(self) -> int:
        """Its bytes, sub-byte types rounded up."""
        bits = _BITS.match(self.dtype)
        width = int(bits[1]) if bits else 8 if self.dtype == "pred" else 0
        return self.size * -(-width // 8)


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction.

    Attributes:
        name: its name in the module.
        opcode: what it does, such as ``fusion`` or ``dot``.
        shapes: the arrays that it makes.
        operands: the names of the instructions that it reads.
        called: the computations that it runs, by what they are to it.
        path: the name stack and primitive that JAX gave it, joined by slashes; may be empty.
        file: the line that it is from; empty if XLA kept none.
        line: the number of that line.
        text: the attributes as they are written.
        is_root: whether it is its computation's result.
    """

    name: str
    opcode: str
    shapes: tuple[Shape, ...]
    operands: tuple[str, ...]
    called: tuple[tuple[str, str], ...]
    path: str
    file: str
    line: int
    text: str
    is_root: bool

    @property
    def nbytes(self) -> int:
        """The bytes that it makes."""
        return sum(shape.nbytes for shape in self.shapes)

    @property
    def trip_count(self) -> int | None:
        """How often a loop runs; None if XLA does not know."""
        found = _TRIPS.search(self.text)
        return int(found[1]) if found else None


@dataclass(frozen=True, slots=True)
class Module:
    """A compiled module.

    Attributes:
        name: what XLA calls it.
        entry: the name of the computation that runs first.
        computations: the instructions of each computation, by name.
    """

    name: str
    entry: str
    computations: dict[str, tuple[Instruction, ...]]


class _Place(NamedTuple):
    file: str = ""
    line: int = 0


@dataclass(slots=True)
class _Reader:
    """What has been read so far."""

    entry: str = ""
    table: str = ""
    rows: dict[str, dict[int, str]] = field(default_factory=dict[str, dict[int, str]])
    computations: dict[str, list[Instruction]] = field(default_factory=dict[str, list[Instruction]])
    current: list[Instruction] | None = None

    def line(self, text: str) -> None:
        """Reads one line."""
        if text in _TABLES:
            self.table = text
            self.rows[text] = {}
        elif self.table and (entry := _ENTRY_LINE.match(text)):
            self.rows[self.table][int(entry[1])] = entry[2]
        elif opened := _COMPUTATION.match(text):
            self.table = ""
            name = opened[2] or opened[4]
            self.current = self.computations.setdefault(name, [])
            self.entry = name if opened[1] or opened[3] else self.entry
        elif self.current is not None and (head := _HEAD.match(text)):
            self.current.append(self._instruction(head, text))

    def _instruction(self, head: re.Match[str], text: str) -> Instruction:
        shape, rest = _split_shape(text[head.end() :])
        opcode = _OPCODE.match(rest)
        if opcode is None:
            return Instruction(head[2], "", (), (), (), "", "", 0, rest, bool(head[1]))
        end = _closing(rest, opcode.end() - 1)
        attributes = rest[end + 1 :]
        place = self._place(attributes)
        path = _OP_NAME.search(attributes)
        return Instruction(
            head[2],
            opcode[1],
            tuple(_shapes(shape)),
            tuple(_NAME.findall(rest[opcode.end() : end])),
            tuple(_called(attributes)),
            path[1] if path else "",
            place.file,
            place.line,
            attributes,
            bool(head[1]),
        )

    def _place(self, attributes: str) -> _Place:
        file, line = _FILE.search(attributes), _LINE.search(attributes)
        if file and line:
            return _Place(file[1], int(line[1]))
        frame = _FRAME.search(attributes)
        return self._frame(int(frame[1])) if frame else _Place()

    def _frame(self, number: int) -> _Place:
        frame = _fields(self.rows.get("StackFrames", {}).get(number, ""))
        place = frame.get("file_location_id", 0)
        where = _fields(self.rows.get("FileLocations", {}).get(place, ""))
        name = self.rows.get("FileNames", {}).get(where.get("file_name_id", 0), "")
        return _Place(name.strip('"'), where.get("line", 0)) if name else _Place()


def parse_module(text: str) -> Module:
    """The module that ``compiled.as_text()`` shows; what cannot be read is left out."""
    reader = _Reader()
    for line in text.splitlines():
        reader.line(line)
    first = re.match(r"HloModule ([\w.\-]+)", text)
    found = {name: tuple(body) for name, body in reader.computations.items()}
    return Module(first[1] if first else "", reader.entry, found)


def _fields(text: str) -> dict[str, int]:
    return {name: int(number) for name, number in _FIELD.findall(text)}


def _split_shape(text: str) -> tuple[str, str]:
    if text.startswith("("):
        end = _closing(text, 0) + 1
        return text[:end], text[end:]
    shape, _, rest = text.partition(" ")
    return shape, rest


def _closing(text: str, opening: int) -> int:
    """The place of the bracket that closes the one at a place."""
    depth = 0
    for place in range(opening, len(text)):
        depth += (text[place] == "(") - (text[place] == ")")
        if depth == 0:
            return place
    return len(text) - 1


def _shapes(text: str) -> Iterator[Shape]:
    for dtype, dims, layout in _ARRAY.findall(text):
        sizes = [size.removeprefix("<=") for size in dims.split(",") if size]
        yield Shape(dtype, tuple(int(size) for size in sizes if size.isdecimal()), layout)


def _called(text: str) -> Iterator[tuple[str, str]]:
    yield from _CALLED.findall(text)
    for listed in _LISTED.findall(text):
        for name in listed.split(","):
            yield "branch", name.strip().removeprefix("%")
