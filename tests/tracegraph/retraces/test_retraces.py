"""Every trace with its cause, in the caller's terms."""

import re
import threading
import time
import warnings
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import tracegraph as tg
from compiler.lowering import jax_compat
from tracegraph.retraces.causes import OTHERS, changes, nearest_changes
from tracegraph.retraces.described import Described, Leaf


def line_of(mark):
    """The number of the line of this file that ends in a mark."""
    lines = Path(__file__).read_text().splitlines()
    return next(i for i, line in enumerate(lines, 1) if line.endswith(f"# {mark}"))


def cause_of(first, second, **options):
    """The cause of the second of two calls."""

    def fun(x, y=0):
        return jax.tree.map(jnp.negative, x)

    step = tg.function(fun, **options)
    step(*first)
    step(*second)
    return step.retraces()[-1].cause


X = np.ones((2, 3), np.float32)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ((X,), (X[:1],), "shape of x: (2, 3) -> (1, 3)"),
        ((X,), (X.astype(np.int32),), "dtype of x: float32 -> int32"),
        ((jnp.float32(1),), (1.0,), "weak type of x: strong -> weak"),
        (({"a": X},), ({"a": X, "b": X},), "structure of x: nothing -> x['b']"),
        (([X, X],), ([X],), "structure of x: x[1] -> nothing"),
        (({"w": [X]},), ({"w": [X[0]]},), "shape of x['w'][0]: (2, 3) -> (3,)"),
        (([X],), ((X,),), "structure of x: PyTreeDef([*]) -> PyTreeDef((*,))"),
        ((X,), (X, 1), "structure of y: nothing -> y"),
    ],
)
def test_what_changed_in_the_arguments(first, second, expected):
    assert str(cause_of(first, second)) == expected


def test_a_static_value():
    found = cause_of((X, "a"), (X, "b"), static_argnames="y")
    assert str(found) == "static value of y: a -> b"


class Silent:
    """Values of one text."""

    def __init__(self, number):
        self.number = number

    def __hash__(self):
        return self.number

    def __eq__(self, other):
        return isinstance(other, Silent) and self.number == other.number

    def __repr__(self):
        return "Silent()"


@pytest.mark.parametrize(
    ("first", "second"), [((*range(99), 1), (*range(99), 2)), (Silent(1), Silent(2)), (-1, -2)]
)
def test_static_values_that_look_the_same(first, second):
    assert cause_of((X, first), (X, second), static_argnames="y").kind == "static value"


def test_a_static_value_by_its_place_that_is_passed_by_name():
    step = tg.function(lambda x, y: x + len(y), static_argnums=1)
    step(X, y="a")
    step(X[:1], y="a")
    assert str(step.retraces()[-1].cause) == "shape of x: (2, 3) -> (1, 3)"
    step(X[:1], y="b")
    assert str(step.retraces()[-1].cause) == "static value of y: a -> b"


def test_a_static_value_by_its_place_from_the_end():
    found = cause_of((X, "a"), (X, "b"), static_argnums=-1)
    assert str(found) == "static value of y: a -> b"


def test_a_setting_of_jax():
    step = tg.function(lambda x: x + 1)
    step(X)
    with jax.default_matmul_precision("highest"):
        step(X)
    assert step.retraces()[-1].cause.path == "jax_default_matmul_precision"
    assert step.retraces()[-1].cause.kind == "configuration"


def test_a_placement_compiles_again_without_a_trace():
    step = tg.function(lambda x: x + 1)
    step(jnp.ones(3))
    step(jax.device_put(jnp.ones(3), jax.devices()[1]))
    rows = step.retraces()
    assert [row.traced for row in rows] == [True, False]
    assert rows[1].cause.kind == "sharding"
    assert rows[1].trace_ms == 0


def test_a_cleared_cache():
    step = tg.function(lambda x: x + 1)
    step(X)
    step.clear_cache()
    step(X)
    assert step.retraces()[-1].cause.kind == "cleared"


def test_the_nearest_call_counts():
    step = tg.function(lambda x, y: x + y)
    step(X, X)
    step(X[:1], X[:1])
    step(X, X[:1])
    assert [str(change) for change in step.retraces()[-1].changes] == [
        "shape of x: (1, 3) -> (2, 3)"
    ]


def test_where_and_how_long():
    step = tg.function(lambda x: jnp.sin(x))
    step(X)  # the call
    row = step.retraces()[0]
    assert row.site == f"{__file__}:{line_of('the call')}"
    assert min(row.trace_ms, row.passes_ms, row.lowering_ms, row.compile_ms) > 0
    assert str(row.cause) == "the first trace"


def test_a_hit_enters_nothing():
    step = tg.function(lambda x: x + 1)
    for _ in range(5):
        step(X)
    assert len(step.retraces()) == 1


def test_the_table():
    step = tg.function(lambda x: x + 1)
    step(X)
    step(X[:1])
    text = str(step.retraces())
    assert text.startswith("<lambda>: 2 traces, 0 more compilations\n")
    assert "shape of x: (2, 3) -> (1, 3)" in text


def test_one_warning_after_the_third_trace_for_one_cause():
    step = tg.function(lambda x: x + 1)
    step(np.ones(1))
    step(np.ones(2))
    step(np.ones(3))
    with pytest.warns(tg.RetraceWarning, match=r"3 times for one cause: shape of x.*pad") as seen:
        step(np.ones(4))
    assert seen[0].filename == __file__
    step(np.ones(5))  # once only: a second would be an error here


def test_the_warning_says_how_long_it_took():
    def slow(x):
        time.sleep(0.05)
        return x + 1

    step = tg.function(slow)
    for size in range(1, 4):
        step(np.ones(size))
    with pytest.warns(tg.RetraceWarning) as seen:
        step(np.ones(4))
    assert int(re.search(r"took (\d+) ms", str(seen[0].message))[1]) >= 50


def test_a_function_and_what_wraps_it_have_histories_of_their_own():
    def loss(x):
        return jnp.sum(jnp.sin(x))

    steps = [tg.function(fun) for fun in (loss, jax.grad(loss), jax.vmap(loss))]
    for step in steps:
        step(X[0] if step is not steps[-1] else X)
    assert [len(step.retraces()) for step in steps] == [1, 1, 1]
    tg.function(jax.grad(loss))(X[0])
    assert [len(step.retraces()) for step in steps] == [1, 2, 1]


def test_equal_code_of_two_files_has_two_histories():
    def made(path):
        names = {}
        exec(compile("f = lambda x: x + 1", path, "exec"), names)
        return tg.function(names["f"])

    first, second = made("one.py"), made("two.py")
    first(X), second(X)
    assert [len(step.retraces()) for step in (first, second)] == [1, 1]


def test_a_function_decorated_in_a_loop_is_warned_of():
    def once():
        return tg.function(lambda x: x + 1)(X)

    def loop():
        for _ in range(6):
            once()

    with pytest.warns(tg.RetraceWarning, match="outside the loop") as seen:
        loop()
    assert len(seen) == 1


def test_a_function_decorated_anew_by_many_callers_is_not():
    def once():
        return tg.function(lambda x: x + 1)(X)

    for _ in range(2):  # a loop that the calls are not in
        pass
    once(), once(), once(), once(), once(), once()


def test_functions_that_close_over_other_things_are_other_functions():
    def scaled(by):
        return tg.function(lambda x: x * by)

    steps = [scaled(float(i)) for i in range(6)]
    for step in steps:
        step(X)
    assert len(steps[-1].retraces()) == 6


def test_a_trace_inside_another():
    inner = tg.function(lambda x: x + 1)
    outer = tg.function(lambda x: inner(x) * inner(x))
    outer(X)
    assert len(inner.retraces()) == 1
    assert inner.retraces()[0].site.startswith(__file__)


def test_objects_are_named_by_their_parts():
    step = tg.function(lambda model, x: model(x))
    step(nnx.Linear(3, 2, rngs=nnx.Rngs(0)), X)
    step(nnx.Linear(3, 4, rngs=nnx.Rngs(0)), X)
    assert str(step.retraces()[-1].cause) == "attribute of model.out_features: 2 -> 4"
    same = nnx.Linear(3, 2, rngs=nnx.Rngs(0))
    same.kernel = nnx.Param(same.kernel[...].astype(jnp.bfloat16))
    step(same, X)
    assert "dtype of model.kernel: float32 -> bfloat16" in str(step.retraces()[-1])


def test_a_mode_of_an_object_is_named_by_its_attribute():
    step = tg.function(lambda models, x: models["a"](x))
    model = nnx.Sequential(nnx.Linear(3, 2, rngs=nnx.Rngs(0)), nnx.Dropout(0.5, rngs=nnx.Rngs(1)))
    step({"a": model}, X)
    model.eval()
    step({"a": model}, X)
    found = [str(change) for change in step.retraces()[-1].changes]
    assert found == ["attribute of models['a'].layers.1.deterministic: False -> True"]


def test_too_many_traces():
    step = tg.function(lambda x: x + 1, max_traces=1)
    step(X)
    with pytest.raises(tg.BudgetError) as caught:
        step(X[:1])  # one too many
    assert str(caught.value).splitlines() == [
        "<lambda> is over its budget of traces",
        f"  where: {__file__}:{line_of('one too many')}",
        "  expected: at most 1",
        "  found: trace number 2, for shape of x: (2, 3) -> (1, 3)",
        "  what to do: print(function.retraces()) lists its traces; raise the budget if this is "
        "right",
    ]


@pytest.mark.parametrize(
    ("budget", "found"),
    [
        ({"max_ops": 1}, "operations"),
        ({"max_peak_bytes": 10}, "bytes"),
        ({"max_compile_seconds": 0}, "seconds"),
    ],
)
def test_other_budgets(budget, found):
    def fun(x):
        return jnp.sin(x) + jnp.cos(x)

    with pytest.raises(tg.BudgetError, match=f"over its budget of .*{found}"):
        tg.function(fun, **budget)(X)
    enough = dict.fromkeys(budget, 10**6)
    np.testing.assert_allclose(tg.function(fun, **enough)(X), fun(X), rtol=1e-6)


@pytest.mark.parametrize("value", [-1, "3"])
def test_what_is_no_budget(value):
    with pytest.raises(tg.TracegraphError, match="max_traces is no budget"):
        tg.function(lambda x: x, max_traces=value)


def test_expectations():
    step = tg.function(lambda x: x + 1)
    with tg.expect(traces=1, compile_seconds=100):
        step(X)
        step(X)
    with tg.expect(traces=0):
        step(X)
    with (
        pytest.raises(tg.BudgetError, match=r"found: 1:\n    <lambda>, shape of x"),
        tg.expect(traces=0),
    ):
        step(X[:1])
    with pytest.raises(tg.BudgetError, match="at most 0 seconds"), tg.expect(compile_seconds=0):
        step(X[:1, :1])


def test_expectations_are_those_of_one_thread():
    thread = threading.Thread(target=lambda: tg.function(lambda x: x + 3)(X))
    with tg.expect(traces=0):
        thread.start()
        thread.join()


def test_an_error_in_the_block_comes_first():
    with pytest.raises(ValueError, match="mine"), tg.expect(traces=1):
        raise ValueError("mine")


def test_functions_with_effects():
    step = tg.function(lambda x: jax.debug.callback(lambda v: None, x))
    for _ in range(3):
        step(X)
    jax.effects_barrier()
    assert len(step.retraces()) == 1


def test_a_signature_without_effects_beside_one_that_has_some():
    def f(x, loud):
        if loud:
            jax.debug.callback(lambda v: None, x)
        return x + 1

    step = tg.function(f, static_argnames="loud")
    for loud in (True, False, False):
        step(X, loud=loud)
    jax.effects_barrier()
    assert len(step.retraces()) == 2
    assert step.retraces()[1].compile_ms > 0


def test_each_signature_with_effects_is_asked_for_its_budget():
    def f(x):
        jax.debug.callback(lambda v: None, x)
        return jnp.sin(x) + jnp.cos(x) if x.size > 6 else x

    step = tg.function(f, max_ops=2)
    step(X)
    step(X)
    with pytest.raises(tg.BudgetError):
        step(jnp.ones(7))
    jax.effects_barrier()


def test_tracing_twice_the_same_is_one_trace():
    step = tg.function(lambda x: x + 1)
    step.graph(X)
    step(X)
    assert len(step.retraces()) == 1
    assert jax_compat.at_top_level()


def test_one_trace_for_all_sizes_is_one():
    step = tg.function(lambda x: x + 1, input_signature=[tg.Spec(("n",), "float32")], max_traces=1)
    for size in range(1, 7):
        step(np.ones(size, np.float32))
    assert [row.traced for row in step.retraces()] == [True] + [False] * 5


def test_static_leaves_are_static_values():
    step = tg.function(lambda x, config: x, static_nonarrays=True)
    step(X, {"mode": "a"})
    step(X, {"mode": "b"})
    assert str(step.retraces()[-1].cause) == "static value of config['mode']: 'a' -> 'b'"


def test_other_options_make_another_function():
    for level in ("exact", "rounding", "reassociate", "fast", "exact", "fast"):
        tg.function(jnp.negative, numerics=level)(X)


@pytest.mark.parametrize("options", [{}, {"static_argnames": "s"}])
def test_an_argument_by_name_that_was_passed_by_position(options):
    step = tg.function(lambda x, s: x * s, **options)
    step(X, 2)
    step(X, s=2)
    (change,) = step.retraces()[-1].changes
    assert (change.kind, change.path) == ("passing", "s")
    assert str(change) == "passing of s: by position -> by name"


def test_calls_of_the_same_function_object_come_before_all_others():
    def scaled(by):
        return tg.function(lambda x: x * by)

    first, second = scaled(1.0), scaled(2.0)
    first(np.ones(2, np.float32))
    second(np.ones(3, np.int32))
    second(np.ones(2, np.float32))
    assert {change.kind for change in second.retraces()[-1].changes} == {"shape", "dtype"}


def test_of_other_function_objects_only_the_latest_few_are_compared(monkeypatch):
    def call(identity, shape):
        leaf = Leaf(shape, "float32", "strong", "")
        return Described({"x": leaf}, {}, {"x": "*"}, {}, identity, ())

    compared = []

    def counted(before, after):
        compared.append(before.identity)
        return changes(before, after)

    monkeypatch.setattr("tracegraph.retraces.causes.changes", counted)
    earlier = [call(i, "(3,)") for i in range(100)]
    found = nearest_changes(call(1000, "(3,)"), earlier)
    assert [change.kind for change in found] == ["function"]
    assert compared == list(range(99, 99 - OTHERS, -1))
    own = nearest_changes(call(2, "(4,)"), earlier)
    assert [change.kind for change in own] == ["shape"]


def test_of_very_many_traces_the_first_and_the_newest_are_kept():
    step = tg.function(lambda x: x)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", tg.RetraceWarning)
        for size in range(1, 262):
            step(jnp.zeros(size))
    rows = step.retraces()
    assert len(rows) == 256
    assert [row.number for row in rows[:2]] == [1, 7]
    assert rows[-1].number == 261
    assert "... 5 more were left out" in str(rows)
