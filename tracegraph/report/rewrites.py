"""What the rules did, and what they nearly did, as rows of a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from compiler.lowering.kernels import KERNELS
from compiler.passes.manager import PassRun
from compiler.rewrite.log import Firing, NearMiss
from compiler.rewrite.numerics import level_name
from tracegraph.report.sources import Sources
from tracegraph.trace import nearest_misses


def rewrite_rows(
    runs: Sequence[PassRun], laws: Mapping[str, str], sources: Sources
) -> dict[str, Any]:
    """The passes in order, the rules that fired, and the near misses with their reasons.

    Args:
        runs: one record per pass.
        laws: what each rule says, by its name.
        sources: the files of the report.
    """
    known = {**laws, **{name: kernel.law for name, kernel in KERNELS.items()}}
    firings = [firing for run in runs for firing in run.log.firings]
    return {
        "passes": [_pass(run) for run in runs],
        "fired": _fired(firings, known, sources),
        "missed": [_missed(near, known, sources) for near in _furthest(nearest_misses(runs))],
    }


def _pass(run: PassRun) -> dict[str, Any]:
    return {
        "name": run.title,
        "before": run.ops_before,
        "after": run.ops_after,
        "changes": run.changes,
        "ms": round(run.milliseconds, 2),
    }


def _fired(
    firings: Sequence[Firing], laws: Mapping[str, str], sources: Sources
) -> list[dict[str, Any]]:
    """A row for each rule and line, in the order of the first firing."""
    rows: dict[object, dict[str, Any]] = {}
    for firing in firings:
        row = rows.setdefault(
            (firing.rule, firing.location.frame),
            {
                "rule": firing.rule,
                "law": laws.get(firing.rule, ""),
                "numerics": level_name(firing.numerics),
                "line": place(firing, sources),
                "times": 0,
                "saved": 0,
            },
        )
        row["times"] += 1
        row["saved"] += 0 if firing.rule in KERNELS else firing.before - firing.after
    return list(rows.values())


def _furthest(misses: Mapping[str, NearMiss]) -> list[NearMiss]:
    return sorted(misses.values(), key=lambda near: (-near.progress, near.rule))


def _missed(near: NearMiss, laws: Mapping[str, str], sources: Sources) -> dict[str, Any]:
    return {
        "rule": near.rule,
        "line": place(near, sources),
        "matched": near.progress,
        "reason": str(near.miss.reason),
        "law": laws.get(near.rule, ""),
    }


def place(event: Firing | NearMiss, sources: Sources) -> tuple[int, int] | None:
    """The number of the file and the line at which something happened, if they are known."""
    frame = event.location.frame
    return None if frame is None else (sources.add(frame.file, frame.line), frame.line)
