"""Names: the user's own where there is one, unique in a region, and steady under insertion."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given

from compiler.ir import (
    ArrayType,
    Frame,
    Graph,
    Location,
    Operation,
    ParameterInfo,
    assign_names,
    build_graph,
    finish_graph,
    mutate,
    walk,
    walk_regions,
)
from tests.strategies.ir_graphs import graphs

F32 = ArrayType((), np.dtype(np.float32))

SOURCE = """\
def loss(params, x):
    hidden = x @ params
    hidden = (
        hidden
        + 1
    )
    scale: float = 2 * hidden
    scale += 1
    a, b = hidden, scale
    self.state = a
    return a + b
"""


def chain(*ops: tuple[str, int], file: str = "", hints: tuple[str, ...] = ()) -> Graph:
    """A graph of ops in a row, each with a name and a line of the file."""
    graph, builder = build_graph("f", [F32], hints)
    (value,) = graph.parameters
    for name, line in ops:
        location = Location((Frame(file, line, "loss"),)) if line else Location()
        value = builder.op(name, (value,), (F32,), location=location).result
    return finish_graph(graph, [value])


def names(graph: Graph) -> list[str]:
    given_names = assign_names(graph)
    return [given_names[value] for op in walk(graph) for value in op.results]


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "model.py"
    path.write_text(SOURCE)
    return str(path)


def test_an_op_takes_the_variable_of_its_line(file: str) -> None:
    ops = [("dot_general", 2), ("add", 5), ("mul", 7), ("add", 8), ("neg", 9), ("neg", 10)]
    expected = ["hidden", "hidden_1", "scale", "scale_1", "neg", "neg_1"]
    assert names(chain(*ops, file=file)) == expected


def test_the_last_op_of_a_statement_takes_the_variable(file: str) -> None:
    graph = chain(("mul", 4), ("reduce_sum", 5), ("add", 11), file=file)
    assert names(graph) == ["mul", "hidden", "add"]


def test_an_op_inside_a_lambda_takes_no_variable(file: str) -> None:
    graph = chain(("mul", 2), file=file)
    op = graph.body.first
    assert op is not None
    op.location = Location((Frame(file, 2, "loss.<locals>.<lambda>"),))
    assert names(graph) == ["mul"]


def test_a_hint_keeps_what_may_stand_in_a_name() -> None:
    graph = chain(("mul", 0), hints=("params['layers'][0].w",))
    assert assign_names(graph)[graph.parameters[0]] == "params_layers_0_.w"


@pytest.mark.parametrize(
    ("source", "lines", "expected"),
    [
        ("h = x * 2; k = h + 1", (1, 1), ["mul", "add"]),
        ("h = x * 2; f(h + 1)", (1, 1), ["mul", "add"]),
        ("h = (x\n * 2); k = (h\n + 1)\nz = k", (1, 3), ["mul", "add"]),
        ("if x: h = ';'\nk = 1", (1, 2), ["h", "k"]),
    ],
)
def test_statements_that_share_a_line_give_no_names(
    source: str, lines: tuple[int, int], expected: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "crowded.py"
    path.write_text(source)
    graph = chain(*zip(("mul", "add"), lines, strict=True), file=str(path))
    assert names(graph) == expected


def test_a_changed_file_is_read_anew(file: str) -> None:
    graph = chain(("mul", 2), file=file)
    assert names(graph) == ["hidden"]
    Path(file).write_text(SOURCE.replace("hidden = x", "another_name = x"))
    assert names(graph) == ["another_name"]


@pytest.mark.parametrize("content", ["def (:", "\0", "x = '\\d'\n", "(" * 500])
def test_a_file_that_is_not_python_gives_no_names(content: str, tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text(content)
    assert names(chain(("mul", 3), file=str(path))) == ["mul"]


def test_a_missing_file_gives_no_names() -> None:
    assert names(chain(("mul", 3), file="/nowhere/at/all.py")) == ["mul"]


def test_ops_are_shortened_and_counted() -> None:
    ops = [("dot_general", 0), ("reduce_sum", 0), ("scatter-add", 0), ("dot_general", 0)]
    assert names(chain(*ops)) == ["dot", "sum", "scatter_add", "dot_1"]


def test_a_hint_stays_as_it_is_before_all_else() -> None:
    graph = chain(("neg", 0), ("neg", 0), ("neg", 0))
    operations = list(walk(graph))
    operations[1].result.hint = "neg"
    operations[2].result.hint = "two words"
    assert names(graph) == ["neg_1", "neg", "two_words"]


def test_an_insertion_renumbers_only_its_own_name() -> None:
    graph = chain(("neg", 0), ("exp", 0), ("exp", 0))
    before = names(graph)
    (value,) = graph.parameters
    mutate.insert_before(graph.body, graph.body.first, Operation("log", (value,), (F32,)))
    assert names(graph) == ["log", *before]


def test_parameters_are_named_by_what_they_are() -> None:
    graph, builder = build_graph("f", [F32] * 4, ["", "", "x", ""])
    info = [ParameterInfo(captured=True), ParameterInfo(), ParameterInfo(), ParameterInfo()]
    mutate.set_parameter_info(graph, info)
    finish_graph(graph, builder.region.parameters)
    given_names = assign_names(graph)
    assert [given_names[v] for v in graph.parameters] == ["const0", "arg0", "x", "arg2"]


@given(graphs())
def test_names_are_unique_in_a_region_and_complete(graph: Graph) -> None:
    given_names = assign_names(graph)
    for region in walk_regions(graph):
        values = [*region.parameters, *(v for op in region for v in op.results)]
        assert len({given_names[value] for value in values}) == len(values)


def test_many_values_of_one_name_take_linear_time() -> None:
    found = names(chain(*[("add", 0)] * 20_000))
    assert found[-1] == "add_19999"
