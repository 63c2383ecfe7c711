"""The kernels of a compiled module, each with its work and the ops that it came from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from compiler.ir.graph import Graph, Operation
from compiler.ir.locations import Frame
from tracegraph.executable.hlo import Instruction, Module
from tracegraph.executable.origins import Origins
from tracegraph.executable.work import Work, work_of

_NO_WORK: Final = frozenset(
    {
        "after-all",
        "bitcast",
        "constant",
        "get-tuple-element",
        "parameter",
        "partition-id",
        "replica-id",
        "opt-barrier",
        "tuple",
    }
)
_COLLECTS: Final = frozenset({"bitcast", "get-tuple-element", "tuple"})
_FLOW: Final = frozenset({"call", "conditional", "while"})
_COPIES: Final = frozenset({"copy", "transpose"})
_MOVES: Final = _NO_WORK | _COPIES | {"broadcast", "iota", "reshape", "convert", "slice"}


@dataclass(frozen=True, slots=True)
class Kernel:
    """One thing that the device runs.

    Attributes:
        name: its name in the module, as profiles show it.
        kind: ``fusion``, or the instruction's own name.
        times: how often it runs in one run of the function, where XLA knows the loops around it.
        read: bytes of its operands, each time.
        written: bytes of its results, each time.
        flops: its arithmetic each time, estimated from the shapes in it.
        transcendentals: exp, log and the like each time, per element.
        ops: the ops of the graph that it computes, in the order in which they stand in it. Where
            ops cannot be told apart, all of them.
        lines: the user's lines that these come from.
        weights: how much of its work each of the ops is; they sum to one.
        is_copy: whether it only moves data and no op of the graph asked for that.
        is_output: whether its result is one of the function's.
    """

    name: str
    kind: str
    times: int
    read: int
    written: int
    flops: int
    transcendentals: int
    ops: tuple[Operation, ...]
    lines: tuple[Frame, ...]
    weights: tuple[float, ...]
    is_copy: bool
    is_output: bool

    @property
    def bytes(self) -> int:
        """All its traffic, each time."""
        return self.read + self.written


@dataclass(frozen=True, slots=True)
class Part:
    """What one instruction inside a kernel computes, and for which ops.

    Attributes:
        kernel: the kernel's name.
        instruction: the instruction.
        ops: the ops that it may have come from.
    """

    kernel: str
    instruction: Instruction
    ops: tuple[Operation, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """The kernels of a module, and the arithmetic in them instruction by instruction."""

    kernels: tuple[Kernel, ...]
    parts: tuple[Part, ...]


def find_kernels(module: Module, graph: Graph) -> Found:
    """The kernels of a module that the graph was compiled to, in the order in which they run."""
    finder = _Finder(module, Origins(graph))
    kernels = tuple(finder.kernels(module.entry, 1, (), is_result=True))
    return Found(kernels, tuple(finder.parts))


class _Finder:
    """Walks through the computations that run."""

    def __init__(self, module: Module, origins: Origins) -> None:
        self._module = module
        self._origins = origins
        self.parts: list[Part] = []

    def kernels(
        self, computation: str, times: int, above: tuple[str, ...], *, is_result: bool
    ) -> Iterator[Kernel]:
        body = self._module.computations.get(computation, ())
        known = {instruction.name: instruction for instruction in body}
        outputs = _results(known) if is_result else frozenset[str]()
        for instruction in body:
            if instruction.opcode in _NO_WORK:
                continue
            if instruction.opcode in _FLOW and computation not in above:
                rounds = instruction.trip_count or 1
                hands_on = instruction.name in outputs and instruction.opcode != "while"
                for _, inner in instruction.called:
                    within = (*above, computation)
                    yield from self.kernels(inner, times * rounds, within, is_result=hands_on)
                continue
            yield self._kernel(instruction, known, times, instruction.name in outputs)

    def _kernel(
        self, instruction: Instruction, known: Mapping[str, Instruction], times: int, output: bool
    ) -> Kernel:
        inside = list(self._inside(instruction, known, 0))
        work = Work()
        efforts: dict[int, float] = {}  # by the tuple of ops, which may be long and is shared
        shared: dict[int, tuple[Operation, ...]] = {}
        for part, context in inside:
            done = work_of(part, context)
            work = work.plus(done)
            ops = self._origins.of(part)
            self.parts.append(Part(instruction.name, part, ops))
            shared[id(ops)] = ops
            efforts[id(ops)] = efforts.get(id(ops), 0.0) + _effort(part, done)
        weights = _weights(efforts, shared)
        whole = sum(weights.values())
        reads = [
            known[name].nbytes for name in dict.fromkeys(instruction.operands) if name in known
        ]
        opcodes = {part.opcode for part, _ in inside}
        return Kernel(
            name=instruction.name,
            kind=instruction.opcode,
            times=times,
            read=sum(reads),
            written=instruction.nbytes,
            flops=work.flops,
            transcendentals=work.transcendentals,
            ops=tuple(weights),
            lines=_lines(weights, inside),
            weights=tuple(weight / whole for weight in weights.values()),
            is_copy=_is_copy(opcodes, weights),
            is_output=output,
        )

    def _inside(
        self, instruction: Instruction, known: Mapping[str, Instruction], depth: int
    ) -> Iterator[tuple[Instruction, Mapping[str, Instruction]]]:
        """The instructions that a kernel is made of, each with those that stand beside it."""
        inner = [name for role, name in instruction.called if role == "calls"]
        if instruction.opcode != "fusion" or not inner or depth > 8:
            yield instruction, known
            return
        for name in inner:
            body = self._module.computations.get(name, ())
            beside = {part.name: part for part in body}
            for part in body:
                if part.opcode not in ("parameter", "constant"):
                    yield from self._inside(part, beside, depth + 1)


def _results(body: Mapping[str, Instruction]) -> frozenset[str]:
    """What a computation hands out, and what that only collects."""
    waiting = [name for name, instruction in body.items() if instruction.is_root]
    found: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in found or name not in body:
            continue
        found.add(name)
        if body[name].opcode in _COLLECTS:
            waiting.extend(body[name].operands)
    return frozenset(found)


def _weights(
    efforts: Mapping[int, float], shared: Mapping[int, tuple[Operation, ...]]
) -> dict[Operation, float]:
    """What each op is of a kernel; ops that cannot be told apart share alike."""
    weights: dict[Operation, float] = {}
    for key, effort in efforts.items():
        ops = shared[key]
        for op in ops:
            weights[op] = weights.get(op, 0.0) + effort / len(ops)
    return weights


def _effort(part: Instruction, done: Work) -> float:
    """What an instruction's part of a kernel is measured by, where all of it is one time."""
    size = part.shapes[0].size if part.shapes else 0
    return 1 + done.flops + 16 * done.transcendentals + size * (part.opcode not in _NO_WORK)


def _lines(
    ops: Mapping[Operation, float], inside: Sequence[tuple[Instruction, object]]
) -> tuple[Frame, ...]:
    """The lines of the ops; of the instructions themselves where no op is known."""
    frames = [op.location.frame for op in ops]
    found = tuple(dict.fromkeys(frame for frame in frames if frame is not None))
    if found or ops:
        return found
    places = [(part.file, part.line) for part, _ in inside if part.file]
    return tuple(Frame(file, line, "") for file, line in dict.fromkeys(places))


def _is_copy(opcodes: set[str], ops: Mapping[Operation, float]) -> bool:
    moved = bool(opcodes & _COPIES) and opcodes <= _MOVES
    return moved and not any(op.name in ("copy", "copy_p", "transpose") for op in ops)
