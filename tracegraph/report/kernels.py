"""The kernels that XLA made, as a report shows them: rows of name, ops, lines, bytes and FLOPs.

This is the one place where they come in. It reads the text of a compiled module lightly: what it
does not know it leaves out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any, Final

from compiler.ir.types import dtype_from_name

_COMPUTATION: Final = re.compile(r"^(ENTRY )?%?([\w.$-]+) \(.*\) -> .*\{$")
_INSTRUCTION: Final = re.compile(r"^\s+(?:ROOT )?%?([\w.$-]+) = (\(.*?\)|\S+) ([\w-]+)\((.*)$")
_CALLED: Final = re.compile(r"(?:calls|to_apply|body|condition)=%?([\w.$-]+)")
_OP_NAME: Final = re.compile(r'op_name="((?:[^"\\]|\\.)*)"')
_OPERAND: Final = re.compile(r"%([\w.$-]+)")
_SHAPE: Final = re.compile(r"([a-z]+\d*\w*)\[([\d,]*)\]")
_SOURCE: Final = re.compile(r'source_file="([^"]*)".*?source_line=(\d+)')
_STACK: Final = re.compile(r"stack_frame_id=(\d+)")
_ROW: Final = re.compile(r"^(\d+) (.*)$")
_FIELD: Final = re.compile(r"(\w+)=(\d+)")

_NO_KERNELS: Final = frozenset(
    {"parameter", "constant", "tuple", "get-tuple-element", "bitcast", "after-all", "iota"}
)
_ENTERED: Final = frozenset({"while", "call", "conditional"})
_DTYPES: Final = {"pred": "bool", "s": "i", "u": "u"}


@dataclass(slots=True)
class _Instruction:
    name: str
    type: str
    opcode: str
    rest: str
    line: tuple[tuple[str, int], ...] = ()

    @property
    def called(self) -> list[str]:
        return _CALLED.findall(self.rest)

    @property
    def op_name(self) -> str:
        found = _OP_NAME.search(self.rest)
        return found[1] if found else ""


@dataclass(slots=True)
class _Module:
    """A compiled module: its computations, and the lines behind each number of a stack frame."""

    entry: str = ""
    computations: dict[str, list[_Instruction]] = field(
        default_factory=dict[str, "list[_Instruction]"]
    )
    frames: dict[int, tuple[tuple[str, int], ...]] = field(
        default_factory=dict[int, "tuple[tuple[str, int], ...]"]
    )


def xla_kernels(compiled: str) -> list[dict[str, Any]]:
    """The kernels of a compiled module, in the order of its schedule.

    Args:
        compiled: the module's text, as ``compiled.as_text()`` gives it.

    Returns:
        for each kernel its ``name``; ``ops``, JAX's names of the ops in it; ``lines``, pairs of
        file and line, from the inner to the outer; the ``bytes`` that it reads and writes; its
        ``flops``, None where they are not known.
    """
    module = _parse(compiled)
    return list(_kernels(module, module.entry, frozenset()))


def _kernels(module: _Module, name: str, above: frozenset[str]) -> Iterator[dict[str, Any]]:
    instructions = module.computations.get(name, [])
    sizes = {one.name: _nbytes(one.type) for one in instructions}
    for one in instructions:
        if one.opcode in _NO_KERNELS:
            continue
        if one.opcode in _ENTERED and name not in above:
            for called in one.called:
                yield from _kernels(module, called, above | {name})
            continue
        inside = [one, *_inside(module, one)]
        operands = one.rest.partition("), ")[0]
        yield {
            "name": one.name,
            "ops": list(dict.fromkeys(other.op_name for other in inside if other.op_name)),
            "lines": list(dict.fromkeys(line for other in inside for line in other.line)),
            "bytes": sizes[one.name] + sum(sizes.get(n, 0) for n in _OPERAND.findall(operands)),
            "flops": None,
        }


def _inside(module: _Module, one: _Instruction) -> Iterator[_Instruction]:
    """The instructions of all computations that one calls."""
    pending, seen = list(one.called), set[str]()
    while pending:
        name = pending.pop()
        if name in seen:
            continue
        seen.add(name)
        for inner in module.computations.get(name, []):
            yield inner
            pending += inner.called


def _parse(text: str) -> _Module:
    module, current = _Module(), list[_Instruction]()
    tables: dict[str, dict[int, str]] = {}
    rows: dict[int, str] = {}
    for line in text.splitlines():
        if line.isalpha():  # FileNames, FileLocations, StackFrames
            rows = tables.setdefault(line, {})
        elif opened := _COMPUTATION.match(line):
            current = module.computations.setdefault(opened[2], [])
            module.entry = opened[2] if opened[1] else module.entry
            module.frames = module.frames or _frames(tables)
        elif found := _INSTRUCTION.match(line):
            one = _Instruction(found[1], found[2], found[3], found[4])
            one.line = _lines(one.rest, module.frames)
            current.append(one)
        elif row := _ROW.match(line):
            rows[int(row[1])] = row[2]
    return module


def _lines(text: str, frames: Mapping[int, tuple[tuple[str, int], ...]]) -> Any:
    direct, stack = _SOURCE.search(text), _STACK.search(text)
    if direct:
        return ((direct[1], int(direct[2])),)
    return frames.get(int(stack[1]), ()) if stack else ()


def _frames(tables: Mapping[str, Mapping[int, str]]) -> dict[int, tuple[tuple[str, int], ...]]:
    """The lines of each stack frame, from the inner to the outer."""
    files = {n: text.strip('"') for n, text in tables.get("FileNames", {}).items()}
    places = {n: _fields(text) for n, text in tables.get("FileLocations", {}).items()}
    stacks = {n: _fields(text) for n, text in tables.get("StackFrames", {}).items()}
    found: dict[int, tuple[tuple[str, int], ...]] = {}
    for number, frame in stacks.items():
        place = places.get(frame.get("file_location_id", 0), {})
        here = (files.get(place.get("file_name_id", 0), ""), place.get("line", 0))
        # A frame's parent is numbered from one more than its own number: 1 is none.
        found[number] = (here, *found.get(frame.get("parent_frame_id", 1) - 1, ()))
    return found


def _fields(text: str) -> dict[str, int]:
    return {name: int(value) for name, value in _FIELD.findall(text)}


def _nbytes(type: str) -> int:
    shapes: list[tuple[str, str]] = _SHAPE.findall(type)
    return sum(
        _itemsize(name) * prod(int(d) for d in dims.split(",") if d) for name, dims in shapes
    )


def _itemsize(name: str) -> int:
    short = _DTYPES.get(name) or re.sub("^s(?=\\d)", "i", name)
    try:
        dtype = dtype_from_name(short)
    except (KeyError, ValueError):
        return 0
    return dtype.itemsize
