"""``tg.export_graph``: writes a graph in the format of another viewer."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from compiler.ir.dot import to_dot
from compiler.ir.errors import TracegraphError
from compiler.ir.files import write_output
from compiler.ir.graph import Graph
from compiler.ir.printer import print_graph
from compiler.lowering import jax_compat
from tracegraph.boundary import boundary
from tracegraph.exports.as_json import graph_json
from tracegraph.exports.model_explorer import model_explorer
from tracegraph.exports.tensorboard import write_tensorboard
from tracegraph.graphs import checked_graph
from tracegraph.text.python import to_python

jax_compat.hide_frames(__file__)

TENSORBOARD: Final = "tensorboard"


def _as_json(graph: Graph) -> str:
    return json.dumps(graph_json(graph), indent=1) + "\n"


def _as_model_explorer(graph: Graph) -> str:
    return json.dumps(model_explorer(graph)) + "\n"


TEXTS: Final[dict[str, Callable[[Graph], str]]] = {
    "text": print_graph,
    "dot": to_dot,
    "json": _as_json,
    "model-explorer": _as_model_explorer,
    "python": to_python,
}
"""The formats that are one text."""

_SUFFIXES: Final = {".tg": "text", ".dot": "dot", ".gv": "dot", ".json": "json", ".py": "python"}


@boundary
def export_graph(graph: Graph, path: str | os.PathLike[str], format: str | None = None) -> Path:
    """Writes a graph in the format of another viewer.

    Args:
        graph: the graph.
        path: the file; for ``tensorboard`` the log folder.
        format: ``text``, ``dot`` (Graphviz), ``json`` (by ``graph.schema.json``),
            ``model-explorer``, ``python``, or ``tensorboard``; None for what the file's name ends
            with: ``.tg``, ``.dot``, ``.json`` or ``.py``.

    Returns:
        the file or the folder.

    Raises:
        TracegraphError: it is no graph, there is no such format, it needs a package that is not
            installed, or the file cannot be written.
    """
    target, graph = Path(path), checked_graph(graph)
    wanted = _SUFFIXES.get(target.suffix) if format is None else format
    if wanted == TENSORBOARD:
        return write_tensorboard(graph, target)
    if wanted is None or wanted not in TEXTS:
        raise TracegraphError(
            f"no graph can be written as {wanted or target.suffix or target.name}",
            expected=", ".join([*TEXTS, TENSORBOARD]),
            found=repr(format if format is not None else str(path)),
            hint="say one of these as format=",
        )
    write_output(target, TEXTS[wanted](graph), "the graph")
    return target
