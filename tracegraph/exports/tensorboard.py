"""A graph, and what it costs, as an event file that TensorBoard shows. Needs tensorboardX."""

# tensorboardX does not annotate its functions.
# pyright: reportMissingImports=false, reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any, Final

from compiler.analysis.cost import graph_cost
from compiler.analysis.liveness import peak_memory
from compiler.ir.errors import TracegraphError
from compiler.ir.graph import Graph
from tracegraph.exports.flat import Node, flatten

_NOT_ALLOWED: Final = re.compile(r"[^A-Za-z0-9_./-]+")


def write_tensorboard(graph: Graph, folder: Path, step: int = 0) -> Path:
    """Writes an event file with the graph and its costs into a folder, and returns the folder.

    Args:
        graph: the graph; ops are nested by module and region.
        folder: TensorBoard's log folder, made if it is not there.
        step: the step that the scalars are of.

    Raises:
        TracegraphError: tensorboardX is not installed, or the folder cannot be written to.
    """
    board: Any = _library("tensorboardX")
    try:
        _write(board.SummaryWriter(str(folder)), graph, step)
    except OSError as error:
        raise TracegraphError(
            "the graph cannot be written",
            where=str(folder),
            expected="a folder that may be written to, or may be made",
            found=error.strerror or str(error),
            hint="name another folder",
        ) from error
    return folder


def _write(writer: Any, graph: Graph, step: int) -> None:
    try:
        writer.file_writer.add_onnx_graph(_graph_def(graph))  # the event of a bare graph
        for name, number in _scalars(graph).items():
            writer.add_scalar(f"{_safe(graph.name)}/{name}", number, step)
    finally:
        writer.close()


def _library(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise TracegraphError(
            "an event file for TensorBoard needs tensorboardX",
            expected="the package tensorboardX",
            found="no such package here",
            hint='pip install "tracegraph[tensorboard]"',
        ) from error


def _scalars(graph: Graph) -> dict[str, int]:
    cost = graph_cost(graph)
    return {
        "flops": cost.flops,
        "transcendentals": cost.transcendentals,
        "bytes": cost.bytes,
        "peak_bytes": peak_memory(graph).nbytes,
    }


def _graph_def(graph: Graph) -> Any:
    nodes = flatten(graph)
    names = {node.id: _name(node) for node in nodes}
    found: Any = _library("tensorboardX.proto.graph_pb2").GraphDef()
    for node in nodes:
        made = found.node.add()
        made.name, made.op = names[node.id], node.label.removeprefix("%")
        made.input.extend(
            f"{names[edge.source]}:{edge.output}" if edge.output else names[edge.source]
            for edge in node.edges
        )
        for key, value in node.attributes.items():
            made.attr[key].s = value.encode()
    return found


def _name(node: Node) -> str:
    place = f"{node.namespace}/" if node.namespace else ""
    return _safe(f"{place}{node.label.removeprefix('%')}_{node.id}")


def _safe(name: str) -> str:
    word = _NOT_ALLOWED.sub("_", name)
    return word if word[:1].isalnum() else f"n{word}"
