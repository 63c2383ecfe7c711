"""The arithmetic of a compiled module's instructions, estimated from their shapes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import prod
from typing import Final, NamedTuple

from tracegraph.executable.hlo import Instruction

_ARITHMETIC: Final = frozenset(
    {
        "abs",
        "add",
        "and",
        "atan2",
        "ceil",
        "clamp",
        "compare",
        "complex",
        "divide",
        "floor",
        "maximum",
        "minimum",
        "multiply",
        "negate",
        "not",
        "or",
        "popcnt",
        "power",
        "remainder",
        "round-nearest-afz",
        "round-nearest-even",
        "select",
        "shift-left",
        "shift-right-arithmetic",
        "shift-right-logical",
        "sign",
        "subtract",
        "xor",
        "is-finite",
    }
)
_TRANSCENDENTAL: Final = frozenset(
    {
        "cbrt",
        "cosine",
        "erf",
        "exponential",
        "exponential-minus-one",
        "log",
        "log-plus-one",
        "logistic",
        "power",
        "rsqrt",
        "sine",
        "sqrt",
        "tan",
        "tanh",
    }
)
_CONTRACTED: Final = re.compile(r"lhs_contracting_dims=\{([\d,]*)\}")
_LABELS: Final = re.compile(r"dim_labels=\w+_(\w+)->\w+")


class Work(NamedTuple):
    """Arithmetic: FLOPs and transcendentals."""

    flops: int = 0
    transcendentals: int = 0

    def plus(self, other: Work) -> Work:
        """The sum of both."""
        return Work(self.flops + other.flops, self.transcendentals + other.transcendentals)


def work_of(instruction: Instruction, known: Mapping[str, Instruction]) -> Work:
    """The arithmetic of one instruction without what it calls; ``known`` holds its operands."""
    size = instruction.shapes[0].size if instruction.shapes else 0
    if instruction.opcode in _TRANSCENDENTAL:
        return Work(0, size)
    if instruction.opcode in _ARITHMETIC:
        return Work(size)
    sizes = [_dims(name, known) for name in instruction.operands]
    if instruction.opcode in ("reduce", "reduce-window"):
        return Work(max(prod(sizes[0]) - size, 0) if sizes else 0)
    if instruction.opcode == "dot" and sizes:
        return Work(2 * size * _contracted(instruction, sizes[0]))
    if instruction.opcode == "convolution" and len(sizes) > 1:
        return Work(2 * size * _kernel(instruction, sizes[1]))
    return Work()


def _dims(name: str, known: Mapping[str, Instruction]) -> tuple[int, ...]:
    found = known.get(name)
    return found.shapes[0].dims if found is not None and found.shapes else ()


def _contracted(instruction: Instruction, left: tuple[int, ...]) -> int:
    found = _CONTRACTED.search(instruction.text)
    places = [int(place) for place in found[1].split(",") if place] if found else []
    return prod(left[place] for place in places if place < len(left))


def _kernel(instruction: Instruction, kernel: tuple[int, ...]) -> int:
    """The elements of the kernel for one output feature."""
    found = _LABELS.search(instruction.text)
    place = found[1].find("o") if found else -1
    return prod(size for axis, size in enumerate(kernel) if axis != place)
