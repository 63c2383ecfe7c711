"""``graph.table()``, ``graph.summary()`` and ``tg.diff``, as text and in notebooks."""

from __future__ import annotations

import subprocess
import sys

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

import tracegraph as tg
from tests.architecture.sources import ROOT


def ones(*shape):
    return jax.ShapeDtypeStruct(shape, jnp.float32)


def loop(x):
    y = x * 2.0
    return lax.scan(lambda c, _: (jnp.sin(c), None), y, None, length=3)[0]


def test_a_table_has_every_op_with_its_cost_and_line():
    table = tg.function(loop).graph(ones(8)).table()
    by_op = {row[1]: row for row in table.rows}
    assert by_op.keys() >= {"mul", "scan", "sin", "yield", "return"}
    value, _, reads, kind, flops, size, _, line, source = by_op["mul"]
    assert (value, kind, flops, size) == ("%y", "f32[8]", "8", "68")
    assert reads.startswith("%x")
    assert line == f"test_tables.py:{loop.__code__.co_firstlineno + 1}"
    assert source == "y = x * 2.0"
    assert by_op["sin"][0].startswith("    %")  # inside the scan
    assert by_op["sin"][4] == "24"
    assert "y = x * 2.0" in str(table)


def test_a_summary_by_module():
    class Net(nn.Module):
        @nn.compact
        def __call__(self, x):
            return nn.Dense(4)(nn.Dense(32)(x))

    net = Net()
    params = jax.eval_shape(net.init, jax.random.key(0), ones(8, 16))
    summary = tg.function(net.apply).graph(params, ones(8, 16)).summary("H100")
    assert summary.parameters == 16 * 32 + 32 + 32 * 4 + 4
    assert {row.name: row.parameters for row in summary.modules if row.parameters} == {
        "Net/Dense_1": 16 * 32 + 32,
        "Net/Dense_0": 32 * 4 + 4,  # the outer one is made first
    }
    assert summary.seconds > 0
    assert "676 parameters" in str(summary)


def test_notebooks_get_html_with_names_escaped():
    def named(x):
        with jax.named_scope("<script>alert(1)</script>"):
            return x + 1

    bundle = tg.function(named).graph(ones(3)).summary()._repr_mimebundle_((), ())
    assert "alert(1)" in bundle["text/html"]
    assert "<script>" not in bundle["text/html"]


def test_diff():
    def before(x):
        return jnp.sin(x) * 2

    def after(x):
        return jnp.maximum(jnp.sin(x) * 3, 0)

    a, b = (tg.function(f).graph(ones(8)) for f in (before, after))
    found = tg.diff(a, b)
    assert found
    assert not tg.diff(a, a)
    assert (found.same, len(found.changed), len(found.added)) == (1, 1, 1)
    text = str(found)
    assert text.startswith(
        "@before to @after: 1 operations the same, 1 changed, 0 removed, 1 added"
    )
    assert "\n+ %" in text
    assert "\n~ %" in text
    assert "it costs the same" in str(tg.diff(a, a))


def test_diff_of_captured_and_optimized():
    trace = tg.function(lambda x: (jax.nn.relu(x), jnp.sin(x), jnp.sin(x))).trace(ones(8))
    found = tg.diff(trace.captured, trace.optimized)
    assert [op.name for op in found.removed].count("sin") == 1


def test_the_compiler_alone_says_what_to_import():
    code = (
        "from compiler.ir.parser import parse_graph\n"
        "text = 'tracegraph.ir 1\\ngraph @f(%x: f32[]) -> (f32[]) {\\n  return %x\\n}\\n'\n"
        "g = parse_graph(text)\n"
        "try:\n    g.table()\nexcept Exception as error:\n    print(error)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "this graph has no table yet" in run.stdout
    assert "import tracegraph first" in run.stdout
