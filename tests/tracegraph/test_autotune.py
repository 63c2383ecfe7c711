"""``autotune``: the choice is measured, kept on disk, bounded in time, and never breaks a call."""

from __future__ import annotations

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tracegraph as tg
from compiler.ir import walk
from compiler.lowering import hoisting
from compiler.passes.pipeline import parse_pipeline
from tracegraph import specializer, tuner, tuning
from tracegraph.tuning import Choice, Store, key_of

X = jnp.linspace(-1.0, 1.0, 128 * 4).reshape(128, 4)


def looped(x):
    total = jnp.cumsum(x, axis=0)
    return total, jax.lax.scan(lambda c, row: (c * 0.5 + row, None), x[0], x)[0]


def check(found, expected):
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5), found, expected
    )


@pytest.fixture
def prefer(monkeypatch):
    """Makes measurement say that forms with certain texts are twice as fast, and others slower."""

    def install(*wanted):
        monkeypatch.setattr(tuner._Search, "_compiled", lambda _, program, options: program)
        monkeypatch.setattr(
            tuner,
            "_ratio",
            lambda best, other, _: 2.0 if any(w in str(other.pipeline) for w in wanted) else 0.5,
        )

    return install


def tuned(tmp_path, **options):
    return tg.Autotune(folder=tmp_path, progress=False, **options)


def unroll_of(step):
    return {op.attributes["unroll"] for op in walk(step.graph(X)) if op.name == "scan"}


def test_the_faster_form_is_used(tmp_path, prefer):
    prefer("unroll{factor=4}")
    step = tg.function(looped, autotune=tuned(tmp_path))
    check(step(X), jax.jit(looped)(X))
    assert 4 in unroll_of(step)
    assert "scans unrolled by 4" in str(step.explain(X))


def test_a_kernel_that_does_not_pay_here_is_left_out(tmp_path, prefer):
    prefer("lower-platform{skip=cumsum-by-rows}")
    step = tg.function(looped, autotune=tuned(tmp_path))
    step(X)
    assert "platform_index" not in [op.name for op in walk(step.graph(X))]
    assert "without cumsum-by-rows" in str(step.explain(X))


def test_rows_in_blocks_that_do_not_pay_here_are_stored(tmp_path, prefer):
    def nearest(x, y):
        return jnp.min(x @ y.T, 1)

    prefer("tile-rows{min_elements=1024,rows=0}")
    x, y = jnp.ones((64, 4)), jnp.ones((512, 4))
    passes = "inline,tile-rows{min_elements=1024}"
    step = tg.function(nearest, passes=passes, autotune=tuned(tmp_path))
    check(step(x, y), jax.jit(nearest)(x, y))
    assert "platform_index" not in [op.name for op in walk(step.graph(x, y))]
    assert "without rows-in-blocks" in str(step.explain(x, y))


def recurrent(x, *weights):
    def step(state, row):
        state = jnp.tanh(sum((state @ w for w in weights), row))
        return state, None

    return jax.lax.scan(step, x[0], x)[0]


def drawn(shape, seed):
    return jax.random.normal(jax.random.key(seed), shape) / 128**0.5


RECURRENT = (drawn((16, 32, 128), 0), *(drawn((128, 128), seed) for seed in range(1, 5)))


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="what the CPU backend runs on a core")
def test_products_of_loops_go_to_several_cores_where_that_pays(tmp_path, prefer, monkeypatch):
    monkeypatch.setattr(tuning, "cores", lambda: 2)
    prefer("spread-dots,low")
    step = tg.function(recurrent, autotune=tuned(tmp_path))
    check(step(*RECURRENT), jax.jit(recurrent)(*RECURRENT))
    (file,) = tmp_path.glob("*.json")
    assert json.loads(file.read_text())["spread"] is True
    again = tg.function(recurrent, autotune=tuned(tmp_path))
    again(*RECURRENT)
    assert "products of scans on several cores, as measured before" in str(
        again.explain(*RECURRENT)
    )


@pytest.mark.parametrize(
    ("count", "options"),
    [
        (1, {}),
        (2, {"numerics": "exact"}),
        (2, {"numerics": "exact", "passes": "inline,rewrite"}),
        (2, {"passes": "inline,cse"}),  # which says nothing of what may be rounded
    ],
)
def test_products_of_loops_stay_on_one_core(tmp_path, prefer, monkeypatch, count, options):
    monkeypatch.setattr(tuning, "cores", lambda: count)
    prefer("spread-dots")
    step = tg.function(recurrent, autotune=tuned(tmp_path), **options)
    check(step(*RECURRENT), jax.jit(recurrent)(*RECURRENT))
    assert "several cores" not in str(step.explain(*RECURRENT))


def test_products_that_the_pipeline_takes_apart_may_be_left_whole(tmp_path, prefer):
    prefer("spread-dots{numerics=exact}")
    passes = "inline,spread-dots,lower-platform"
    step = tg.function(recurrent, autotune=tuned(tmp_path), passes=passes)
    check(step(*RECURRENT), jax.jit(recurrent)(*RECURRENT))
    assert "without scan-dots-by-columns" in str(step.explain(*RECURRENT))
    assert "concatenate" not in [op.name for op in walk(step.graph(*RECURRENT))]


def test_a_form_is_timed_once(tmp_path, monkeypatch):
    compiled = []
    monkeypatch.setattr(
        tuner._Search, "_compiled", lambda _, program, told: compiled.append(program) or program
    )
    monkeypatch.setattr(tuner, "_ratio", lambda *_: 1.0)
    tried = [Choice(("no-such-rule",)), Choice(unroll=2), Choice(unroll=2), Choice(unroll=4)]
    monkeypatch.setattr(tuner, "alternatives", lambda _: tried)
    tg.function(looped, passes="inline,cse", autotune=tuned(tmp_path))(X)
    texts = [str(program.unmarked.graph) for program in compiled]
    assert len(texts) == len(set(texts)) == 3


def test_a_form_that_fails_when_it_runs_is_no_alternative(tmp_path, monkeypatch):
    def runs_out(best, other, leaves):
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED")

    monkeypatch.setattr(tuner, "_ratio", runs_out)
    step = tg.function(looped, autotune=tuned(tmp_path))
    check(step(X), jax.jit(looped)(X))
    (file,) = tmp_path.glob("*.json")
    assert json.loads(file.read_text())["skipped"] == []


def test_several_departures_are_joined(tmp_path, prefer):
    prefer("skip=cumsum-by-rows},", "unroll{factor=2}")
    step = tg.function(looped, autotune=tuned(tmp_path))
    step(X)
    assert "without cumsum-by-rows, scans unrolled by" in str(step.explain(X))


def test_the_choice_is_kept_for_other_processes(tmp_path, prefer, monkeypatch):
    prefer("unroll{factor=8}")
    tg.function(looped, autotune=tuned(tmp_path))(X)
    (file,) = tmp_path.glob("*.json")
    assert json.loads(file.read_text())["unroll"] == 8

    def never(*_):
        raise AssertionError("measured again")

    monkeypatch.setattr(tuner, "_ratio", never)
    again = tg.function(looped, autotune=tuned(tmp_path))
    again(X)
    assert "as measured before" in str(again.explain(X))
    assert 8 in unroll_of(again)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"key": "another", "skipped": [], "unroll": 8}',
        '{"skipped": 3, "unroll": 0}',
    ],
)
def test_damaged_or_foreign_entries_count_as_missing(tmp_path, prefer, text):
    prefer("nothing")
    step = tg.function(looped, autotune=tuned(tmp_path))
    step(X)
    (file,) = tmp_path.glob("*.json")
    file.write_text(text)
    again = tg.function(looped, autotune=tuned(tmp_path))
    again(X)
    assert 8 not in unroll_of(again)
    assert json.loads(file.read_text())["unroll"] == 1  # written anew


def test_a_kept_rule_that_no_longer_exists_is_no_error(tmp_path, prefer):
    prefer("nothing")
    tg.function(looped, autotune=tuned(tmp_path))(X)
    (file,) = tmp_path.glob("*.json")
    Store(tmp_path).keep(file.stem, Choice(("a-rule-of-yore",)))
    step = tg.function(looped, autotune=tuned(tmp_path))
    check(step(X), jax.jit(looped)(X))


def test_the_key_is_of_the_graph_the_pipeline_the_options_and_the_versions(monkeypatch):
    def key(program, passes="inline,cse", **said):
        return key_of(tg.function(program).trace(X).captured, parse_pipeline(passes), said)

    plain = key(looped)
    assert key(looped) == plain
    assert key(lambda x: x + 1.0) != key(lambda x: x + 2.0)
    assert key(looped, "inline") != plain
    assert key(looped, xla_cpu_enable_fast_math=True) != plain
    monkeypatch.setattr(tuning, "version", lambda _: "0.0.0")
    assert key(looped) != plain


def test_no_time_means_no_alternatives(tmp_path):
    step = tg.function(looped, autotune=tuned(tmp_path, seconds=0))
    check(step(X), jax.jit(looped)(X))
    assert "0 alternatives timed" in str(step.explain(X))


def test_real_measurement(tmp_path):
    step = tg.function(looped, autotune=tuned(tmp_path, seconds=5))
    check(step(X), jax.jit(looped)(X))
    assert "alternatives timed" in str(step.explain(X))


def test_donated_arguments_are_given_away_once(tmp_path):
    step = tg.function(looped, autotune=tuned(tmp_path, seconds=1), donate_argnums=0)
    given = jnp.copy(X)
    check(step(given), jax.jit(looped)(X))
    assert given.is_deleted()


def test_side_effects_happen_once(tmp_path):
    seen: list[float] = []

    def told(x):
        jax.debug.callback(lambda v: seen.append(float(v)), x.sum(), ordered=True)
        return x * 2

    tg.function(told, autotune=tuned(tmp_path))(X)
    jax.effects_barrier()
    assert len(seen) == 1
    assert not list(tmp_path.glob("*.json"))


def test_a_function_looked_at_before_its_first_call_is_tuned(tmp_path, prefer):
    prefer("unroll{factor=4}")
    step = tg.function(looped, autotune=tuned(tmp_path))
    assert 4 not in unroll_of(step)
    step.trace(X).lower()
    step(X)
    assert 4 in unroll_of(step)


def test_tuning_that_fails_is_a_warning(tmp_path, monkeypatch):
    def fails(*_, **__):
        raise RuntimeError("no clock")

    monkeypatch.setattr(tuner._Search, "run", fails)
    step = tg.function(looped, autotune=tuned(tmp_path))
    with pytest.warns(tg.OptimizationWarning, match="tuning looped failed .* no clock"):
        result = step(X)
    check(result, jax.jit(looped)(X))


def test_under_a_transformation_nothing_is_timed(tmp_path):
    step = tg.function(looped, autotune=tuned(tmp_path))
    jax.grad(lambda x: step(x)[1].sum())(X)
    assert not list(tmp_path.glob("*.json"))


@pytest.mark.parametrize("seconds", [-1, float("nan"), "3", None])
def test_settings_are_checked(seconds):
    with pytest.raises(tg.TracegraphError, match="cannot be tuned in that time"):
        tg.Autotune(seconds=seconds)


@pytest.mark.parametrize("word", ["yes", 5, None])
def test_what_is_no_setting_is_an_error(word):
    with pytest.raises(tg.TracegraphError, match="cannot be tuned so") as error:
        tg.function(looped, autotune=word)
    assert repr(word) in str(error.value)


def test_a_folder_may_be_a_text(tmp_path):
    tg.function(looped, autotune=tg.Autotune(0, progress=False, folder=str(tmp_path)))(X)
    assert len(list(tmp_path.glob("*.json"))) == 1


def test_a_choice_from_disk_costs_no_pass(tmp_path, prefer, monkeypatch):
    prefer("unroll{factor=8}")
    tg.function(looped, autotune=tuned(tmp_path))(X)
    made = []
    plain = tuner.Program
    monkeypatch.setattr(tuner, "Program", lambda *a: made.append(a) or plain(*a))
    tg.function(looped, autotune=tuned(tmp_path))(X)
    assert not made


def test_the_folder_may_be_unwritable(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    step = tg.function(looped, autotune=tuned(Path(blocked), seconds=0))
    check(step(X), jax.jit(looped)(X))


OPTION = ("xla_cpu_enable_fast_min_max", True)
"""An option that every jaxlib knows."""


@pytest.fixture
def telling(monkeypatch):
    """Makes measurement say that XLA's option pays, and nothing else; what XLA is told of it."""
    told = []
    monkeypatch.setattr(tuning, "COMPILER_OPTIONS", {"cpu": (OPTION,)})
    monkeypatch.setattr(tuner._Search, "_compiled", lambda _, program, options: options)
    monkeypatch.setattr(tuner, "_ratio", lambda best, other, _: 2.0 if other != best else 0.5)
    real = jax.jit

    def noting(fun, **options):
        told.append(options.get("compiler_options"))
        return real(fun, **options)

    monkeypatch.setattr(specializer.jax, "jit", noting)
    return told


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="options of the CPU backend")
def test_an_option_of_xla_that_pays_is_used_and_kept(tmp_path, telling):
    for words in ("2.00 times faster", "as measured before"):
        step = tg.function(looped, autotune=tuned(tmp_path))
        check(step(X), jax.jit(looped)(X))
        assert telling[-1] is None or telling[-1] == dict([OPTION])
        assert dict([OPTION]) in telling
        assert "xla_cpu_enable_fast_min_max=True" in str(step.explain(X))
        assert words in str(step.explain(X))
        with jax.no_tracing():
            step(X)
        step.lower(X).compile()
        telling.clear()


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="options of the CPU backend")
def test_what_the_user_tells_xla_stays(tmp_path, telling):
    mine = {OPTION[0]: False}
    step = tg.function(looped, autotune=tuned(tmp_path), compiler_options=mine)
    check(step(X), jax.jit(looped)(X))
    assert [told for told in telling if told] == [mine] * len([t for t in telling if t])


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="options of the CPU backend")
def test_an_option_beside_large_captured_arrays(tmp_path, telling, monkeypatch):
    monkeypatch.setattr(hoisting, "MIN_TOTAL", 1 << 10)
    monkeypatch.setattr(hoisting, "MIN_BYTES", 1 << 10)
    w = jnp.eye(64)
    step = tg.function(lambda x: x @ w + 1, autotune=tuned(tmp_path))
    np.testing.assert_array_equal(step(jnp.ones((2, 64))), 2)
    assert dict([OPTION]) in telling


def test_an_option_that_jaxlib_does_not_know_is_no_alternative(tmp_path, monkeypatch):
    options = {jax.default_backend(): (("xla_no_such_option", True),)}
    monkeypatch.setattr(tuning, "COMPILER_OPTIONS", options)
    step = tg.function(lambda x: x + 1, autotune=tuned(tmp_path))
    np.testing.assert_array_equal(step(X), X + 1)
    assert "xla_no_such_option" not in str(step.explain(X))


def test_a_kept_option_that_is_no_longer_tried_is_left_out(tmp_path, prefer, monkeypatch):
    prefer("nothing")
    tg.function(looped, autotune=tuned(tmp_path))(X)
    (file,) = tmp_path.glob("*.json")
    Store(tmp_path).keep(file.stem, Choice(options=(("xla_of_yore", True),)))
    assert Store(tmp_path).find(file.stem) == Choice()
