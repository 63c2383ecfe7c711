"""Exports: Model Explorer's JSON, our own JSON by its schema, an event file for TensorBoard."""

from __future__ import annotations

import builtins
import dataclasses
import importlib
import importlib.util
import json
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest
from jax import lax

import tracegraph as tg
from compiler.ir.walk import walk, walk_regions
from tracegraph.exports.as_json import graph_json, json_schema
from tracegraph.exports.model_explorer import model_explorer


def ones(*shape):
    return jax.ShapeDtypeStruct(shape, jnp.float32)


def net(w, x):
    with jax.named_scope("encoder"), jax.named_scope("dense"):
        h = jnp.tanh(x @ w)
    h = lax.cond(h[0, 0] > 0, jnp.sin, jnp.cos, h)
    return lax.scan(lambda c, _: (c @ w, c.sum()), h, None, length=3)


GRAPHS = {
    "net": lambda: tg.function(net).graph(ones(8, 8), ones(4, 8)),
    "captured": lambda: tg.function(net).trace(ones(8, 8), ones(4, 8)).captured,
    "gradient": lambda: tg.function(jax.grad(lambda x: jax.nn.relu(x).sum())).graph(ones(3)),
    "empty": lambda: tg.function(lambda: ()).graph(),
}


@pytest.fixture(params=GRAPHS)
def graph(request):
    return GRAPHS[request.param]()


# What the viewer's graph builder takes: for each class its fields, with the types of their values.
NODE = {
    "id": str,
    "label": str,
    "namespace": str,
    "attrs": list,
    "incomingEdges": list,
    "outputsMetadata": list,
}
EDGE = {"sourceNodeId": str, "sourceNodeOutputId": str, "targetNodeInputId": str}
PAIR = {"key": str, "value": str}
METADATA = {"id": str, "attrs": list}


def fits(value, fields):
    return value.keys() == fields.keys() and all(
        isinstance(value[name], kind) for name, kind in fields.items()
    )


def test_model_explorer_takes_it(graph):
    found = json.loads(json.dumps(model_explorer(graph)))
    assert found["label"] == graph.name
    (one,) = found["graphs"]
    ids = [node["id"] for node in one["nodes"]]
    assert len(set(ids)) == len(ids)
    outputs = {node["id"]: len(node["outputsMetadata"]) for node in one["nodes"]}
    for node in one["nodes"]:
        assert fits(node, NODE)
        assert all(fits(pair, PAIR) for pair in node["attrs"])
        for item in node["outputsMetadata"]:
            assert fits(item, METADATA)
            assert all(fits(pair, PAIR) for pair in item["attrs"])
        for edge in node["incomingEdges"]:
            assert fits(edge, EDGE)
            assert int(edge["sourceNodeOutputId"]) < outputs[edge["sourceNodeId"]]
    parameters = sum(len(region.parameters) for region in walk_regions(graph))
    assert len(ids) == parameters + sum(1 for _ in walk(graph))


@pytest.fixture(scope="module")
def builder():
    """The classes of the viewer itself. The file alone is read: the package asks for torch."""
    found = importlib.util.find_spec("model_explorer")
    if found is None or not found.submodule_search_locations:
        pytest.skip("needs the viewer: pip install --no-deps -r requirements/viewer.txt")
    file = Path(found.submodule_search_locations[0]) / "graph_builder.py"
    spec = importlib.util.spec_from_file_location("model_explorer_graph_builder", file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look their own module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def test_the_viewers_own_classes_take_it(builder, graph):
    def items(found):
        pairs = [builder.KeyValue(**pair) for pair in found["attrs"]]
        return builder.MetadataItem(**{**found, "attrs": pairs})

    def node(found):
        parts = {
            "attrs": [builder.KeyValue(**pair) for pair in found["attrs"]],
            "incomingEdges": [builder.IncomingEdge(**edge) for edge in found["incomingEdges"]],
            "outputsMetadata": [items(item) for item in found["outputsMetadata"]],
        }
        return builder.GraphNode(**{**found, **parts})

    (one,) = model_explorer(graph)["graphs"]
    made = builder.Graph(**{**one, "nodes": [node(found) for found in one["nodes"]]})
    kept = json.loads(json.dumps(dataclasses.asdict(made)))
    for before, after in zip(one["nodes"], kept["nodes"], strict=True):
        assert before == {name: after[name] for name in before}


def test_model_explorer_nests_by_module_and_region():
    (one,) = model_explorer(GRAPHS["net"]())["graphs"]
    spaces = {node["label"]: node["namespace"] for node in one["nodes"]}
    assert spaces["tanh"] == "encoder/dense"
    assert spaces["reduce_sum"].startswith("scan_")
    assert spaces["reduce_sum"].endswith("/jaxpr")
    (dot, *_) = [node for node in one["nodes"] if node["label"] == "dot_general"]
    facts = {pair["key"]: pair["value"] for pair in dot["attrs"]}
    assert facts["flops"] == str(2 * 4 * 8 * 8)
    assert "test_exports.py" in facts["line"]


def test_a_function_is_no_graph(tmp_path):
    step = tg.function(lambda x: x)
    with pytest.raises(tg.TracegraphError, match=r"no graph(.|\n)*step.graph\(\*args\)"):
        tg.export_graph(step, tmp_path / "a.dot")
    with pytest.raises(tg.TracegraphError, match=f"no graph(.|\n)*{__file__}"):
        tg.diff(step, step)
    assert not list(tmp_path.iterdir())


def test_json_keeps_its_schema(graph):
    schema = pytest.importorskip("jsonschema")
    found = json.loads(json.dumps(graph_json(graph)))
    schema.Draft202012Validator.check_schema(json_schema())
    schema.validate(found, json_schema())
    broken = {**found, "version": 2}
    with pytest.raises(schema.ValidationError):
        schema.validate(broken, json_schema())


def test_json_says_what_the_text_says():
    graph = GRAPHS["net"]()
    body = graph_json(graph)["body"]
    assert [value["type"] for value in body["parameters"]] == ["f32[8,8]", "f32[4,8]"]
    assert [op["op"] for op in body["operations"]] == [op.name for op in graph.body]
    (dot, *_) = [op for op in body["operations"] if op["op"] == "dot_general"]
    assert dot["attributes"]["dimension_numbers"] == "(((1,), (0,)), ((), ()))"
    assert dot["location"]["name_stack"] == "encoder/dense"


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("g.tg", "tracegraph.ir 1"),
        ("g.dot", "digraph"),
        ("g.gv", "digraph"),
        ("g.json", '{\n "format": "tracegraph.graph"'),
        ("g.py", '"""@net as jax.lax calls'),
    ],
)
def test_the_name_says_the_format(tmp_path, name, start):
    path = tg.export_graph(GRAPHS["net"](), tmp_path / name)
    assert path == tmp_path / name
    assert path.read_text().startswith(start)


def test_the_format_may_be_said(tmp_path):
    path = tg.export_graph(GRAPHS["net"](), str(tmp_path / "g.json"), format="model-explorer")
    assert json.loads(path.read_text())["graphs"][0]["id"] == "net"


@pytest.mark.parametrize(("name", "format"), [("g.png", None), ("g", None), ("g.json", "onnx")])
def test_an_unknown_format_is_one_error(tmp_path, name, format):
    with pytest.raises(tg.TracegraphError) as error:
        tg.export_graph(GRAPHS["empty"](), tmp_path / name, format)
    assert "model-explorer" in str(error.value)
    assert not (tmp_path / name).exists()


def test_tensorboard_reads_the_event_file(tmp_path, graph):
    pytest.importorskip("tensorboardX")
    name = "tensorboard.backend.event_processing.event_accumulator"
    pytest.importorskip("tensorboard")
    reader = importlib.import_module(name).EventAccumulator(str(tmp_path))
    assert tg.export_graph(graph, tmp_path, "tensorboard") == tmp_path
    reader.Reload()
    assert reader.Tags()["graph"] or not list(graph.parameters)
    (scalar,) = [tag for tag in reader.Tags()["scalars"] if tag.endswith("/flops")]
    assert reader.Scalars(scalar)[0].value >= 0
    nodes = {node.name: list(node.input) for node in reader.Graph().node}
    inputs = {name.partition(":")[0] for read in nodes.values() for name in read}
    assert inputs <= nodes.keys()
    assert len(nodes) == len(model_explorer(graph)["graphs"][0]["nodes"])


def test_a_log_folder_that_cannot_be_written_is_one_error(tmp_path):
    pytest.importorskip("tensorboardX")
    (tmp_path / "file").write_text("")
    with pytest.raises(tg.TracegraphError, match="the graph cannot be written") as caught:
        tg.export_graph(GRAPHS["empty"](), tmp_path / "file" / "logs", "tensorboard")
    assert caught.value.where == str(tmp_path / "file" / "logs")
    assert caught.value.found


def test_without_tensorboardx_one_line_says_what_to_install(tmp_path, monkeypatch):
    real = importlib.import_module

    def missing(name, *rest):
        if name.startswith("tensorboardX"):
            raise ModuleNotFoundError(name)
        return real(name, *rest)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(tg.TracegraphError) as error:
        tg.export_graph(GRAPHS["empty"](), tmp_path, "tensorboard")
    assert 'pip install "tracegraph[tensorboard]"' in str(error.value)
    assert builtins.list(tmp_path.iterdir()) == []
