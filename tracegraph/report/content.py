"""Puts the content of a report together: plain dictionaries and lists, ready to be JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from compiler.analysis.cost import graph_cost
from compiler.ir.graph import Graph
from compiler.ir.walk import count_ops, walk
from compiler.passes.fuse import fusion_groups
from tracegraph.costs.rows import is_opaque
from tracegraph.program import Stage
from tracegraph.report.folding import folded
from tracegraph.report.kernels import Made, made_by_xla, no_kernels
from tracegraph.report.measures import Measures
from tracegraph.report.memory import memory_rows
from tracegraph.report.nodes import Node
from tracegraph.report.rewrites import rewrite_rows
from tracegraph.report.rows import Rows, line_rows, stage_rows
from tracegraph.report.sources import Sources
from tracegraph.report.stages import Change, StageRows, Table, stage_table
from tracegraph.report.subject import Subject
from tracegraph.report.values import constant_rows, input_rows

FORMAT: Final = 2

NOTHING_MEASURED: Final = Measures()

MAX_OPS: Final = 40_000
"""Larger graphs are shown by group, without their ops."""

MAX_STAGED: Final = 250_000
"""Ops times stages; of larger ones only the first and the last stage are shown."""

Content = dict[str, Any]


def content_of(
    subject: Subject,
    compiled: Callable[[], str] | None = None,
    error: Callable[[Sources], Content] | None = None,
    measures: Measures = NOTHING_MEASURED,
) -> Content:
    """All that a report says of a graph.

    Args:
        subject: the graph, its passes, and how to compile it.
        compiled: gives the text of what XLA made of it; None to compile it.
        error: describes what the function raised, if it did.
        measures: the times of its ops, where they are asked for.
    """
    graph, sources = subject.optimized, Sources(subject.file)
    ops = count_ops(graph)
    is_folded = ops > MAX_OPS
    notes: list[str] = []
    _note_opaque(graph, notes)
    table = stage_table(_shown_stages(subject, is_folded, notes))
    full = table
    if is_folded:
        notes.append(
            f"{ops:,} operations are too many to show one by one (the most are {MAX_OPS:,}): this "
            "report shows groups, and costs by line. Report a part of the function for the ops."
        )
        table = _folded_table(table)
    rows = Rows(table, sources, measures)
    shown = {} if is_folded else full.last.numbers
    made = _made(graph, compiled or subject.compiled, shown, measures)
    return {
        "format": FORMAT,
        "function": subject.name,
        "notes": notes,
        "error": error(sources) if error else None,
        "folded": is_folded,
        "summary": _summary(subject),
        "device": measures.about_device(full.last.nodes),
        "profile": measures.about_profile(),
        "ops": rows.ops(),
        "paths": rows.paths,
        "stages": [stage_rows(stage) for stage in table.stages],
        "lines": line_rows(full.last.nodes, sources, measures),
        "constants": [] if is_folded else constant_rows(full.last.numbers),
        "inputs": input_rows(graph),
        "memory": memory_rows(graph, shown),
        "groups": [] if is_folded else _groups(graph, full, made),
        "kernels": made.kernels,
        "kernels_problem": made.problem,
        "findings": made.findings,
        "rewrites": rewrite_rows(subject.runs, subject.laws, sources),
        "files": sources.rows(),
    }


def _note_opaque(graph: Graph, notes: list[str]) -> None:
    names = [op.name for op in walk(graph) if is_opaque(op)]
    if names:
        listed = ", ".join(dict.fromkeys(names))
        notes.append(f"The arithmetic of {len(names)} opaque operations is not counted: {listed}.")


def _shown_stages(subject: Subject, is_folded: bool, notes: list[str]) -> list[Stage]:
    stages = list(subject.stages)
    if is_folded:
        return stages[-1:]
    sizes = [count_ops(stage.graph) for stage in stages]
    if sum(sizes) <= MAX_STAGED or len(stages) < 3:
        return stages
    notes.append(f"{len(stages) - 2} stages between the first and the last are left out for size.")
    return [stages[0], stages[-1]]


def _folded_table(table: Table) -> Table:
    """The last stage of a table by group."""
    nodes = folded(table.last.nodes)
    numbers = {node: place for place, node in enumerate(nodes)}
    return Table(nodes, [StageRows(table.last.name, nodes, numbers, Change([], [], []))])


def _summary(subject: Subject) -> Content:
    before, after = subject.stages[0].graph, subject.optimized
    costs = [graph_cost(before), graph_cost(after)]
    return {
        "ops": [count_ops(before), count_ops(after)],
        "flops": [cost.flops for cost in costs],
        "transcendentals": [cost.transcendentals for cost in costs],
        "bytes": [cost.bytes for cost in costs],
        "exact": costs[1].exact,
    }


def _groups(graph: Graph, table: Table, made: Made) -> list[Content]:
    """The fusion groups that the ``fuse`` pass predicts."""
    numbers = _numbers(table.last.numbers)
    return [
        {
            "index": group.index,
            "ops": [numbers[op] for op in group.ops],
            "flops": group.flops,
            "saved": group.bytes_saved,
            **made.fates.get(group.index, {}),
        }
        for group in fusion_groups(graph)
    ]


def _numbers(rows: Mapping[Node, int]) -> dict[object, int]:
    return {node.op: number for node, number in rows.items() if node.op is not None}


def _made(
    graph: Graph, compiled: Callable[[], str], rows: Mapping[Node, int], measures: Measures
) -> Made:
    """The kernels, or why there are none: a report never fails for what XLA does not do."""
    try:
        return made_by_xla(graph, compiled(), _numbers(rows), measures.of_kernels())
    except Exception as error:  # whatever a backend raises
        return no_kernels(f"{type(error).__name__}: {error}".strip()[:2000])
