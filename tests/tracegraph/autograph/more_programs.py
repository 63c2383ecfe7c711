"""More programs: functions within functions, containers, lists, errors that are handled."""

# ruff: noqa: PERF401, RET504, SIM108
# The programs are written at length because that is what is tested.

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np

from tests.tracegraph.autograph.programs import ROW, SIGNS, WHOLE, program


def helper(x):
    if x > 0:
        return x * 2
    return x - 1


def twice(function, x):
    return function(function(x))


class Scale:
    """An object with a method and a call."""

    __slots__ = ("factor",)

    def __init__(self, factor):
        self.factor = factor

    def scaled(self, x):
        if x > 0:
            return x * self.factor
        return x

    def __call__(self, x):
        while x < 10:
            x = x + self.factor
        return x


class Half(Scale):
    """Calls its parent, and has a private name."""

    __slots__ = ("__half",)

    def __init__(self, factor):
        super().__init__(factor)
        self.__half = 0.5

    def scaled(self, x):
        if x > 1:
            return super().scaled(x) * self.__half
        return super().scaled(x)


SCALE, HALF = Scale(3.0), Half(3.0)


@program(*SIGNS)
def calls_a_helper(x):
    return helper(x) + helper(-x)


@program(*SIGNS)
def calls_a_method(x):
    return SCALE.scaled(x)


@program(*SIGNS)
def calls_a_parents_method(x):
    return HALF.scaled(x)


@program(*SIGNS)
def calls_an_object(x):
    return SCALE(x)


@program(*SIGNS)
def calls_a_lambda(x):
    double = lambda y: y * 2 if y > 0 else y  # noqa: E731
    return double(x) + double(-x)


@program(*SIGNS)
def nested_function(x):
    offset = 3.0

    def inner(y):
        if y > 0:
            return y + offset
        return y - offset

    return inner(x)


@program(*SIGNS)
def nonlocal_variable(x):
    count = 0.0

    def add(y):
        nonlocal count
        if y > 0:
            count += y
        else:
            count -= 1.0

    add(x)
    add(x + 1)
    return count


@program(*SIGNS)
def function_as_argument(x):
    return twice(helper, x)


@program(*SIGNS)
def partial_function(x):
    return functools.partial(twice, helper)(x)


@program((3,), (5,))
def python_recursion(n):
    def power(x, k):
        if k == 0:
            return 1
        return x * power(x, k - 1)

    return power(n, 3)


@program((ROW,))
def mapped(row):
    return sum(map(helper, row))


@program((ROW,))
def reduced(row):
    def larger(a, b):
        return a if a > b else b

    return functools.reduce(larger, row)


@program((ROW,))
def comprehension(row):
    return sum([x * 2 if x > 0 else x for x in row])


@program((ROW,))
def generator_expression(row):
    return sum(helper(x) for x in row)


@program((ROW,))
def batched(row):
    return jax.vmap(helper)(row) if isinstance(row, jax.core.Tracer) else _each(row)


def _each(row):
    return jnp.stack([helper(x) for x in row])


@program((ROW,))
def appended(row):
    seen = []
    total = 0.0
    for x in row:
        total = total + x
        seen.append(total)
    return jnp.stack(seen), seen[-1], len(seen)


@program((ROW,))
def appended_twice(row):
    seen = [row[0], row[1]]
    for x in row:
        seen.append(x)
        seen.append(-x)
    return jnp.stack(seen)


@program((np.arange(6.0, dtype=np.float32).reshape(2, 3),))
def appended_in_nested_loops(table):
    seen = []
    for row in table:
        for x in row:
            seen.append(x + 1)
    return jnp.stack(seen)


@program((ROW,))
def appended_in_both_branches(row):
    seen = []
    for x in row:
        if x > 0:
            seen.append(x)
        else:
            seen.append(-x)
    return jnp.stack(seen)


@program((ROW,))
def appended_tuples(row):
    seen = []
    for x in row:
        seen.append((x, x > 0))
    return [a for a, _ in seen], [b for _, b in seen]


@program((ROW,))
def list_that_is_read(row):
    window = [0.0, 0.0]
    for x in row:
        window = [window[1], x + window[0]]
    return window


@program((ROW,))
def dictionary_of_counts(row):
    counts = {"positive": 0, "other": 0}
    for x in row:
        if x > 0:
            counts["positive"] += 1
        else:
            counts["other"] += 1
    return counts


@program((3.0,), (-3.0,))
def dictionary_changed_in_place(x):
    kept = {"a": x}
    same = kept
    if x > 0:
        kept["a"] = x * 5
    return same["a"]


@program((3.0,), (-3.0,))
def caught_error(x):
    message = ""
    try:
        raise ValueError("seven")
    except ValueError as error:
        message = str(error)
    if x > 0:
        return x + len(message)
    return x


@program((3.0,), (-3.0,))
def chained_assignment(x):
    a = b = x
    if x > 0:
        a = b = x + 1
    return a, b


@program((3.0,), (-3.0,))
def finally_clause(x):
    count = 0
    try:
        if x > 0:
            x = x * 2
    finally:
        count += 1
    return x, count


@program((3.0,), (-3.0,))
def python_assert(x):
    assert isinstance(x, object), "never"
    if x > 0:
        return x
    return -x


@program((3.0,), (-3.0,))
def annotated(x):
    y: float
    z: float = 1.0
    if x > 0:
        y = x + z
    else:
        y = z
    return y


@program((3.0,), (-3.0,))
def walrus(x):
    if (y := x * 2) > 1:
        return y
    return y - 1


@program((ROW, 2), (ROW, 4))
def previous_item(row, n):
    previous = None
    total = 0.0
    for x in row:
        if previous is not None:
            total += x * previous
        previous = x
    return total * n


@program((1.0, 2.0), (2.0, 1.0))
def smallest_and_largest(x, y):
    return min(x, y, 1.5), max(x, y)


@program((WHOLE,))
def bubble_sort(values):
    values = jnp.asarray(values)
    for i in range(8):
        for j in range(7 - i):
            if values[j] > values[j + 1]:
                a, b = values[j], values[j + 1]
                values = values.at[j].set(b).at[j + 1].set(a)
    return values


@program((WHOLE, 4), (WHOLE, 7))
def linear_search(values, wanted):
    i = 0
    while i < len(values) and values[i] != wanted:
        i += 1
    return i


@program((ROW,))
def running_state(row):
    state = (0.0, {"n": 0})
    for x in row:
        total, info = state
        if x > 1:
            state = (total + x, {"n": info["n"] + 1})
    return state


@program((3.0,), (-3.0,))
def deleted(x):
    y = x
    if x > 0:
        z = y * 2
        y = z
        del z
    return y


@program((3.0,), (-3.0,))
def with_block(x):
    with jax.named_scope("inside"):
        if x > 0:
            return x
        x = x - 1
    return x


@program((3.0,), (-3.0,))
def keyword_and_star_arguments(x):
    def inner(a, /, b=2.0, *rest, c, **more):
        if a > 0:
            return a + b + c + sum(rest) + more["d"]
        return a

    return inner(x, *(1.0, 5.0), c=3.0, d=4.0)
