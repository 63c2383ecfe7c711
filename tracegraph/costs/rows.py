"""The rows of a cost report: one for each op, and their sums by line and by module."""

from __future__ import annotations

import linecache
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeVar

from compiler.analysis.cost import Cost, cost_of, total
from compiler.analysis.occurrences import Runs, occurrences
from compiler.ir.graph import CONSTANT, Graph, Operation, Value
from compiler.ir.locations import Frame
from compiler.ir.types import ArrayType
from compiler.ops.definition import UNKNOWN, lookup
from compiler.rewrite.driver import score
from tracegraph.costs.devices import DeviceSpec
from tracegraph.costs.modules import module_of

COMPUTE: Final = "compute"
MEMORY: Final = "memory"
Key = TypeVar("Key")
_WORD: Final = re.compile(r"\w+")


class Floor(NamedTuple):
    """The least time that work can take on a device.

    Attributes:
        seconds: the time.
        bound: what it is that takes so long: ``"compute"`` or ``"memory"``; empty for no work.
    """

    seconds: float
    bound: str


@dataclass(frozen=True, slots=True)
class OpCost:
    """What one op of the graph costs in one run of the function.

    Attributes:
        op: the op.
        name: the primitive's name.
        result: the type of its first result, as text.
        frame: the user's line; None where that is not known.
        module: the scopes around it, joined by slashes.
        times: how often it runs.
        counted: whether that is known; else it is counted as if its loop ran once.
        cost: the cost of all its runs.
        share: its part of the whole: of the floor times where there is a device, else of a score in
            which bytes and transcendentals are counted as FLOPs.
        floor: the least time it takes on the device, as if nothing were fused; None without one.
    """

    op: Operation
    name: str
    result: str
    frame: Frame | None
    module: str
    times: int
    counted: bool
    cost: Cost
    share: float
    floor: Floor | None


@dataclass(frozen=True, slots=True)
class LineCost:
    """What one line of the user's code costs.

    Attributes:
        file: the file; empty for ops that no line is known of.
        line: the line.
        function: the function that it stands in.
        source: the line's text, where it can be read.
        ops: how many ops stand on it.
        cost: their cost.
        share: their part of the whole.
        seconds: the sum of their floor times; 0 without a device.
    """

    file: str
    line: int
    function: str
    source: str
    ops: int
    cost: Cost
    share: float
    seconds: float


@dataclass(frozen=True, slots=True)
class ModuleCost:
    """What one module costs, without the modules inside it.

    Attributes:
        name: its scopes, joined by slashes; empty for what stands in none.
        parameters: elements of the graph's inputs whose names speak of it, as those that flax gives
            do; where no module is named, of all floating-point inputs.
        ops: how many ops it has.
        cost: their cost.
        share: their part of the whole.
        seconds: the sum of their floor times; 0 without a device.
    """

    name: str
    parameters: int
    ops: int
    cost: Cost
    share: float
    seconds: float


def is_opaque(op: Operation) -> bool:
    """Whether only XLA can look into an op: its bytes are known and its arithmetic is not."""
    return not (op.regions or op.is_terminator) and lookup(op.name) is UNKNOWN


def op_rows(graph: Graph, device: DeviceSpec | None) -> tuple[OpCost, ...]:
    """A row for every op without regions, in the order of the text; constants have none."""
    found = [
        (op, runs, cost_of(op) * runs.times)
        for region, runs in occurrences(graph).items()
        for op in region
        if not (op.regions or op.is_terminator or op.name == CONSTANT)
    ]
    floors = [None if device is None else floor(op, cost, device) for op, _, cost in found]
    weights = [
        score(cost) if floor is None else floor.seconds
        for (_, _, cost), floor in zip(found, floors, strict=True)
    ]
    whole = sum(weights)
    shares = [weight / whole if whole else 0.0 for weight in weights]
    return tuple(
        _row(op, runs, cost, share, floor)
        for (op, runs, cost), share, floor in zip(found, shares, floors, strict=True)
    )


def floor(op: Operation, cost: Cost, device: DeviceSpec) -> Floor:
    """The least time of an op: its arithmetic at the peak, or its traffic at full bandwidth.

    A transcendental counts as one FLOP here, so that the floor stays one.
    """
    arrays = [value.type for value in (*op.operands, *op.results) if _is_array(value)]
    dtypes = [type.dtype for type in arrays if isinstance(type, ArrayType)]
    peak = min((device.peak(dtype) for dtype in dtypes), default=max(device.peaks.values()))
    computing = (cost.flops + cost.transcendentals) / peak
    moving = cost.bytes / device.bandwidth
    if not (computing or moving):
        return Floor(0.0, "")
    return Floor(computing, COMPUTE) if computing >= moving else Floor(moving, MEMORY)


def _is_array(value: Value) -> bool:
    return isinstance(value.type, ArrayType) and value.type.size > 1


def _row(op: Operation, runs: Runs, cost: Cost, share: float, floor: Floor | None) -> OpCost:
    result = str(op.results[0].type) if op.results else ""
    exact = cost if runs.known else cost.estimated()
    frame = op.location.frame
    place = module_of(op)
    return OpCost(op, op.name, result, frame, place, runs.times, runs.known, exact, share, floor)


def line_rows(rows: Sequence[OpCost]) -> tuple[LineCost, ...]:
    """The rows by line, the heaviest first."""
    groups = _grouped(rows, lambda row: (row.frame.file, row.frame.line) if row.frame else ("", 0))
    lines = [_line(file, line, group) for (file, line), group in groups.items()]
    return tuple(sorted(lines, key=lambda line: -line.share))


def _line(file: str, line: int, group: Sequence[OpCost]) -> LineCost:
    frame = group[0].frame
    source = linecache.getline(file, line).strip() if file else ""
    function = frame.function if frame else ""
    return LineCost(file, line, function, source, len(group), *_sums(group))


def module_rows(graph: Graph, rows: Sequence[OpCost]) -> tuple[ModuleCost, ...]:
    """The rows by module, in the order in which they first run."""
    groups = _grouped(rows, lambda row: row.module)
    held = _parameters(graph, list(groups))
    return tuple(
        ModuleCost(name, held.get(name, 0), len(group), *_sums(group))
        for name, group in groups.items()
    )


def _sums(group: Iterable[OpCost]) -> tuple[Cost, float, float]:
    rows = list(group)
    spent = sum(row.floor.seconds for row in rows if row.floor is not None)
    return total(row.cost for row in rows), sum(row.share for row in rows), spent


def _grouped(rows: Sequence[OpCost], key: Callable[[OpCost], Key]) -> dict[Key, list[OpCost]]:
    groups: dict[Key, list[OpCost]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return groups


def _parameters(graph: Graph, modules: Sequence[str]) -> dict[str, int]:
    """The elements of the inputs that each module holds.

    A library names its arrays by its modules: the module whose scopes an array's name ends with,
    the array's own word left out, holds it.
    """
    named = sorted((name for name in modules if name), key=len, reverse=True)
    held: dict[str, int] = {}
    for value in graph.parameters:
        if not (isinstance(value.type, ArrayType) and _is_floating(value.type)):
            continue
        owner = next((name for name in named if _speaks_of(value.hint, name)), "")
        if owner or not named:
            held[owner] = held.get(owner, 0) + value.type.size
    return held


def _speaks_of(hint: str, module: str) -> bool:
    # ``Block_0/Dense_1`` and ``params['Block_0']['Dense_1']['kernel']``; the outermost module has
    # no part in the names of its arrays.
    scopes = module.split("/")
    words = "/".join(["", *_WORD.findall(hint), ""])
    inner = [scopes, scopes[1:]] if len(scopes) > 1 else [scopes]
    return any(f"/{'/'.join(names)}/" in words for names in inner)


def _is_floating(type: ArrayType) -> bool:
    kind = getattr(type.dtype, "kind", "")
    return kind in ("f", "c", "V")
