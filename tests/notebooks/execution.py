"""Executes the notebooks. Their sources are ``notebooks/*.py``; the ``.ipynb`` are made from them.

Shared by the tests and by ``scripts/build-notebooks``, so that both see the same outputs.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import jax
import jupytext
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "notebooks").glob("*.py"))
TIMEOUT = 180
"""Seconds that one notebook may take."""

VARIES = "varies"
"""The tag of a cell whose output differs from run to run."""

_SETTINGS = ("JAX_", "XLA_", "TRACEGRAPH_", "TPU_")


def committed(source: Path) -> Path:
    """The notebook that is made from a source."""
    return source.with_suffix(".ipynb")


def read_source(source: Path) -> Any:
    """The notebook of a source, without outputs; its cells are numbered, not named at random."""
    notebook = jupytext.read(source)
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
        "tracegraph": {"jax": jax.__version__},
    }
    return notebook


def execute(source: Path) -> Any:
    """The notebook of a source with the outputs of a fresh kernel, as one of its readers has it.

    Raises:
        CellExecutionError: a cell raised.
        CellTimeoutError: a cell took longer than a notebook may.
    """
    notebook = read_source(source)
    metadata = dict(notebook.metadata)
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(
            notebook,
            timeout=TIMEOUT,
            kernel_name="python3",
            record_timing=False,
            resources={"metadata": {"path": folder}},
        )
        client.execute(env=_environment())
    notebook.metadata = metadata
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = _merged(cell.outputs)
    return notebook


def output_text(cell: Any) -> str:
    """What a cell printed and showed, as plain text."""
    texts = (out.get("text") or out.get("data", {}).get("text/plain", "") for out in cell.outputs)
    return "".join(texts)


def varies(cell: Any) -> bool:
    """Whether the output of a cell differs from run to run."""
    return VARIES in cell.metadata.get("tags", ())


def _environment() -> dict[str, str]:
    """This process's environment without the settings of a test run; jax stays on the CPU."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_SETTINGS)}
    paths = [str(ROOT), *filter(None, [kept.get("PYTHONPATH")])]
    return {**kept, "JAX_PLATFORMS": "cpu", "PYTHONPATH": os.pathsep.join(paths)}


def _merged(outputs: list[Any]) -> list[Any]:
    """The outputs with what was printed in pieces put together: the pieces depend on timing."""
    merged: list[Any] = []
    for output in outputs:
        last = merged[-1] if merged else {}
        if output.output_type == "stream" and last.get("name") == output.name:
            last["text"] += output.text
        else:
            merged.append(output)
    return merged
