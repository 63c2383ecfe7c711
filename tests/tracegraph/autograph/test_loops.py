"""Which loops become scans, what lists become, and that Python's numbers stay Python's."""

# ruff: noqa: B007, PERF401, PERF402, SIM108

from __future__ import annotations

import flax.errors
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import tracegraph as tg


def primitives(function, *args):
    """The names of the operations of a converted function, those inside others too."""
    text = str(jax.make_jaxpr(tg.autograph.convert(function))(*args))
    return {name for name in ("scan", "while", "cond") if f"{name}[" in text}


def check(function, *args):
    found = jax.jit(tg.autograph.convert(function))(*args)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), found, function(*args))


def test_an_array_becomes_a_scan():
    def f(row):
        total = 0.0
        for x in row:
            total += x
        return total

    assert primitives(f, jnp.ones(3)) == {"scan"}
    check(f, jnp.arange(3.0))
    assert float(jax.jit(tg.autograph.convert(f))(jnp.zeros(0))) == 0.0


def test_a_long_range_over_arrays_becomes_a_scan_and_has_a_gradient():
    def f(x):
        for i in range(30):
            x = jnp.sin(x) + i
        return x

    assert primitives(f, 1.0) == {"scan"}
    np.testing.assert_allclose(
        jax.grad(tg.autograph.convert(f))(1.0), jax.grad(f)(1.0), rtol=1e-4, atol=1e-6
    )


def test_a_short_range_is_pythons():
    def f(x):
        for i in range(4):
            x = jnp.sin(x) + i
        return x

    assert primitives(f, 1.0) == set()


def uses_a_list(x):
    layers = [jnp.sin, jnp.cos] * 5
    for i in range(10):
        x = layers[i](x)
    return x


def negative_powers(x):
    for i in range(40):
        x = x + 2**-i
    return x


def large_products(x):
    for i in range(1300):
        x = x + i * i * i
    return x


def grows(x):
    for _ in range(6):
        x = jnp.concatenate([x, x[:1]])
    return x


def index_is_used_afterwards(x):
    for i in range(6):
        x = x + 1
    return x.repeat(i)


def raises_at_one_step(x):
    for i in range(6):
        if i == 3:
            continue
        x = x + [1.0, 2.0, 3.0, None, 5.0, 6.0][i]
    return x


@pytest.mark.parametrize(
    "function",
    [uses_a_list, negative_powers, grows, index_is_used_afterwards, raises_at_one_step],
    ids=lambda each: each.__name__,
)
def test_a_range_whose_number_python_needs_stays_pythons(function):
    x = jnp.ones(1)
    assert primitives(function, x) == set()
    check(function, x)


def test_products_that_overflow_stay_pythons():
    for function in (large_products, tg.autograph.convert(large_products)):
        with pytest.raises(OverflowError):
            jax.jit(function)(jnp.float32(0))


def test_numbers_that_a_loop_over_an_array_counts():
    def f(row):
        total, weight = 0.0, 1
        for i, x in enumerate(row):
            total = total + x / weight + x * 3.0**-i
            weight = weight * 2
        return total

    check(f, jnp.ones(40)[:25])


def test_only_arrays_are_staged_in_a_loop_of_python_values():
    def f(x, names):
        found = {}
        for name in names:
            if name in ("a", "b") and x.ndim == 0:
                found[name] = x
            elif name.startswith("z"):
                continue
            else:
                found[name] = len(name)
        return found

    found = jax.jit(tg.autograph.convert(f), static_argnums=1)(1.0, ("a", "zz", "ccc"))
    assert found == {"a": 1.0, "ccc": 3}


def test_a_python_number_that_no_branch_changes_stays_a_number():
    def f(x, n):
        size = 2
        while n > 0:
            n = n - 1
            if x.sum() > 100:
                size = 2
        return jnp.zeros(3) + size

    check(f, jnp.ones(2), 3)


def test_an_appended_list_is_a_stacked_array():
    def f(row):
        seen = []
        for x in row:
            seen.append(x * 2)
        seen.append(row[0])
        return seen

    found = jax.jit(tg.autograph.convert(f))(jnp.arange(3.0))
    assert found.tolist() == [0.0, 2.0, 4.0, 0.0]


def test_a_list_that_somebody_else_holds_grows_too():
    def fill(out, row):
        for x in row:
            out.append(x)

    def f(row):
        out = [row[0]]
        same = out
        fill(out, row)
        return jnp.stack(out), len(same)

    stacked, length = jax.jit(tg.autograph.convert(f))(jnp.arange(3.0))
    assert stacked.tolist() == [0.0, 0.0, 1.0, 2.0]
    assert int(length) == 4


def test_a_list_of_numbers_of_two_types_stays_a_list():
    def f(row):
        seen = [1]
        for x in row:
            seen.append(x)
        return seen

    found = jax.jit(tg.autograph.convert(f))(jnp.arange(2.0))
    assert [float(each) for each in found] == [1.0, 0.0, 1.0]


def test_a_python_zero_takes_the_type_of_what_is_added():
    def scalar(row):
        total = 0
        for x in row:
            total = total + x
        return total

    def rows(table):
        total = 0
        for row in table:
            total = total + row
        return total

    def in_while(x):
        total = 0
        while x > 0:
            total = total + x
            x = x - 1
        return total

    check(scalar, jnp.arange(3.0))
    check(rows, jnp.ones((3, 2)))
    check(in_while, jnp.float32(3))
    assert jax.jit(tg.autograph.convert(scalar))(jnp.arange(3, dtype=jnp.int8)).dtype == jnp.int8


def popped(x):
    held = [x, x + 1]
    y = held.pop() if x.ndim else 0
    if x > 0:
        y = held.pop()
    else:
        y = held.pop(0)
    return y, held


def updated(x):
    held = {"a": x}
    same = held
    if x > 0:
        held.update(a=x * 2)
    return same["a"]


def stack_in_a_loop(x):
    held = [0.0]
    for y in jnp.arange(3.0):
        top = held.pop()
        held.append(top + y * x)
    return held


@pytest.mark.parametrize("function", [popped, updated, stack_in_a_loop])
def test_methods_that_change_a_container_count_as_assignments(function):
    check(function, jnp.float32(2))
    check(function, jnp.float32(-2))


def test_an_inner_function_that_assigns_to_outer_variables():
    def f(x):
        count = 0

        def advance(by):
            nonlocal x, count
            while by > 0:
                x = x + by
                by = by - 1
                count += 1
            return by

        advance(3.0)
        for i in jnp.arange(3.0):
            left = advance(i)
            if left < 0:
                advance(100.0)
        return x, count

    check(f, 1.0)


def test_items_deleted_in_one_branch_are_refused():
    def f(x):
        held = {"a": x, "b": x}
        if x > 0:
            del held["a"]
        return held

    with pytest.raises(tg.autograph.ControlFlowError, match="`held` has another type"):
        jax.jit(tg.autograph.convert(f))(1.0)


def test_a_module_that_a_loop_changes_is_refused():
    dropout = nnx.Dropout(0.5, rngs=nnx.Rngs(0))

    def f(dropout, row):
        for x in row:
            held = dropout
            held(x)
            dropout = held
        return row

    with pytest.raises((tg.autograph.ControlFlowError, flax.errors.TraceContextError)):
        nnx.jit(tg.autograph.convert(f))(dropout, jnp.ones((3, 2)))


def test_keys_are_carried():
    def f(key, n):
        total = 0.0
        while n > 0:
            key, used = jax.random.split(key)
            total = total + jax.random.normal(used)
            n = n - 1
        if total > 0:
            return key, total
        return key, -total

    found, total = jax.jit(tg.autograph.convert(f))(jax.random.key(0), 3)
    expected, plain = f(jax.random.key(0), 3)
    assert jnp.array_equal(jax.random.key_data(found), jax.random.key_data(expected))
    np.testing.assert_allclose(total, plain, rtol=1e-5)


def test_gradients_through_branches_and_loops():
    def f(x, row):
        for y in row:
            if y > 0:
                x = x * jnp.sin(y)
            else:
                x = x + y
        return x

    args = (1.5, jnp.array([-2.0, 1.0, 0.5, -1.0]))
    expected = jax.grad(f, (0, 1))(*args)
    for g in (tg.autograph.convert(f), tg.function(f, autograph=True)):
        for found in (jax.grad(g, (0, 1))(*args), jax.jit(jax.grad(g, (0, 1)))(*args)):
            jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), found, expected)


def test_batching_a_loop_and_an_early_return():
    def f(x, row):
        for y in row:
            if x > 10:
                return x
            x = x * 2 + y
        return -x

    xs, rows = jnp.array([1.0, 20.0, 0.1]), jnp.arange(12.0).reshape(3, 4)
    found = jax.vmap(tg.autograph.convert(f))(xs, rows)
    expected = [f(x, row) for x, row in zip(xs, rows, strict=True)]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_each_operand_of_a_chained_comparison_is_evaluated_once():
    calls = []

    def seen(x):
        calls.append(x)
        return x

    converted = tg.autograph.convert(lambda x: 0 < seen(x) < 5)
    assert bool(jax.jit(converted)(3.0))
    assert len(calls) == 1


def test_a_condition_that_is_no_scalar_gives_jaxs_error():
    with pytest.raises(ValueError, match="more than one element is ambiguous"):
        jax.jit(tg.autograph.convert(lambda x: x if x > 0 else -x))(jnp.ones(3))


def test_a_loop_of_no_items_leaves_its_variable_undefined():
    def f(row):
        for x in row:
            y = x
        return y

    with pytest.raises(UnboundLocalError, match="'y'"):
        jax.jit(tg.autograph.convert(f))(jnp.zeros(0))


def test_nothing_of_a_trace_is_left_behind():
    def f(x, row):
        seen = []
        for y in row:
            if y > x:
                x = x + 1
            seen.append(x)
        while x < 10:
            x = x + 1 if x > 0 else x + 2
        for i in range(8):
            x = x * 0.5 + i
        return x, jnp.stack(seen)

    with jax.checking_leaks():
        check(f, jnp.float32(1), jnp.arange(4.0))
