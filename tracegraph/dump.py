"""Dumps: one folder per compiled function, its files named so that they sort in order.

``000_captured.tg``, one ``.tg`` file per pass that changed the graph, the optimized graph, the
StableHLO and the compiled HLO, and ``index.md`` with ops before and after and milliseconds for
every pass. A folder appears whole or not at all.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import warnings
from pathlib import Path
from typing import Any, Final

from compiler.ir.printer import print_graph
from compiler.ir.walk import count_ops
from compiler.rewrite.numerics import level_name
from tracegraph import config
from tracegraph.program import OptimizationWarning, Program, Stage
from tracegraph.userlines import user_level

_UNSAFE: Final = re.compile(r"[^A-Za-z0-9_.-]+")
INDEX: Final = "index.md"


def dump_once(program: Program, lowered: Any) -> Path | None:
    """Dumps a program if dumps are asked for and it has not been dumped yet.

    A dump that cannot be written is one warning; it never stops the user's call.

    Returns:
        the folder, or None if nothing was written.
    """
    directory = config.dump_directory()
    if directory is None or program.dumped is not None:
        return None
    try:
        program.dumped = write_dump(program, lowered, directory)
    except Exception as error:  # a dump must never break the user's call
        warnings.warn(
            f"nothing was dumped to {directory}; the call is not affected. "
            f"The reason: {type(error).__name__}: {error}. "
            "What to do: name a folder that can be written to in TRACEGRAPH_DUMP_TO",
            OptimizationWarning,
            stacklevel=user_level(),
        )
    return program.dumped


def write_dump(program: Program, lowered: Any, directory: Path) -> Path:
    """Writes the dump of a program below the directory and returns the folder made.

    Raises:
        OSError: the directory cannot be written to.
    """
    directory = config.expanded(directory)
    directory.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=".writing-", dir=directory))
    try:
        for name, text in _files(program, lowered):
            (scratch / name).write_text(text, encoding="utf-8")
        scratch.chmod(0o755)
        return _publish(scratch, directory, program.captured.name)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _files(program: Program, lowered: Any) -> list[tuple[str, str]]:
    stages = [
        Stage("captured", program.captured),
        *program.stages,
        Stage("optimized", program.optimized),
    ]
    names = [f"{i:03d}_{_safe(stage.name)}.tg" for i, stage in enumerate(stages)]
    files = [
        (name, print_graph(stage.graph, locations=True))
        for name, stage in zip(names, stages, strict=True)
    ]
    count = len(files)
    files.append((f"{count:03d}_stablehlo.mlir", lowered.as_text(debug_info=True)))
    files.append((f"{count + 1:03d}_compiled.hlo", lowered.compile().as_text()))
    files.append((INDEX, _index(program, [name for name, _ in files])))
    return files


def _index(program: Program, files: list[str]) -> str:
    before, after = count_ops(program.captured), count_ops(program.optimized)
    times = program.times
    lines = [
        f"# {program.captured.name}",
        "",
        f"{before} ops captured, {after} after all passes. "
        f"Import {times.importing:.1f} ms, passes {times.passes:.1f} ms, "
        f"export {times.exporting:.1f} ms.",
        "",
        "| pass | ops before | ops after | changes | ms |",
        "|---|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {run.title} | {run.ops_before} | {run.ops_after} | {run.changes} "
        f"| {run.milliseconds:.2f} |"
        for run in program.runs
    ]
    lines += _rewrites(program)
    lines += ["", "Files, in the order in which they were made:", ""]
    lines += [f"- [{name}]({name})" for name in files]
    return "\n".join(lines) + "\n"


def _rewrites(program: Program) -> list[str]:
    """The rules that fired, with their lines and their worth by the cost model."""
    if not program.rewrites:
        return []
    rows = [
        f"| {firing.rule} | {level_name(firing.numerics)} | {firing.location} "
        f"| {firing.before} | {firing.after} |"
        for firing in program.rewrites
    ]
    head = "| rule | level | where | score before | score after |\n|---|---|---|---:|---:|"
    return ["", "Rules that fired:", "", head, *rows]


def _publish(scratch: Path, directory: Path, name: str) -> Path:
    """Renames a finished folder to the next free number."""
    number = 1 + max((int(p.name[:4]) for p in directory.glob("[0-9][0-9][0-9][0-9]_*")), default=0)
    while True:
        target = directory / f"{number:04d}_{_safe(name)}"
        try:
            os.rename(scratch, target)
        except OSError:
            if not target.exists():
                raise
            number += 1
        else:
            return target


def _safe(name: str) -> str:
    return _UNSAFE.sub("-", name).strip("-") or "function"
