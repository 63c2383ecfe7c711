"""The notebooks: made from their sources, whole, free of machine paths, and executed again."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import jax
import nbformat
import pytest

from tests.notebooks.execution import (
    SOURCES,
    TIMEOUT,
    committed,
    execute,
    output_text,
    read_source,
    varies,
)

COLAB = "https://colab.research.google.com/github/tracegraph/tracegraph/blob/main/notebooks/"
MACHINE_PATH = re.compile(r"(?<![\w.])/(tmp|home|root|usr|opt|work|Users|var)/|site-packages")

each_source = pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)


def read_committed(source: Path) -> Any:
    return nbformat.read(committed(source), as_version=4)


def code_cells(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def parts(notebook: Any) -> list[tuple[str, str, list[str], str]]:
    """What of a notebook its source decides."""
    return [
        (cell.cell_type, cell.id, cell.metadata.get("tags", []), cell.source)
        for cell in notebook.cells
    ]


def test_there_are_four():
    stems = [
        "01_first_function",
        "02_reading_a_dump",
        "03_on_a_tpu",
        "04_a_rule_of_your_own",
    ]
    assert [source.stem for source in SOURCES] == stems


@each_source
def test_the_notebook_is_built_from_its_source(source):
    notebook = read_committed(source)
    nbformat.validate(notebook)
    assert parts(notebook) == parts(read_source(source)), "run scripts/build-notebooks"


@each_source
def test_it_was_executed_in_order(source):
    counts = [cell.execution_count for cell in code_cells(read_committed(source))]
    assert counts == list(range(1, len(counts) + 1))


@each_source
def test_every_cell_that_prints_has_an_output(source):
    silent = [
        cell.source
        for cell in code_cells(read_committed(source))
        if re.search(r"^ *print\(", cell.source, re.MULTILINE) and not output_text(cell)
    ]
    assert not silent


@each_source
def test_no_output_is_an_error_or_a_warning(source):
    outputs = [out for cell in code_cells(read_committed(source)) for out in cell.outputs]
    assert not [out for out in outputs if out.output_type == "error"]
    assert not [out for out in outputs if out.get("name") == "stderr"]


@each_source
def test_it_names_no_path_of_a_machine(source):
    assert not MACHINE_PATH.search(committed(source).read_text(encoding="utf-8"))


@pytest.mark.parametrize("text", ["/tmp/x.py", '"/usr/a', "lib/site-packages/jax"])
def test_a_path_of_a_machine_is_seen(text):
    assert MACHINE_PATH.search(text)


@each_source
def test_it_opens_on_colab(source):
    first, *_ = read_source(source).cells
    assert f"]({COLAB}{committed(source).name})" in first.source


@each_source
def test_it_installs_tracegraph_and_keeps_the_installed_jax(source):
    first = code_cells(read_source(source))[0].source
    assert 'find_spec("tracegraph") is None' in first
    assert '"pip", "install", "-q", PROJECT, *installed' in first
    assert '("jax", "jaxlib", "flax")' in first


@pytest.mark.slow
@each_source
def test_it_executes(source):
    start = time.monotonic()
    executed = execute(source)
    assert time.monotonic() - start < TIMEOUT
    expected = read_committed(source)
    if expected.metadata["tracegraph"]["jax"] != jax.__version__:
        return  # the committed outputs are of another jax, whose graphs may read differently
    for was, now in zip(code_cells(expected), code_cells(executed), strict=True):
        if not varies(was):
            assert output_text(now) == output_text(was), "run scripts/build-notebooks"
