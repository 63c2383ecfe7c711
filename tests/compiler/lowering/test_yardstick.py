"""What each numerics class allows: other orders pass, wrong numbers do not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from compiler.ir import Operation, walk
from compiler.lowering.evaluate import evaluate
from compiler.lowering.import_jaxpr import import_jaxpr
from compiler.lowering.quiet import run_quietly
from compiler.lowering.yardstick import Noise, Verdict, Yardstick, rounding_of
from compiler.rewrite.numerics import Numerics

EXACT, ROUNDING, REASSOCIATE, FINITE = Numerics


def drawn(*shape: int) -> jax.Array:
    rng = np.random.default_rng(sum(shape))
    return jnp.asarray(rng.standard_normal(shape), jnp.float32)


def judge(before: Any, after: Any, level: Numerics, *arguments: Any) -> Verdict:
    """The verdict on a function that stands for another."""
    graphs = [import_jaxpr(jax.make_jaxpr(f)(*arguments)).freeze() for f in (before, after)]
    expected, found = (evaluate(graph, *arguments) for graph in graphs)

    def noisy(noise: Noise) -> list[Any]:
        moved = [noise.argument(value, i) for i, value in enumerate(arguments)]
        return run_quietly(graphs[0], moved, noise.bind).results

    (verdict,) = Yardstick(graphs[0], noisy, expected).verdicts(found, level)
    return verdict


def total(x: Any) -> Any:
    return x.sum()


def other_order(x: Any) -> Any:
    return x[::-1].reshape(100, -1).sum(0).sum()


def one_by_one(x: Any) -> Any:
    return lax.scan(lambda c, y: (c + y, None), 0.0, x)[0]


def cancelling(x: Any) -> Any:
    return jnp.concatenate([x, -x, x[:1] * 1e-6]).sum()


def cancelling_in_another_order(x: Any) -> Any:
    return jnp.stack([x, -x], 1).sum() + (x[:1] * 1e-6).sum()


def masked(x: Any) -> Any:
    return jnp.where(x > 0, x, -3e38).max() * 1e-30 + x.sum()


def masked_in_another_order(x: Any) -> Any:
    return jnp.where(x > 0, x, -3e38).max() * 1e-30 + other_order(x)


def softmax(x: Any) -> Any:
    return jnp.exp(x) / jnp.exp(x).sum(-1, keepdims=True)


LAWFUL: dict[str, tuple[Numerics, Callable[..., Any], Callable[..., Any], tuple[Any, ...]]] = {
    "sum": (ROUNDING, total, other_order, (drawn(10000),)),
    "sum of one sign": (ROUNDING, total, one_by_one, (jnp.abs(drawn(3000)),)),
    "cancelling sum": (ROUNDING, cancelling, cancelling_in_another_order, (drawn(500),)),
    "beside a mask": (ROUNDING, masked, masked_in_another_order, (drawn(1000),)),
    "dot": (
        ROUNDING,
        jnp.matmul,
        lambda a, b: (a[:, :, None] * b).sum(1),
        (drawn(16, 256), drawn(256, 8)),
    ),
    "half precision": (
        ROUNDING,
        total,
        lambda x: x[::-1].reshape(10, -1).sum(0).sum(),
        (drawn(1000).astype(jnp.bfloat16),),
    ),
    "matrix chain": (
        REASSOCIATE,
        lambda a, b, v: (a @ b) @ v,
        lambda a, b, v: a @ (b @ v),
        (drawn(32, 256), drawn(256, 64), drawn(64)),
    ),
    "softmax": (REASSOCIATE, softmax, jax.nn.softmax, (drawn(8, 100) * 5,)),
}


@pytest.mark.parametrize("name", LAWFUL)
def test_another_order_is_allowed(name: str) -> None:
    level, before, after, arguments = LAWFUL[name]
    verdict = judge(before, after, level, *arguments)
    assert verdict.ok, verdict


@pytest.mark.parametrize("name", [name for name in LAWFUL if name != "half precision"])
def test_no_other_bit_is_allowed_under_exact(name: str) -> None:
    _, before, after, arguments = LAWFUL[name]
    verdict = judge(before, after, EXACT, *arguments)
    assert not verdict.ok
    assert verdict.allowed == 0.0


@pytest.mark.parametrize("name", [name for name in LAWFUL if name != "cancelling sum"])
@pytest.mark.parametrize("error", [3e-3, -3e-3])
def test_a_wrong_number_is_not_allowed(name: str, error: float) -> None:
    """However large numbers elsewhere in the program are, as in a mask."""
    level, before, _, arguments = LAWFUL[name]
    scale = 100 if name == "half precision" else 1
    verdict = judge(before, lambda *a: before(*a) * (1 + scale * error), level, *arguments)
    assert not verdict.ok, verdict


def test_of_a_sum_that_cancels_whole_no_order_knows_a_digit() -> None:
    level, before, _, arguments = LAWFUL["cancelling sum"]
    assert judge(before, lambda x: before(x) * 1.5, level, *arguments).ok
    assert not judge(before, lambda x: before(x) + 0.01, level, *arguments).ok


def test_cancellation_is_measured_and_not_allowed_for() -> None:
    """No order of additions makes this of a variance: it is another formula."""
    x = drawn(1000) + 100
    verdict = judge(
        lambda x: ((x - x.mean()) ** 2).mean(),
        lambda x: (x * x).mean() - x.mean() ** 2,
        REASSOCIATE,
        x,
    )
    assert not verdict.ok


@pytest.mark.parametrize("level", [ROUNDING, REASSOCIATE, FINITE])
def test_integers_must_be_the_same(level: Numerics) -> None:
    x = drawn(100)
    assert judge(jnp.argmax, lambda x: jnp.argmax(x) + 0, level, x).ok
    assert not judge(jnp.argmax, lambda x: jnp.argmax(x) + 1, level, x).ok


def test_random_bits_must_be_the_same() -> None:
    key = jax.random.key(0)
    for draw in (jax.random.bits, jax.random.split):
        assert not judge(draw, lambda k, d=draw: d(jax.random.fold_in(k, 1)), FINITE, key).ok


def test_an_integer_that_hangs_on_a_rounding_is_not_judged() -> None:
    ties = jnp.ones(50) / 3 * 3

    def before(x: Any) -> Any:
        return jnp.argmax(x * 7 / 7)

    assert judge(before, lambda x: jnp.argmax((x * 7 / 7)[::-1]) + 1, ROUNDING, ties).ok


@pytest.mark.parametrize(("level", "ok"), [(EXACT, False), (ROUNDING, False), (FINITE, True)])
def test_only_finite_lets_nans_go(level: Numerics, ok: bool) -> None:
    x = jnp.array([1.0, -2.0, 3.0])
    assert judge(jnp.log, lambda x: jnp.log(jnp.abs(x)), level, x).ok is ok


def test_nothing_is_measured_where_nothing_differs() -> None:
    def noisy(noise: Noise) -> list[Any]:
        raise AssertionError("not needed")

    graph = import_jaxpr(jax.make_jaxpr(jnp.sin)(1.0)).freeze()
    yardstick = Yardstick(graph, noisy, [jnp.float32(1)])
    (verdict,) = yardstick.verdicts([jnp.float32(1)], ROUNDING)
    assert (verdict.ok, verdict.allowed) == (True, None)


def test_noise_lets_an_iteration_come_to_rest() -> None:
    def root(x: Any) -> Any:
        def step(c: Any) -> Any:
            return c[1], (c[1] + x / c[1]) / 2

        return lax.while_loop(lambda c: jnp.abs(c[0] - c[1]) > 1e-6 * c[1], step, (x * 0, x))[1]

    assert judge(root, lambda x: root(x) * 1.0000001, ROUNDING, jnp.float32(2)).ok


ROUNDS = {
    "add": (lambda x: x + x, 1.0),
    "dot_general": (lambda x: x @ x.T, np.sqrt(2 * 8)),
    "reduce_sum": (lambda x: x.sum(1), np.sqrt(7)),
    "exp": (jnp.exp, 1.0),
    "max": (lambda x: jnp.maximum(x, 0), 0.0),
    "transpose": (lambda x: x.T, 0.0),
    "sort": (lambda x: jnp.sort(x), 0.0),
    "convert_element_type": (lambda x: x.astype(jnp.float16), 1.0),
    "neg": (lambda x: -x, 0.0),
    "scatter-add": (lambda x: x.at[0].add(1.0), 1.0),
}


@pytest.mark.parametrize("name", ROUNDS)
def test_what_rounds_and_how_much(name: str) -> None:
    function, expected = ROUNDS[name]
    graph = import_jaxpr(jax.make_jaxpr(function)(jnp.ones((4, 8))))
    found = [rounding_of(op) for op in walk(graph) if _base(op) == name]
    assert found[:1] == pytest.approx([expected])


def _base(op: Operation) -> str:
    return op.name.replace("scatter_add", "scatter-add")


def test_widening_rounds_nothing() -> None:
    graph = import_jaxpr(jax.make_jaxpr(lambda x: x.astype(jnp.float32))(jnp.ones(2, "bfloat16")))
    assert [rounding_of(op) for op in graph.body] == [0.0, 0.0]
