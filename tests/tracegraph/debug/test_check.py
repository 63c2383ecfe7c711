"""Checked functions: what is left alone, effects, donation, transformations, errors."""

from __future__ import annotations

import functools
import pickle
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.experimental import io_callback

import tracegraph as tg

X = jnp.arange(1.0, 5.0)
ALL = ("nan", "inf", "index", "div")
KEY = jax.random.key(0)


def _network(x: Any) -> Any:
    w = jax.random.normal(KEY, (4, 4))

    def loss(w: Any) -> Any:
        h = jax.nn.gelu(x @ w)
        return jnp.mean(jax.nn.log_softmax(h) ** 2)

    value, grad = jax.value_and_grad(loss)(w)
    return value, w - 0.1 * grad


def _batched_while(x: Any) -> Any:
    def root(v: Any) -> Any:
        return lax.while_loop(lambda r: r > 1.5, lambda r: jnp.sqrt(r - 1) + 0.2, v)

    return jax.vmap(root)(x)


FINE = {
    "network": _network,
    "softmax": lambda x: jax.nn.softmax(x.at[0].set(-jnp.inf)),
    "masked": lambda x: jnp.where(x > 2, x, -jnp.inf).max(),
    "nan goes in": lambda x: jnp.log(x * jnp.nan) + 1,
    "inf goes in": lambda x: (x * jnp.inf) * 2,
    "nan constant": lambda x: jnp.where(x > 2, jnp.nan, x),
    "negative index": lambda x: x[jnp.array([-1, -4])] + x[x[0].astype(int) * -1],
    "clipped on purpose": lambda x: jnp.take(x, jnp.array([7, -9]), mode="clip"),
    "nonzero with a size": lambda x: jnp.nonzero(x > 1, size=2),
    "bincount": lambda x: jnp.bincount(x.astype(int), length=3),
    "empty": lambda x: (x[:0] / x[:0], x[:0].sum(), jnp.zeros((0, 3)) @ jnp.zeros((3, 2))),
    "no operations": lambda x: x,
    "several loops": lambda x: lax.fori_loop(0, 3, lambda i, c: c + x[i], 0.0),
    "empty scan": lambda x: lax.scan(lambda c, v: (c / v, v), 1.0, x[:0]),
    "reversed scan": lambda x: lax.scan(lambda c, v: (c + v, c), 0.0, x, reverse=True, unroll=2),
    "while that never runs": lambda x: lax.while_loop(lambda c: c[0] < 0, lambda c: c / 0, x),
    "batched while": _batched_while,
    "branch not taken": lambda x: lax.cond(x[0] > 0, lambda v: v, lambda v: v / 0, x),
    "keys": lambda x: jax.random.uniform(jax.random.split(KEY)[0], (3,)) + x[0],
    "complex": lambda x: (jnp.exp(1j * x), jnp.fft.fft(x)),
    "integers": lambda x: (x.astype(int) // 2, x.astype(jnp.int8) % 3, x > 1),
    "bfloat16": lambda x: (x.astype(jnp.bfloat16) ** 2).sum(),
    "linear algebra": lambda x: jnp.linalg.solve(jnp.diag(x), x),
    "sorting": lambda x: (jnp.sort(x)[::-1], jnp.argsort(x), jnp.searchsorted(x, 2.5)),
    "hessian": lambda x: jax.hessian(lambda v: (v**3).sum())(x),
    "platform": lambda x: lax.platform_dependent(x, default=jnp.sin, cpu=jnp.cos),
    "integer carry": lambda x: lax.scan(lambda c, v: (c + 1, v * c), 0, x),
    "weak carry": lambda x: lax.while_loop(lambda c: c[0] < 3, lambda c: (c[0] + 1, x * 2), (0, x)),
    "associative scan": lambda x: lax.associative_scan(jnp.add, x),
    "map": lambda x: lax.map(lambda v: v**2, x, batch_size=2),
    "pytree": lambda x: {"a": (x, [x + 1]), "b": None, "c": 3},
    "custom root": lambda x: lax.custom_root(
        lambda v: v**2 - x[1], 1.0, lambda f, v: v - f(v) / 2, lambda f, y: y / f(1.0)
    ),
}


def assert_same(found: Any, expected: Any) -> None:
    """To the bit, in the same tree, of the same types."""
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert (one.dtype, one.weak_type) == (other.dtype, other.weak_type)
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", FINE)
def test_programs_that_are_fine_give_what_jit_gives(name: str) -> None:
    checked = tg.function(FINE[name], check=ALL)
    assert_same(checked(X), jax.jit(FINE[name])(X))
    assert_same(checked(X + 1), jax.jit(FINE[name])(X + 1))


def test_a_nan_that_is_masked_later_is_reported_as_by_jax() -> None:
    f = tg.function(lambda x: jnp.where(x > 2, jnp.log(x - 2), 0.0), check="nan")
    with pytest.raises(tg.CheckError, match="log made a nan"):
        f(X)


def test_stopped_elements_of_a_batch_are_not_looked_at() -> None:
    """Plain jit computes further steps of one that has stopped and throws them away."""

    def one(v: Any) -> Any:
        return lax.while_loop(lambda r: r > 0, lambda r: jnp.log(r), v)

    checked = tg.function(jax.vmap(one), check=ALL[:1])
    assert_same(checked(X * 3), jax.jit(jax.vmap(one))(X * 3))


def test_a_running_element_of_a_batch_is_looked_at() -> None:
    def one(v: Any) -> Any:
        return lax.while_loop(lambda c: c[0] < v, lambda c: (c[0] + 1, jnp.sqrt(3 - v)), (0.0, v))[
            1
        ]

    with pytest.raises(tg.CheckError) as caught:
        tg.function(jax.vmap(one), check="nan")(X)
    assert caught.value.iterations == (0,)


def test_the_message_has_four_parts() -> None:
    def loss(x: Any) -> Any:
        shifted = x - 3
        return jnp.log(shifted).sum()

    with pytest.raises(tg.CheckError) as caught:
        tg.function(loss, check="nan")(X)
    error, line = caught.value, loss.__code__.co_firstlineno + 2
    assert str(error).splitlines() == [
        "loss: the op log made a nan, at the value %log",
        f"  where: {__file__}:{line} ({loss.__qualname__})",
        "  expected: no nan, for no operand holds one",
        "  found: result %log: f32[4], -inf to 0, 2 nan, 1 inf",
        "    operand %shifted: f32[4], -2 to 1, 0 nan, 0 inf",
        f"  what to do: {error.hint}",
    ]
    assert "gradient" in error.hint
    assert [(r.name, r.nans, r.infs) for r in error.ranges] == [("log", 2, 1), ("shifted", 0, 0)]


def test_the_error_can_be_pickled() -> None:
    with pytest.raises(tg.CheckError) as caught:
        tg.function(lambda x: 1 / (x - 1), check="div")(X)
    again = pickle.loads(pickle.dumps(caught.value))
    assert type(again) is tg.CheckError
    assert (str(again), again.op, again.location) == (
        str(caught.value),
        "div",
        caught.value.location,
    )


def test_the_traceback_ends_at_the_call() -> None:
    with pytest.raises(tg.CheckError) as caught:
        tg.function(lambda x: jnp.log(-x), check="nan")(X)
    frames = [entry.path for entry in caught.traceback]
    assert not [path for path in frames if "tracegraph/" in str(path) and "tests" not in str(path)]


@pytest.mark.parametrize("check", ["nans", ("nan", "indx"), 3, ("nan", 1), True])
def test_an_unknown_check_is_one_error(check: Any) -> None:
    with pytest.raises(tg.TracegraphError, match="there is no check") as caught:
        tg.function(lambda x: x, check=check)
    assert "nan, inf" in caught.value.expected or "index, div, nan, inf" in caught.value.expected
    assert caught.value.hint


def test_suggestions() -> None:
    with pytest.raises(tg.TracegraphError, match="did you mean index"):
        tg.function(check=("indx",))(lambda x: x)


@pytest.mark.parametrize("check", [None, (), []])
def test_no_check_is_no_check(check: Any) -> None:
    assert jnp.isnan(tg.function(lambda x: jnp.log(-x), check=check)(X)).all()


def test_effects_happen_once(capfd: pytest.CaptureFixture[str]) -> None:
    calls: list[float] = []

    def f(x: Any) -> Any:
        jax.debug.print("sum {}", x.sum())
        jax.debug.callback(lambda v: calls.append(float(v)), x[0])
        y = io_callback(lambda v: calls.append(-1.0) or v, jax.ShapeDtypeStruct((4,), x.dtype), x)
        return jnp.log(y - 1 * (x[0] > 1))

    checked = tg.function(f, check="nan")
    np.testing.assert_allclose(checked(X), jnp.log(X), rtol=1e-6)
    jax.effects_barrier()
    assert sorted(calls) == [-1.0, 1.0]
    calls.clear()
    with pytest.raises(tg.CheckError) as caught:
        checked(X.at[3].set(0.5).at[0].set(1.5))
    jax.effects_barrier()
    assert sorted(calls) == [-1.0, 1.5]
    assert capfd.readouterr().out.count("sum") == 2
    assert caught.value.ranges[1].least == -0.5


def test_prints_before_the_bad_op_happen_once(capfd: pytest.CaptureFixture[str]) -> None:
    def f(x: Any) -> Any:
        def body(c: Any, v: Any) -> Any:
            jax.debug.print("step {}", v, ordered=True)
            return c + jnp.log(v), None

        return lax.scan(body, 0.0, x)[0]

    with pytest.raises(tg.CheckError) as caught:
        tg.function(f, check="nan")(X.at[2].set(-2.0))
    jax.effects_barrier()
    printed = capfd.readouterr().out.split()
    assert printed == ["step", "1.0", "step", "2.0", "step", "-2.0", "step", "4.0"]
    assert (caught.value.iterations, caught.value.ranges[1].least) == ((2,), -2.0)


def test_pure_callbacks_are_called_once() -> None:
    calls: list[int] = []

    def host(v: Any) -> Any:
        calls.append(1)
        return np.asarray(v)

    def f(x: Any) -> Any:
        return jnp.log(jax.pure_callback(host, jax.ShapeDtypeStruct((4,), x.dtype), x))

    checked = tg.function(f, check="nan")
    jax.block_until_ready(checked(X))
    assert len(calls) == 1
    with pytest.raises(tg.CheckError):
        checked(-X)
    assert len(calls) == 2


def test_nothing_is_donated() -> None:
    given = X + 0
    checked = tg.function(lambda x: x * 2, check="nan", donate_argnums=0)
    assert_same(checked(given), X * 2)
    assert_same(given, X)


def test_static_arguments_keywords_and_methods() -> None:
    class Model:
        w = X

        @functools.partial(tg.function, check="div", static_argnames=("self", "n"))
        def step(self, x: Any, *, n: int, scale: Any = 1.0) -> Any:
            return {"y": self.w * x / scale if n else x}

    model = Model()
    assert_same(model.step(X, n=1, scale=2.0), {"y": X * X / 2})
    assert_same(model.step(X, n=0, scale=0.0), {"y": X})
    with pytest.raises(tg.CheckError, match="divided by zero"):
        model.step(X, n=1, scale=0.0)


def test_the_python_runs_once_per_signature() -> None:
    traces: list[int] = []

    def f(x: Any) -> Any:
        traces.append(1)
        return x + 1

    checked = tg.function(f, check="nan")
    for _ in range(3):
        checked(X)
    checked(X[:2])
    assert len(traces) == 2


def test_references_are_written_once() -> None:
    new_ref = getattr(jax, "new_ref", None) or jax.array_ref

    def f(ref: Any, x: Any) -> Any:
        ref[...] = ref[...] + x
        return jnp.log(ref[...])

    ref = new_ref(X)
    checked = tg.function(f, check="nan")
    np.testing.assert_allclose(checked(ref, X), jnp.log(X * 2), rtol=1e-6)
    np.testing.assert_array_equal(ref[...], X * 2)
    with pytest.raises(tg.CheckError):
        checked(ref, -5 * X)
    np.testing.assert_array_equal(ref[...], X * -3)


@pytest.mark.parametrize(
    "way", [jax.jit, jax.vmap, lambda f: jax.grad(lambda x: f(x).sum()), jax.make_jaxpr]
)
def test_under_another_trace_it_is_the_plain_function(way: Any) -> None:
    def plain(x: Any) -> Any:
        return jnp.log(x)

    checked = tg.function(plain, check=ALL)
    found, expected = way(checked)(-X), way(jax.jit(plain))(-X)
    if isinstance(found, jax.Array):
        np.testing.assert_array_equal(found, expected)


def test_transformations_inside_are_checked() -> None:
    inner = tg.function(lambda x: jnp.log(x).sum())
    with pytest.raises(tg.CheckError):
        tg.function(lambda x: jax.grad(inner)(x), check="div")(X * 0)
    with pytest.raises(tg.CheckError):
        tg.function(jax.vmap(inner), check="nan")(-X)


def test_what_cannot_be_looked_into_is_checked_at_its_results() -> None:
    mesh = jax.sharding.Mesh(np.array(jax.devices()[:2]), ("i",))
    spec = jax.sharding.PartitionSpec("i")
    f = jax.shard_map(lambda x: jnp.log(x) + 1, mesh=mesh, in_specs=spec, out_specs=spec)
    checked = tg.function(f, check="nan")
    np.testing.assert_allclose(checked(X), jnp.log(X) + 1, rtol=1e-6)
    with pytest.raises(tg.CheckError, match="shard_map made a nan"):
        checked(-X)


def test_the_users_own_error_stays_what_it_was() -> None:
    def f(x: Any) -> Any:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        tg.function(f, check="nan")(X)


def test_other_doors_stay_open() -> None:
    checked = tg.function(lambda x: x + 1, check="nan")
    assert "add" in str(checked.graph(X))
    assert checked.eval_shape(X).shape == (4,)
    checked(X)
    checked.clear_cache()
    assert_same(checked(X), X + 1)


def test_sixty_four_bits(x64: None) -> None:
    x = jnp.arange(3.0)
    assert x.dtype == jnp.float64
    with pytest.raises(tg.CheckError) as caught:
        tg.function(lambda v: jnp.exp(v * 1e3), check="inf")(x)
    assert caught.value.ranges[0].infs == 2


def test_numpy_arguments_and_scalars() -> None:
    checked = tg.function(lambda x, n: x / n, check="div")
    assert_same(checked(np.arange(3.0, dtype=np.float32), 2), jnp.arange(3.0) / 2)
    with pytest.raises(tg.CheckError):
        checked(np.ones(2, np.float32), 0)
