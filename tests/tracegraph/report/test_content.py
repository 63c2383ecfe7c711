"""What a report says: sums, stages, lines and inputs, against plain facts of the graph."""

from __future__ import annotations

import itertools
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental import pallas as pl

import tracegraph as tg
from compiler.analysis.cost import graph_cost
from compiler.analysis.liveness import memory_timeline, peak_memory
from compiler.ir.walk import count_ops
from tracegraph.rules import Numerics, Rule, example, op, var


@tg.function
def looped(x, w):
    def step(carry, row):
        carry = jnp.tanh(carry @ w + row)
        return carry, carry.sum()

    last, sums = jax.lax.scan(step, x[0], x)
    return jax.lax.cond(sums.sum() > 0, lambda: last * 2, lambda: jnp.exp(last))


X, W = jnp.ones((6, 4)), jnp.ones((4, 4))


@pytest.fixture(scope="module")
def content():
    return looped.report(X, W).content


def last_ops(content):
    return [op for op, *_ in content["stages"][-1]["ops"]]


def test_it_is_plain_json(content):
    assert json.loads(json.dumps(content, allow_nan=False))["function"] == "looped"


def test_the_costs_of_ops_add_up_to_the_graph(content):
    cost = graph_cost(looped.graph(X, W))
    ops = [content["ops"][op] for op in last_ops(content)]
    assert sum(op.get("f", 0) for op in ops) == cost.flops > 0
    assert sum(op.get("b", 0) for op in ops) == cost.bytes > 0
    assert sum(op.get("x", 0) for op in ops) == cost.transcendentals > 0
    assert content["summary"]["flops"][1] == cost.flops


def test_the_costs_of_lines_add_up_to_the_graph(content):
    cost = graph_cost(looped.graph(X, W))
    assert sum(row[3] for row in content["lines"]) == cost.flops


def test_a_dot_in_a_scan_counts_its_trips_on_its_line(content):
    text = {tuple(place): line for place, line in lines_of(content)}
    (flops,) = [row[3] for row in content["lines"] if "carry @ w" in text[(row[0], row[1])]]
    assert flops >= 6 * 2 * 4 * 4


def lines_of(content):
    for number, file in enumerate(content["files"]):
        for line, text in file["lines"]:
            yield (number, line), text


def test_the_source_is_the_function_of_the_user(content):
    first = content["files"][0]
    assert first["path"] == __file__
    texts = [text for _, text in first["lines"]]
    assert "def looped(x, w):" in texts
    assert "    last, sums = jax.lax.scan(step, x[0], x)" in texts
    assert "def lines_of(content):" not in texts


def test_stages_are_those_of_the_trace(content):
    trace = looped.trace(X, W)
    names = [stage["name"] for stage in content["stages"]]
    assert names == ["captured", *(stage.name for stage in trace.stages)]
    assert content["summary"]["ops"] == [count_ops(trace.captured), count_ops(trace.optimized)]


def test_every_stage_is_the_one_before_with_its_change(content):
    stages = content["stages"]
    for before, after in itertools.pairwise(stages):
        old, new = ({op for op, *_ in stage["ops"]} for stage in (before, after))
        changed = dict(after["changed"])
        assert new - old == set(after["added"]) | set(changed)
        assert old - new == set(after["removed"]) | set(changed.values())


def test_inputs_are_earlier_rows_of_the_stage(content):
    for stage in content["stages"]:
        numbers = {op for op, *_ in stage["ops"]}
        assert len(numbers) == len(stage["ops"])
        assert all(set(inputs) <= numbers for *_, inputs in stage["ops"])
        assert all(parent in numbers for _, parent, *_ in stage["ops"] if parent >= 0)


def test_ops_in_a_loop_stand_in_the_loop(content):
    (scan,) = [op for op in last_ops(content) if content["ops"][op]["n"] == "scan"]
    stage = content["stages"][-1]
    inside = {content["ops"][op]["n"] for op, parent, *_ in stage["ops"] if parent == scan}
    assert {"inputs", "dot_general", "tanh", "yield"} <= inside


def test_memory_is_that_of_the_analysis(content):
    graph = looped.graph(X, W)
    sizes = [size for _, size in content["memory"]["points"]]
    assert sizes == [size for _, size in memory_timeline(graph)]
    assert content["memory"]["peak"] == peak_memory(graph).nbytes == max(sizes)
    alive = sum(row["bytes"] for row in content["memory"]["alive"])
    assert 0 < alive <= content["memory"]["peak"]


def test_inputs_say_what_is_donated_captured_and_read():
    table = jnp.asarray(np.arange(2000, dtype=np.float32))

    @tg.function(donate_argnums=0, keep_unused=True)
    def look_up(buffer, unused, index):
        return buffer + table[index]

    rows = look_up.report(jnp.zeros(()), jnp.zeros(3), 5).content["inputs"]
    facts = {row["name"]: (row["donated"], row["captured"], row["read"]) for row in rows}
    assert facts["buffer"] == (True, False, True)
    assert facts["unused"] == (False, False, False)
    assert (False, True, True) in facts.values()


def test_shardings_are_told():
    mesh = jax.make_mesh((8,), ("rows",), axis_types=(jax.sharding.AxisType.Explicit,))
    rows = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("rows"))

    @tg.function
    def double(x):
        return x * 2

    (row,) = double.report(jax.device_put(jnp.ones(16), rows)).content["inputs"]
    assert "rows" in row["sharding"]


def test_constants_have_their_sizes():
    numbers = np.arange(100, dtype=np.float32)

    @tg.function
    def shift(x):
        return x + numbers

    rows = shift.report(jnp.ones(100)).content["constants"]
    assert rows[0]["bytes"] == 400
    assert rows[0]["value"].startswith("resource(")


def test_groups_and_kernels_name_ops_of_the_graph(content):
    numbers = set(last_ops(content))
    assert content["kernels"]
    assert content["kernels_problem"] == ""
    assert any(kernel["ops"] for kernel in content["kernels"])
    assert all(set(kernel["ops"]) <= numbers for kernel in content["kernels"])
    assert all(set(group["ops"]) <= numbers for group in content["groups"])


def test_predicted_groups_have_their_fate():
    @tg.function
    def chain(x):
        return jnp.sum(jnp.sin(x) * 2 + 1)

    (group,) = chain.report(jnp.ones(4096)).content["groups"]
    assert group["verdict"]


def test_rules_that_fired_and_near_misses_have_lines_and_reasons():
    @tg.function
    def twice(x):
        return jnp.transpose(jnp.transpose(x @ x))

    rewrites = twice.report(jnp.ones((4, 4))).content["rewrites"]
    trace = twice.trace(jnp.ones((4, 4)))
    assert {row["rule"] for row in rewrites["missed"]} == set(trace.near_misses)
    assert sum(row["times"] for row in rewrites["fired"]) == len(trace.rewrites)
    assert [row["name"] for row in rewrites["passes"]] == [run.title for run in trace.passes]
    assert all(row["reason"] and row["line"] for row in rewrites["missed"])


def test_a_rule_of_the_users_own_says_its_law():
    x = var("x")
    law = Rule(
        name="log-of-exp",
        law="log(exp(x)) = x",
        pattern=op.log(op.exp(x)),
        replace=lambda m: m.x,
        numerics=Numerics.FINITE,
        transparent=True,
        examples=(example(lambda x: jnp.log(jnp.exp(x)), "f32[n]"),),
    )

    @tg.function(rules=[law], numerics="fast")
    def f(x):
        return jnp.log(jnp.exp(x))

    (row,) = f.report(jnp.ones(4)).content["rewrites"]["fired"]
    assert (row["rule"], row["law"]) == ("log-of-exp", "log(exp(x)) = x")


def test_what_stands_out_among_the_kernels_is_said():
    wide = jax.ShapeDtypeStruct((1024, 1024), jnp.float32)
    findings = tg.function(lambda x: jnp.sin(x @ x) @ x).report(wide).content["findings"]
    assert any(line.startswith("written and read again: 4.19 MB") for line in findings)
    assert tg.function(jnp.sin).report(jnp.ones(8)).content["findings"] == []


def test_a_kernel_inside_an_opaque_op_has_its_lines_and_the_rest_is_said():
    def double(x_ref, o_ref):
        o_ref[...] = jnp.sin(x_ref[...])

    def run(x):
        return pl.pallas_call(double, jax.ShapeDtypeStruct(x.shape, x.dtype), interpret=True)(x)

    content = tg.function(run).report(jnp.ones(64)).content
    assert content["notes"] == [
        "The arithmetic of 1 opaque operations is not counted: pallas_call."
    ]
    assert all(not kernel["lines"] for kernel in content["kernels"] if kernel["ops"])
    assert tg.function(jnp.sin).report(jnp.ones(64)).content["notes"] == []


def test_no_law_is_blank():
    @tg.function
    def twice(x):
        return jnp.transpose(jnp.transpose(x @ x))

    rewrites = twice.report(jnp.ones((4, 4))).content["rewrites"]
    assert all(row["law"] for row in [*rewrites["fired"], *rewrites["missed"]])


@pytest.mark.parametrize(
    ("fun", "args"),
    [
        (lambda: 1, ()),
        (lambda x: x, (jnp.zeros((0, 3)),)),
        (lambda x: {"a": (x, None), "b": []}, (jnp.float32(1),)),
        (lambda x: x * 2, (jax.ShapeDtypeStruct((3,), jnp.bfloat16),)),
        (lambda key: jax.random.normal(key, (2,)), (jax.random.key(0),)),
    ],
    ids=["nothing", "empty", "pytree", "abstract", "key"],
)
def test_odd_functions_have_reports(fun, args):
    report = tg.function(fun).report(*args)
    assert report.error is None
    assert report.content["error"] is None
    assert report.html


def test_keywords_static_arguments_and_passes():
    @tg.function(static_argnames="power", passes="inline,dce")
    def raised(x, *, power):
        return x**power

    content = raised.report(jnp.ones(3), power=3).content
    assert "integer_pow" in [content["ops"][op]["n"] for op in last_ops(content)]


def test_nothing_is_run_and_nothing_donated():
    ran = []

    @tg.function(donate_argnums=0)
    def step(x):
        jax.debug.callback(lambda: ran.append(1))
        return x + 1

    x = jnp.ones(3)
    step.report(x)
    jax.effects_barrier()
    assert ran == []
    assert not x.is_deleted()
