"""Programs whose Python sees what it is given, or changes what it holds, give what Python gives."""

from collections import OrderedDict, defaultdict

import jax.numpy as jnp
import numpy as np
import pytest

import tracegraph as tg

TABLE = {f"b{i}": float(i) for i in range(6)}


def lambda_before_an_assignment(x, flag=True):
    scale = 1.0
    fn = lambda v: v * scale  # noqa: E731 - a lambda is what it is about
    if flag:
        scale = 3.0
    return fn(x)


def lambdas_of_a_loop(x):
    found = []
    for r in [x, 2 * x]:
        y = r + 1
        found.append(lambda: y)  # noqa: B023 - Python's late binding is what it is about
    return found[0]() + found[1]()


def next_of_an_iterator(x):
    numbers = iter([1, 2, 3, 4, 5, 6])
    for _ in range(6):
        x = x * next(numbers)
    return x


def names_made_of_the_number(x):
    for i in range(6):
        if f"b{i}" in TABLE:
            x = x + TABLE[f"b{i}"]
    return x


def types_of_the_number(x):
    for i in range(6):
        x = x + 1 if isinstance(i, int) else x * 0
    return x


def taken_from_a_list(x):
    held = {"q": [1, 2, 3, 4, 5, 6]}
    for _ in range(6):
        x = x * held["q"].pop()
    return x


def ordered_dict_in_a_branch(x):
    d = OrderedDict(a=x)
    if x > 0:
        d["a"] = 2 * x
    return d["a"]


def ordered_dict_in_a_loop(x):
    d = OrderedDict(n=x)
    while d["n"] < 7:
        d["n"] = d["n"] + 1
    return d["n"]


def defaultdict_in_a_loop(x):
    d = defaultdict(float)
    d["s"] = x
    for r in jnp.arange(5.0):
        d["s"] = d["s"] + r
    return d["s"]


def order_of_keys(x):
    d = {"b": x, "a": 10 * x}
    if x > 0:
        d["b"] = 3 * x
    return next(iter(d.values()))


def buffer_in_a_branch(x):
    buffer = np.zeros(3, np.float32)
    if x > 5:
        buffer[0] = 1.0
    return x + buffer


@pytest.mark.parametrize("value", [2.0, 7.0])
@pytest.mark.parametrize(
    "fun",
    [
        lambda_before_an_assignment,
        lambdas_of_a_loop,
        next_of_an_iterator,
        names_made_of_the_number,
        types_of_the_number,
        taken_from_a_list,
        ordered_dict_in_a_branch,
        ordered_dict_in_a_loop,
        defaultdict_in_a_loop,
        order_of_keys,
        buffer_in_a_branch,
    ],
    ids=lambda fun: fun.__name__,
)
def test_as_python(fun, value):
    expected = fun(np.float32(value))
    found = tg.function(fun, autograph=True)(jnp.float32(value))
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def counted(start, stop, step):
    count = jnp.int32(0)
    total = jnp.int32(0)
    for i in range(start, stop, step):
        count += 1
        total += i
    return count, total


@pytest.mark.parametrize(
    ("start", "stop", "step"),
    [
        (5, np.uint8(3), 1),
        (5, np.uint32(3), 1),
        (5, np.uint32(9), 1),
        (-100, np.int8(100), 1),
        (np.uint8(7), 0, -2),
        (np.int16(7), -8, -3),
        (np.uint8(250), np.uint8(255), 2),
    ],
    ids=str,
)
def test_traced_ranges_count_as_pythons(start, stop, step):
    expected = counted(int(start), int(stop), step)
    arguments = [jnp.asarray(one) if isinstance(one, np.generic) else one for one in (start, stop)]
    static = [i for i, one in enumerate((start, stop, step)) if not isinstance(one, np.generic)]
    found = tg.function(counted, autograph=True, static_argnums=static)(*arguments, step)
    assert [int(one) for one in found] == [int(one) for one in expected]
