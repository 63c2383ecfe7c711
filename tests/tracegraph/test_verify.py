"""``step.verify``: right functions pass, and the first wrong rewrite is named with its line."""

from __future__ import annotations

import dataclasses
import inspect
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.experimental import io_callback

import tracegraph as tg
from compiler.passes.rewrite import Rewrite
from compiler.rewrite.numerics import Numerics
from tests.differential.test_effects import new_ref
from tests.tracegraph.broken_passes import OneUlp, WrongSign, WrongType, pipeline
from tracegraph.rules import Rule, num, op, var
from tracegraph.verification import COMPILED, OP_BY_OP

X = jnp.arange(4.0) + 0.5


def program(x: Any, n: Any) -> Any:
    twice = jnp.sin(x) + jnp.sin(x)  # the sines
    kept = jax.nn.relu(twice)

    def body(c: Any, y: Any) -> Any:
        c = c * y
        return c + y, c  # the addition in the loop

    total, rows = lax.scan(body, kept[0], kept)
    return {"total": total, "rows": rows, "best": rows.argmax(), "n": n}


def line_of(function: Any, text: str) -> int:
    """The line of this file in a function that holds some text."""
    lines, first = inspect.getsourcelines(function)
    return first + next(i for i, line in enumerate(lines) if text in line)


def verify(passes: Any, *arguments: Any, **options: Any) -> Any:
    return tg.function(program, passes=passes).verify(*(arguments or (X, 3)), **options)


def test_the_default_pipeline_is_right() -> None:
    found = verify(None)
    assert found.ok
    assert found.culprit is None
    assert found.inputs == (
        "as given",
        *("few ulps #1", "one percent #1", "few ulps #2", "one percent #2"),
    )
    assert [(row.output, row.type, row.compared) for row in found.rows] == [
        (name, type, compared)
        for compared in (OP_BY_OP, COMPILED)
        for name, type in [
            *(("['best']", "i32[]"), ("['n']", "i32[]")),
            *(("['rows']", "f32[4]"), ("['total']", "f32[]")),
        ]
    ]


def test_passes_that_keep_every_bit_are_held_to_it() -> None:
    found = verify("inline,canonicalize,fold-constants,cse,dce,fuse")
    assert found.ok
    assert found.numerics is Numerics.EXACT
    assert all(row.difference.same_bits for row in found.rows if row.compared == OP_BY_OP)


def test_one_ulp_is_found_and_its_pass_and_line_named() -> None:
    found = verify(pipeline("inline,canonicalize,cse,dce", OneUlp(), "dce,fuse"))
    assert not found.ok
    assert (found.culprit.step, found.culprit.rule) == ("5 one-ulp", "one-ulp-rule")
    assert found.culprit.location.frame.file == __file__
    assert found.culprit.location.frame.line == line_of(program, "# the sines")
    rows = {row.output: row for row in found.rows if row.compared == OP_BY_OP}
    assert not rows["['rows']"].ok
    assert rows["['n']"].ok


@pytest.mark.parametrize("numerics", ["rounding", "reassociate", "fast"])
def test_one_ulp_is_a_rounding(numerics: str) -> None:
    found = verify(pipeline("cse", OneUlp()), numerics=numerics)
    assert found.ok
    worst = max(row.difference.ulps for row in found.rows)
    assert worst > 0
    allowed = [row.allowed for row in found.rows if row.difference.ulps == worst]
    assert 0 < allowed[0] < 1e-3


@pytest.mark.parametrize("numerics", ["exact", "rounding", "reassociate", "fast"])
def test_a_wrong_sign_in_a_loop_is_found_under_every_class(numerics: str) -> None:
    found = verify(pipeline("inline,cse,dce", WrongSign(), "cse,dce"), numerics=numerics)
    assert not found.ok
    assert (found.culprit.step, found.culprit.rule) == ("4 wrong-sign", "wrong-sign-rule")
    assert found.culprit.location.frame.line == line_of(program, "# the addition in the loop")


def test_the_first_of_several_wrong_rewrites_is_named() -> None:
    found = verify(pipeline("dce", OneUlp(), "cse", WrongSign(), "fuse"))
    assert found.culprit.step == "2 one-ulp"
    found = verify(pipeline("dce", WrongSign(), "cse", OneUlp(), "fuse"))
    assert found.culprit.step == "2 wrong-sign"


def test_a_graph_that_cannot_run_is_wrong_and_its_rewrite_named() -> None:
    passes = pipeline("canonicalize", WrongType(), "fuse")
    found = tg.function(lambda x: jnp.cos(x) * 2, passes=passes).verify(X, seeds=0)
    assert not found.ok
    assert found.error.startswith(
        "the optimized graph cannot be run on the inputs as given: a result of cos has another type"
    )
    assert found.culprit.step == "2 wrong-type"
    assert found.error in str(found)


def test_a_wrong_export_is_no_rewrites_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = jax.make_jaxpr(lambda x: x * 2)(X)
    monkeypatch.setattr("tracegraph.program.export_jaxpr", lambda graph: wrong)
    monkeypatch.setattr("tracegraph.runs.export_jaxpr", lambda graph: wrong)
    found = tg.function(lambda x: jnp.sin(x) + jnp.sin(x)).verify(X)
    assert [(row.compared, row.ok) for row in found.rows] == [(OP_BY_OP, True), (COMPILED, False)]
    assert found.culprit is None
    assert found.notes == ("no rewrite is to blame: it is wrong before the first of them",)


def test_the_report_is_a_table() -> None:
    text = str(verify(pipeline("cse", WrongSign())))
    lines = text.splitlines()
    assert lines[0].startswith("@program, numerics exact: WRONG on 5 inputs (as given, few ulps #1")
    assert lines[1].split() == [
        *("output", "type", "compared", "ulps", "relative", "allowed", "verdict")
    ]
    assert lines[2].split()[:4] == ["['best']", "i32[]", "op", "by"]
    (rows,) = [line for line in lines if "['rows']" in line and "op by op" in line]
    assert "WRONG at [" in rows
    assert ", on " in rows
    line = line_of(program, "# the addition in the loop")
    assert lines[-1].startswith(
        "first broken by the rule wrong-sign-rule in step `2 wrong-sign`, change "
    )
    assert lines[-1].endswith(f"{__file__}:{line} (program.<locals>.body)")


def test_a_long_report_leaves_out_what_is_the_same() -> None:
    text = str(tg.function(lambda x: [x + i for i in range(50)]).verify(X))
    assert len(text.splitlines()) == 2 + 24 + 1
    assert text.endswith("  and 76 more rows, all with the same bits")


def test_edge_values_only_where_asked_for() -> None:
    seen: list[bool] = []

    def look(v: Any) -> Any:
        seen.append(bool(np.isfinite(v).all()))
        return np.asarray(v)

    def f(x: Any) -> Any:
        y = jax.pure_callback(look, jax.ShapeDtypeStruct(x.shape, x.dtype), x)
        return jnp.log(y) + jnp.log(y)

    for edge_values in (False, True):
        seen.clear()
        found = tg.function(f, passes="cse").verify(X, edge_values=edge_values)
        assert found.ok
        assert ("edge values #1" in found.inputs) is edge_values
        assert all(seen) is not edge_values


def test_no_seeds_runs_the_given_arguments_only() -> None:
    assert verify(None, seeds=0).inputs == ("as given",)


def test_integers_are_not_moved() -> None:
    found = tg.function(lambda i, k: (jnp.arange(9)[i], jax.random.bits(k))).verify(
        jnp.array([3, 4]), jax.random.key(0)
    )
    assert found.ok
    assert found.inputs == ("as given",)


def test_static_keyword_and_donated_arguments() -> None:
    x = X + 0
    f = tg.function(lambda x, n, *, y: (x * n + y, y), static_argnums=1, donate_argnums=0)
    found = f.verify(x, 3, y=2.0)
    assert found.ok
    assert len(found.inputs) == 5
    assert not x.is_deleted()
    assert f(x, 3, y=2.0)[0].tolist() == (X * 3 + 2).tolist()
    assert x.is_deleted()


def test_the_first_call_after_it_is_a_first_call() -> None:
    def f(weights: Any, x: Any) -> Any:
        return weights - jnp.floor(x) * 2

    step = tg.function(f, donate_replaced=True)
    given, x = jnp.zeros((512, 512)), jnp.ones(512)
    assert step.verify(given, x, seeds=0).ok
    assert not given.is_deleted()
    assert step.retraces()[0].compile_ms == 0
    step(given, x)
    assert given.is_deleted()
    assert step.retraces()[0].compile_ms > 0
    assert tg.function(f)._cache_size() == 0


def test_a_second_verification_compiles_nothing_anew(options: list[Any]) -> None:
    step = tg.function(lambda x: jnp.floor(x) * 2, max_ops=1)
    assert step.verify(X, seeds=0).ok  # what a graph may cost is asked of calls
    del options[:]
    assert step.verify(X, seeds=0).ok
    assert not options


def test_trees_of_arguments_and_results() -> None:
    def f(tree: Any) -> Any:
        return {"a": tree["w"] @ tree["w"], "b": (tree["b"], None)}

    found = tg.function(f).verify({"w": jnp.ones((2, 2)), "b": np.float32(1)})
    assert found.ok
    assert {row.output for row in found.rows} == {"['a']", "['b'][0]"}


def test_a_function_that_prints_is_not_compared_compiled(
    capfd: pytest.CaptureFixture[str],
) -> None:
    def f(x: Any) -> Any:
        jax.debug.print("{x}", x=x.sum(), ordered=True)
        return x + x

    found = tg.function(f).verify(X)
    jax.effects_barrier()
    assert capfd.readouterr().out == ""
    assert found.ok
    assert [row.output for row in found.rows] == ["result", "debug calls"]
    assert found.notes == ("not compared compiled, because it would print",)


def test_what_is_printed_counts_as_a_result() -> None:
    def f(x: Any) -> Any:
        jax.debug.print("{x}", x=jnp.sin(x[0]), ordered=True)
        return x

    found = tg.function(f, passes=pipeline("cse", OneUlp())).verify(X)
    assert [(row.output, row.ok) for row in found.rows] == [
        ("result", True),
        ("debug calls", False),
    ]
    assert found.culprit.rule == "one-ulp-rule"


def test_mutable_arguments_are_compared_at_the_end_and_left_alone() -> None:
    ref = new_ref(X)

    def f(r: Any, y: Any) -> Any:
        r[...] = jnp.sin(r[...]) * y

    found = tg.function(f).verify(ref, 2.0)
    assert found.ok
    assert {row.output for row in found.rows} == {"%r, at the end"}
    assert {row.compared for row in found.rows} == {OP_BY_OP, COMPILED}
    assert ref[...].tolist() == X.tolist()
    found = tg.function(f, passes=pipeline(OneUlp())).verify(ref, 2.0)
    assert not found.ok
    assert ref[...].tolist() == X.tolist()


def test_a_mutable_array_that_is_closed_over_is_left_alone() -> None:
    ref = new_ref(X)
    found = tg.function(lambda y: ref.__setitem__(0, y)).verify(2.0)
    assert found.ok
    assert found.notes == (
        "not compared compiled, because it writes to a mutable array that it closes over",
    )
    assert ref[...].tolist() == X.tolist()


def test_a_function_with_output_of_its_own_is_refused() -> None:
    called: list[int] = []

    def f(x: Any) -> Any:
        return io_callback(
            lambda v: called.append(1) or v, jax.ShapeDtypeStruct(x.shape, x.dtype), x
        )

    with pytest.raises(tg.TracegraphError, match="@f cannot be run again and again"):
        tg.function(f).verify(X)
    assert called == []


def test_shapes_and_tracers_are_refused() -> None:
    f = tg.function(jnp.sin)
    with pytest.raises(tg.TracegraphError, match="cannot be verified without values"):
        f.verify(jax.ShapeDtypeStruct((3,), "float32"))
    with pytest.raises(tg.TracegraphError, match="cannot be verified while JAX is tracing"):
        jax.jit(lambda x: f.verify(x))(X)


def test_an_unknown_class_is_told() -> None:
    with pytest.raises(tg.TracegraphError, match="'exakt'"):
        verify(None, numerics="exakt")


x = var("x")
by_a_sum = Rule(
    name="test-elevenfold",
    law="x * 11 = x * 10 + x",
    pattern=op.mul(x, num(11.0)),
    replace=lambda m: op.add(op.mul(m.x, 10.0), m.x),
    numerics=Numerics.ROUNDING,
    normal_form="sums",
)
logarithm = Rule(
    name="test-log-of-exp",
    law="log(exp(x)) = x",
    pattern=op.log(op.exp(x)),
    replace=lambda m: m.x,
    numerics=Numerics.FINITE,
)


def elevenfold(x: Any) -> Any:
    return jnp.sin(x) * 11


@pytest.mark.parametrize(
    ("function", "level"),
    [
        (lambda x: jnp.sin(x), Numerics.EXACT),
        (elevenfold, Numerics.ROUNDING),
        (lambda x: jnp.log(jnp.exp(elevenfold(x))), Numerics.FINITE),
    ],
)
def test_the_level_is_that_of_the_rules_that_fired(function: Any, level: Numerics) -> None:
    """However much more the pipeline would admit."""
    steps = pipeline("repeat{max=2}(cse)", Rewrite(numerics="fast", extra=(by_a_sum, logarithm)))
    found = tg.function(function, passes=steps).verify(X)
    assert found.ok, str(found)
    assert found.numerics is level


@pytest.mark.parametrize("level", list(Numerics))
def test_a_level_that_is_asked_for_comes_before_theirs(level: Numerics) -> None:
    steps = pipeline("cse", Rewrite(extra=(by_a_sum,)), "dce")
    found = tg.function(elevenfold, passes=steps).verify(X, numerics=level)
    assert found.numerics is level


def test_a_rule_that_breaks_its_class_is_named() -> None:
    wrong = dataclasses.replace(by_a_sum, name="test-wrong", numerics=Numerics.EXACT)
    steps = pipeline("cse", Rewrite(extra=(wrong,)), "dce")
    found = tg.function(elevenfold, passes=steps).verify(jnp.linspace(0, 1, 100))
    assert not found.ok
    assert (found.culprit.step, found.culprit.rule) == ("2 rewrite", "test-wrong")
    assert found.culprit.location.frame.line == line_of(elevenfold, "* 11")


def test_nothing_is_compiled_anew_for_the_arguments_moved() -> None:
    f = tg.function(lambda x, y: x * y)
    f.verify(X, 2.0)
    assert f._cache_size() <= 1
