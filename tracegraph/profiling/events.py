"""Reads what JAX's profiler wrote: how long each kernel of a module ran."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

_MICROSECONDS: Final = 1e6


@dataclass(frozen=True, slots=True)
class Event:
    """One run of one instruction on a device.

    Attributes:
        module: the compiled module.
        name: the instruction.
        seconds: how long it took.
    """

    module: str
    name: str
    seconds: float


def read_events(folder: Path) -> Iterator[Event]:
    """The runs of instructions in the newest profile below a folder; none if there is no profile.

    Only events that name their instruction are of use: a platform whose profiler does not write
    them gives none.
    """
    files = sorted(folder.rglob("*.trace.json.gz"), key=lambda path: path.stat().st_mtime)
    if not files:
        return
    with gzip.open(files[-1], "rt", encoding="utf-8") as file:
        found: Mapping[str, Any] = json.load(file)
    for event in found.get("traceEvents", ()):
        arguments: Mapping[str, Any] = event.get("args") or {}
        if event.get("ph") == "X" and "hlo_op" in arguments:
            took = float(event.get("dur", 0)) / _MICROSECONDS
            yield Event(str(arguments.get("hlo_module", "")), str(arguments["hlo_op"]), took)
