"""What tuning may choose between, the choice made, and where it is kept."""

# JAX annotates its functions in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, cast

import jax

from compiler.ir.files import write_whole
from compiler.ir.graph import Graph
from compiler.ir.printer import print_graph
from compiler.ir.walk import walk
from compiler.lowering.code_generator import ELEMENT_BY_ELEMENT, Option
from compiler.lowering.kernels import KERNELS
from compiler.passes.base import Pass
from compiler.passes.lower_platform import LowerPlatform
from compiler.passes.pipeline import Pipeline, Repeat
from compiler.passes.rewrite import Rewrite
from compiler.passes.spread import SpreadDots
from compiler.passes.tile import RULE, TileRows
from compiler.passes.unroll import Unroll
from compiler.rules import all_rules
from compiler.rules.registered import registered
from compiler.rules.scan_columns import RULE as COLUMNS
from tracegraph import config
from tracegraph.program import Program

FACTORS: Final = (2, 4, 8)
"""The unroll factors that are tried."""

COMPILER_OPTIONS: Final[Mapping[str, tuple[Option, ...]]] = {
    "cpu": (
        ("xla_cpu_experimental_ynn_fusion_type", ""),
        ELEMENT_BY_ELEMENT,
        ("xla_cpu_scheduler_type", "CPU_SCHEDULER_TYPE_MEMORY_OPTIMIZED"),
    ),
}
"""Options that are tried, by platform: XLA's other ways to make loops, to call its libraries, and
to order what a program does, so that less of it is kept at once.

One that the installed jaxlib does not know is no alternative.
"""

_VERSIONS: Final = ("jax", "jaxlib", "tracegraph")


@dataclass(frozen=True, slots=True)
class Choice:
    """How a pipeline departs from what its table and cost model say.

    Attributes:
        skipped: rules and kernels that are left out, by name.
        unroll: how many steps of a scan run at once.
        spread: whether the products of a scan are taken apart for several cores.
        options: what XLA is told, by name.
    """

    skipped: tuple[str, ...] = ()
    unroll: int = 1
    spread: bool = False
    options: tuple[Option, ...] = ()

    def applied(self, pipeline: Pipeline) -> Pipeline:
        """The pipeline that keeps to the choice."""
        changed = _skipping(pipeline, self.skipped)
        more: list[Pass] = list(_spreading(pipeline)) if self.spread else []
        more += [Unroll(self.unroll)] if self.unroll > 1 else []
        steps = changed.steps
        kernels = [i for i, step in enumerate(steps) if isinstance(step, LowerPlatform)]
        place = kernels[0] if kernels else len(changed.split()[0].steps)
        return Pipeline((*steps[:place], *more, *steps[place:]))

    def __str__(self) -> str:
        parts = [f"without {name}" for name in self.skipped]
        parts += [f"scans unrolled by {self.unroll}"] if self.unroll > 1 else []
        parts += ["products of scans on several cores"] if self.spread else []
        parts += [f"{name}={value!r}" for name, value in self.options]
        return ", ".join(parts) or "as the tables and the cost model say"


def alternatives(program: Program) -> Iterator[Choice]:
    """Single departures worth timing: each kernel and rule that fired left out, and unroll factors.

    XLA's options come first, then what several cores may gain by, kernels, and the rules.
    """
    for option in COMPILER_OPTIONS.get(jax.default_backend(), ()):
        yield Choice(options=(option,))
    if jax.default_backend() == "cpu" and cores() > 1:
        graph = program.unmarked.graph
        found = any(step.applies_to(graph) for step in _spreading(program.pipeline))
        yield from [Choice(spread=True)] * found
    fired = list(dict.fromkeys(firing.rule for firing in program.rewrites))
    for name in sorted(fired, key=lambda name: name not in (*KERNELS, RULE)):
        yield Choice((name,))
    for factor in FACTORS:
        if any(Unroll(factor).applies_to(op) for op in walk(program.captured)):
            yield Choice(unroll=factor)


def joined(choice: Choice, other: Choice) -> Choice:
    """Both departures at once; the other's unroll factor wins."""
    skipped = tuple(dict.fromkeys((*choice.skipped, *other.skipped)))
    options = tuple({**dict(choice.options), **dict(other.options)}.items())
    unroll = other.unroll if other.unroll > 1 else choice.unroll
    return Choice(skipped, unroll, choice.spread or other.spread, options)


def cores() -> int:
    """How many cores the process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _spreading(pipeline: Pipeline) -> tuple[SpreadDots, ...]:
    """The pass at the level of a pipeline's kernels or rules; none where it says nothing of one."""
    levels = [s.numerics for s in pipeline.passes() if isinstance(s, LowerPlatform | Rewrite)]
    return tuple(map(SpreadDots, levels[-1:]))


def _skipping(pipeline: Pipeline, names: tuple[str, ...]) -> Pipeline:
    return Pipeline(tuple(_step(step, names) for step in pipeline.steps))


def _step(step: Pass | Repeat, names: tuple[str, ...]) -> Pass | Repeat:
    if isinstance(step, Repeat):
        return replace(step, body=_skipping(step.body, names))
    if isinstance(step, LowerPlatform):
        return replace(step, skip=_joined(step.skip, [n for n in names if n in KERNELS]))
    if isinstance(step, TileRows) and RULE in names:
        return replace(step, rows=0)
    if isinstance(step, SpreadDots) and COLUMNS.name in names:
        return replace(step, numerics="exact")
    if isinstance(step, Rewrite):
        extra = tuple(rule for rule in step.extra if rule.name not in names)
        return replace(
            step, skip=_joined(step.skip, [n for n in names if n in _rules()]), extra=extra
        )
    return step


def _rules() -> frozenset[str]:
    """The names of the rules that there are now: a choice from disk may name others."""
    return frozenset([*all_rules(), *(rule.name for rule in registered())])


def _joined(skip: str, names: list[str]) -> str:
    return "+".join([*([skip] if skip else []), *names])


class Store:
    """Choices on disk: one small file each, whole or not there.

    A file that is damaged, or of another program, counts as not there.

    Args:
        folder: where they are kept; None for the cache folder of the user.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder

    def find(self, key: str) -> Choice | None:
        """The choice made before under that key, if there is one."""
        try:
            data: Any = json.loads(self._file(key).read_text(encoding="utf-8"))
            return _read(cast("Mapping[str, Any]", data), key)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def keep(self, key: str, choice: Choice) -> None:
        """Writes a choice; a folder that cannot be written to is no error."""
        data = json.dumps({"key": key, **asdict(choice)}, indent=1)
        try:
            file = self._file(key)
            file.parent.mkdir(parents=True, exist_ok=True)
            write_whole(file, data)
        except OSError:
            return

    def _file(self, key: str) -> Path:
        folder = config.cache_directory() / "autotune" if self._folder is None else self._folder
        return config.expanded(folder) / f"{key}.json"


def _read(data: Mapping[str, Any], key: str) -> Choice | None:
    skipped, unroll, options = data["skipped"], data["unroll"], data["options"]
    right = isinstance(skipped, list) and isinstance(unroll, int) and unroll >= 1
    spread = data["spread"] is True
    if data["key"] != key or not right:
        return None
    known = {option for options in COMPILER_OPTIONS.values() for option in options}
    kept = tuple(option for option in map(tuple, options) if option in known)
    return Choice(tuple(map(str, cast("list[object]", skipped))), unroll, spread, kept)


def key_of(graph: Graph, pipeline: Pipeline, said: Mapping[str, Any]) -> str:
    """Agrees for the same graph, pipeline, options to XLA, device and versions only."""
    rewrites = [step for step in pipeline.passes() if isinstance(step, Rewrite)]
    rules = [rule.name for step in rewrites for rule in step.extra]
    device: Any = jax.devices()[0]
    parts = [
        print_graph(graph),
        str(pipeline),
        *rules,
        str(sorted(said.items())),
        jax.default_backend(),
        str(device.device_kind),
        platform.machine(),
        platform.processor(),
        str(cores()),
        str(COMPILER_OPTIONS),
        *(f"{name} {version(name)}" for name in _VERSIONS),
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]
