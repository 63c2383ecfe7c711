"""Variables seen from inside compiled code, wherever they are assigned."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import tracegraph as tg

X = jnp.arange(1.0, 4.0)


def layer(h: Any, w: Any) -> Any:
    z = h @ w
    return jnp.tanh(z)


def check(found: Any, *expected: Any) -> None:
    """The values that were seen, each to rounding."""
    values = found if isinstance(found, list) else [found]
    assert len(values) == len(expected)
    for one, other in zip(values, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)


def test_result_and_values() -> None:
    @tg.function
    def step(x: Any) -> Any:
        h = x * 2
        logits = jnp.sin(h)
        return {"loss": logits.sum()}

    result, values = tg.debug.watch(step, "h", "logits", "x")(X)
    np.testing.assert_array_equal(result["loss"], jax.jit(step.__wrapped__)(X)["loss"])
    assert list(values) == ["h", "logits", "x"]
    check(values["h"], X * 2)
    check(values["logits"], jnp.sin(X * 2))
    check(values["x"], X)


def test_a_name_assigned_again_gives_a_list_in_order() -> None:
    def step(x: Any) -> Any:
        h = x + 1
        h = h * 2
        return h.sum()

    _, values = tg.debug.watch(tg.function(step), "h")(X)
    check(values["h"], X + 1, (X + 1) * 2)


def test_statements_that_share_a_line_give_no_names() -> None:
    def step(x: Any, ws: Any) -> Any:
        h = x
        for w in ws:
            h = jnp.tanh(h * w); k = h.sum()  # fmt: skip # noqa: E702
        last = h * 2
        return last + k

    _, values = tg.debug.watch(step, "last")(X, [1.0, 2.0])
    check(values["last"], jnp.tanh(jnp.tanh(X) * 2) * 2)
    with pytest.raises(tg.TracegraphError, match="k"):
        tg.debug.watch(step, "k")(X, [1.0, 2.0])


def test_every_round_of_a_python_loop() -> None:
    def step(x: Any, ws: Any) -> Any:
        h = x
        for w in ws:
            h = layer(h, w)
        for _ in range(2):
            h = h * 2
        return h

    ws = [jnp.eye(3) * i for i in (1, 2, 3)]
    _, values = tg.debug.watch(step, "h", "z")(X, ws)
    h1 = jnp.tanh(X)
    h2, h3 = jnp.tanh(h1 * 2), jnp.tanh(jnp.tanh(h1 * 2) * 3)
    check(values["h"], h1, h2, h3, h3 * 2, h3 * 4)
    check(values["z"], X, h1 * 2, h2 * 3)


def test_rounds_of_a_loop_whose_expression_makes_several_operations() -> None:
    def step(x: Any, ws: Any) -> Any:
        h = x
        for w in ws:
            h = w * h
        for _ in range(2):
            h = jnp.stack([h, h]).sum(0)
        return h

    _, values = tg.debug.watch(step, "h")(X, [2.0, 3.0])
    check(values["h"], X * 2, X * 6, X * 12, X * 24)


def test_a_loop_inside_a_call_is_one_run_of_the_statement() -> None:
    def stack(x: Any, ws: Any) -> Any:
        for w in ws:
            x = layer(x, w)
        return x

    def step(x: Any, ws: Any) -> Any:
        h = stack(x, ws)
        total = sum(h * i for i in range(3))
        return total + 1

    ws = [jnp.eye(3)] * 3
    _, values = tg.debug.watch(step, "h", "total")(X, ws)
    check(values["h"], jnp.tanh(jnp.tanh(jnp.tanh(X))))
    check(values["total"], jnp.tanh(jnp.tanh(jnp.tanh(X))) * 3)


def test_in_a_scan_the_iterations_are_stacked() -> None:
    def step(x: Any) -> Any:
        def body(c: Any, v: Any) -> Any:
            u = c + v
            return u, None

        return lax.scan(body, 0.0, x, reverse=True)[0]

    _, values = tg.debug.watch(step, "u")(X)
    check(values["u"], [6.0, 5.0, 3.0])


def test_in_nested_scans() -> None:
    def step(x: Any) -> Any:
        def outer(c: Any, v: Any) -> Any:
            def inner(d: Any, w: Any) -> Any:
                deep = v * w
                return d + deep, None

            return lax.scan(inner, c, x)

        return lax.scan(outer, 0.0, x[:2])[0]

    _, values = tg.debug.watch(step, "deep")(X)
    check(values["deep"], X[:2, None] * X[None])


def test_in_an_empty_scan() -> None:
    def step(x: Any) -> Any:
        def body(c: Any, v: Any) -> Any:
            u = c + v
            return u, None

        return lax.scan(body, 0.0, x)[0]

    _, values = tg.debug.watch(step, "u")(X[:0])
    assert values["u"].shape == (0,)


def test_in_a_while_loop_it_is_the_last_iteration() -> None:
    def step(x: Any) -> Any:
        def body(c: Any) -> Any:
            doubled = c * 2
            return doubled + 0

        return lax.while_loop(lambda c: c < 10, body, x[0])

    watched = tg.debug.watch(step, "doubled")
    check(watched(X)[1]["doubled"], 16.0)
    assert watched(X * 100)[1]["doubled"] is None


def test_in_a_branch_that_did_not_run() -> None:
    def step(x: Any) -> Any:
        def taken(v: Any) -> Any:
            h = v + 1
            return h * 1

        def other(v: Any) -> Any:
            g = v * 3
            return g * 1

        return lax.cond(x[0] > 0, taken, other, x)

    watched = tg.debug.watch(step, "h", "g")
    values = watched(X)[1]
    check(values["h"], X + 1)
    assert values["g"] is None
    values = watched(-X)[1]
    assert values["h"] is None
    check(values["g"], -X * 3)


def test_in_a_branch_that_some_iterations_do_not_take() -> None:
    def step(x: Any) -> Any:
        def body(c: Any, v: Any) -> Any:
            def taken(u: Any) -> Any:
                h = u * 2
                n = u.astype(int) + 1
                return h + n

            return c, lax.cond(v > 1, taken, lambda u: u, v)

        return lax.scan(body, 0.0, x)[1]

    _, values = tg.debug.watch(step, "h", "n")(X)
    check(values["h"], [jnp.nan, 4.0, 6.0])
    check(values["n"], [0, 3, 4])


def test_under_grad_and_vmap_inside() -> None:
    def step(x: Any) -> Any:
        def loss(v: Any) -> Any:
            h = jnp.sin(v)
            return h * h

        return jax.vmap(jax.grad(loss))(x)

    result, values = tg.debug.watch(step, "h")(X)
    check(values["h"], jnp.sin(X))
    check(result, 2 * jnp.sin(X) * jnp.cos(X))


def test_in_functions_that_are_called() -> None:
    @jax.jit
    def compiled(x: Any) -> Any:
        inner = x * 5
        return inner + 1

    @tg.function
    def ours(x: Any) -> Any:
        mine = x * 7
        return mine + 1

    def step(x: Any) -> Any:
        act = jax.nn.relu(compiled(x) + ours(x))
        return act + 1

    _, values = tg.debug.watch(step, "inner", "mine", "act")(X)
    check(values["inner"], X * 5)
    check(values["mine"], X * 7)
    check(values["act"], X * 12 + 2)


def test_marked_values() -> None:
    def step(x: Any) -> Any:
        return jnp.sum(tg.debug.name(jnp.sin(x), "sine")) + sum(
            tg.debug.name({"a": x[0], "b": x[1]}, "pair").values()
        )

    _, values = tg.debug.watch(tg.function(step), "sine", "pair")(X)
    check(values["sine"], jnp.sin(X))
    check(values["pair"], X[0], X[1])
    np.testing.assert_array_equal(tg.function(step)(X), jax.jit(step)(X))
    check(jax.grad(step)(X), jnp.cos(X) + jnp.array([1.0, 1.0, 0.0]))
    assert tg.debug.name(3, "n") == 3


def test_names_that_the_graph_shows() -> None:
    step = tg.function(lambda x: jnp.sin(x) + 1)
    _, values = tg.debug.watch(step, "sin")(X)
    check(values["sin"], jnp.sin(X))


def test_random_keys() -> None:
    def step(x: Any) -> Any:
        key = jax.random.key(x)
        return jax.random.uniform(key)

    _, values = tg.debug.watch(step, "key")(3)
    assert (
        jax.random.key_data(values["key"]).tolist()
        == jax.random.key_data(jax.random.key(3)).tolist()
    )


def test_effects_happen_once(capfd: pytest.CaptureFixture[str]) -> None:
    def step(x: Any) -> Any:
        h = x + 1
        jax.debug.print("h {}", h)
        return h

    tg.debug.watch(step, "h")(X)
    jax.effects_barrier()
    assert capfd.readouterr().out.count("h [") == 1


def test_static_arguments_donation_and_keywords() -> None:
    def step(x: Any, n: int, *, scale: Any) -> Any:
        h = x * n
        return h * scale

    f = tg.function(step, static_argnums=1, donate_argnums=0)
    given = X + 0
    for n in (2, 3, 2):
        _, values = tg.debug.watch(f, "h", "scale")(given, n, scale=2.0)
        check(values["h"], X * n)
        check(values["scale"], 2.0)
    check(given, X)


def test_under_somebody_elses_jit() -> None:
    def step(x: Any) -> Any:
        h = x + 1
        return h * 2

    _, values = jax.jit(tg.debug.watch(step, "h"))(X)
    check(values["h"], X + 1)


def test_an_unknown_name_is_one_error() -> None:
    def step(x: Any) -> Any:
        logits = x + 1
        return logits * 2

    with pytest.raises(tg.TracegraphError) as caught:
        tg.debug.watch(tg.function(step), "logit")(X)
    what, where, *rest = str(caught.value).splitlines()
    assert what == "step has no value named logit"
    assert where.startswith(f"  where: {__file__}:")
    assert rest == [
        "  expected: one of x, logits, mul",
        "  found: logit",
        "  what to do: did you mean logits?",
    ]
    with pytest.raises(tg.TracegraphError, match=r"tg\.debug\.name"):
        tg.debug.watch(step, "nothing_like_it")(X)


def test_no_function() -> None:
    with pytest.raises(tg.TracegraphError, match="only a function can be looked into"):
        tg.debug.watch(3, "h")  # type: ignore[arg-type]


def test_no_names() -> None:
    result, values = tg.debug.watch(lambda x: x + 1)(X)
    check(result, X + 1)
    assert values == {}
