"""Saved artifacts as targets: what ``jax.export`` wrote, whole, for elsewhere, and damaged."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import pytest
from jax import export

import tracegraph.cli.artifact as artifacts

pytest.importorskip("flatbuffers", reason='pip install "tracegraph[export]"')

PARTS = ("\n  where: ", "\n  expected: ", "\n  found: ", "\n  what to do: ")


def model(w, x, *, scale):
    with jax.named_scope("layer"):
        hidden = jnp.tanh(x @ w["in"])
    return scale * jax.nn.softmax(hidden @ w["out"])


def saved(path, rows=32, platforms=None):
    """The model exported for so many rows, or for a symbolic number of them, in a file."""
    if isinstance(rows, str):
        (rows,) = export.symbolic_shape(rows)
    w = {"in": shape(8, 16), "out": shape(16, 4)}
    made = export.export(jax.jit(model), platforms=platforms)(w, shape(rows, 8), scale=shape())
    path.write_bytes(made.serialize())
    return path.name


def shape(*dims):
    return jax.ShapeDtypeStruct(dims, jnp.float32)


@pytest.fixture
def whole(project):
    return saved(project / "model.bin")


@pytest.fixture
def symbolic(project):
    return saved(project / "rows.jaxexport", "rows")


def output(result):
    assert result.exit_code == 0, result.stderr
    return result.stdout


def refused(result, what):
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(what), result.stderr
    assert all(part in result.stderr for part in PARTS), result.stderr
    assert "Traceback" not in result.stderr


def test_dump_shows_one_operation_and_says_where_the_rest_is(cli, whole):
    result = cli("dump", whole)
    graph = output(result)
    assert graph.startswith("tracegraph.ir 1\ngraph @model(")
    assert "f32[32,8]" in graph
    assert "= call_exported " in graph
    assert result.stderr.endswith("tracegraph dump model.bin --format stablehlo\n")


def test_dump_shows_its_stablehlo(cli, whole):
    result = cli("dump", whole, "--format", "stablehlo")
    text = output(result)
    assert text.count("stablehlo.dot_general") == 2
    assert "stablehlo.tanh" in text
    assert result.stderr == ""


def test_dump_shows_the_stablehlo_of_functions_and_graphs_too(cli):
    step = ("user_project:step", "--arg", "f32[4,8]", "--arg", "f32[8,8]")
    for stage in ("captured", "optimized"):
        text = output(cli("dump", *step, "--format", "stablehlo", "--stage", stage))
        assert "stablehlo.tanh" in text
        assert text.startswith("module @jit_step ")
    cli("dump", *step, "-o", "step.tg")
    assert "stablehlo.tanh" in output(cli("dump", "step.tg", "--format", "stablehlo"))


def test_kernels_are_traced_back_to_the_lines_it_was_exported_from(cli, whole):
    text = output(cli("kernels", whole))
    assert "@model" in text
    assert "test_artifacts.py:20" in text


def test_cost_says_what_only_xla_knows(cli, whole):
    text = " ".join(output(cli("cost", whole)).split())
    assert "the arithmetic of 1 opaque operations is not counted: call_exported" in text
    # 2 * 32 * (8 * 16 + 16 * 4) FLOPs in its products alone
    assert "XLA says: 12" in text


def test_explain_and_diff(cli, whole):
    assert "1 operation not looked into" in output(cli("explain", whole))
    assert "numerics fast" in output(cli("explain", whole, "--numerics", "fast"))
    assert "call_exported" in output(cli("diff", whole))
    assert "0 changed, 0 removed, 0 added" in output(cli("diff", whole, whole))


def test_report(cli, project, whole):
    assert output(cli("report", whole)) == "report.html\n"
    page = (project / "report.html").read_text()
    assert "call_exported" in page
    assert "opaque operations is not counted" in page
    assert '"lines":["test_artifacts.py:20"]' in page
    assert "artifact.py" not in page.replace("test_artifacts.py", "")


def test_sizes_that_were_left_open_have_to_be_given(cli, symbolic):
    refused(cli("dump", symbolic), "rows.jaxexport has sizes that are not known: rows\n")
    assert "--arg rows=8" in cli("cost", symbolic).stderr
    assert "f32[5,8]" in output(cli("dump", symbolic, "--arg", "rows=5"))
    assert "XLA says" in output(cli("cost", symbolic, "--arg", "rows=5"))


def test_the_same_sizes_are_for_both_sides_of_a_diff(cli, whole, symbolic):
    text = output(cli("diff", whole, symbolic, "--arg", "rows=5"))
    assert "f32[32,4]" in text
    assert "f32[5,4]" in text
    step = ("user_project:step", "--arg", "f32[4,8]", "--arg", "f32[8,8]")
    assert "call_exported" in output(cli("diff", *step[:1], symbolic, *step[1:], "--arg", "rows=5"))


def test_sizes_that_do_not_fit(cli, symbolic, whole):
    refused(cli("dump", symbolic, "--arg", "rows=0"), "rows.jaxexport does not take these sizes\n")
    refused(cli("dump", symbolic, "--arg", "row=3"), "rows.jaxexport takes no argument row=3\n")
    assert "did you mean rows?" in cli("dump", symbolic, "--arg", "row=3").stderr
    refused(cli("dump", whole, "--arg", "f32[3]"), "model.bin takes no argument f32[3]\n")
    for given in (("--kwarg", "scale=3"), ("--static", "scale")):
        refused(cli("cost", whole, *given), "model.bin takes no --kwarg and no --static\n")


def test_an_artifact_for_elsewhere_is_shown_but_not_compiled(cli, project):
    name = saved(project / "tpu.bin", platforms=["tpu"])
    assert "call_exported" in output(cli("dump", name))
    assert "stablehlo.tanh" in output(cli("dump", name, "--format", "stablehlo"))
    for command in ("kernels", "cost"):
        refused(cli(command, name), "tpu.bin cannot be compiled here: it was exported for tpu\n")
    assert output(cli("report", name)) == "report.html\n"
    assert "exported for platforms" in (project / "report.html").read_text()


def test_an_artifact_for_several_devices(cli, project):
    mesh = jax.make_mesh((2,), ("x",))
    rows = jax.NamedSharding(mesh, jax.P("x"))
    made = export.export(jax.jit(jnp.sin, in_shardings=rows))(shape(8))
    (project / "two.bin").write_bytes(made.serialize())
    assert "call_exported" in output(cli("dump", "two.bin"))
    refused(cli("kernels", "two.bin"), "two.bin cannot be compiled here: it was exported for 2")


DAMAGED = {
    "empty": lambda data: b"",
    "cut": lambda data: data[:300],
    "cut at its end": lambda data: data[:-100],
    "zeros": lambda data: b"\0" * 500,
    "another module": lambda data: data.replace(b"ML\xefR", b"????"),
    "a graph of ours": lambda data: b"tracegraph.ir 1\ngraph @f() -> () {\n  return\n}\n",
    "a program": lambda data: b"import jax\n",
}


@pytest.mark.parametrize("case", DAMAGED)
@pytest.mark.parametrize("command", ["dump", "report"])
def test_a_damaged_file(cli, project, whole, case, command):
    data = (project / whole).read_bytes()
    (project / whole).write_bytes(DAMAGED[case](data))
    result = cli(command, whole)
    refused(result, "model.bin is no artifact of jax.export, or it is damaged\n")
    assert not (project / "report.html").exists()


def test_without_flatbuffers_it_says_what_to_install(cli, whole, monkeypatch):
    def missing(data):
        raise ImportError("Please install 'flatbuffers'")

    monkeypatch.setattr(artifacts.export, "deserialize", missing)
    refused(
        cli("dump", whole), "model.bin cannot be read: the package flatbuffers is not installed"
    )
    assert 'pip install "tracegraph[export]"' in cli("dump", whole).stderr


def test_a_file_that_is_not_there(cli):
    result = cli("dump", "modle.bin")
    assert result.exit_code == 2
    assert "modle.bin, which is no file either" in result.stderr
