"""Functions that are refused when they are converted or traced; tests count their lines."""

# ruff: noqa: F841, PERF401, RET503, SIM108

from __future__ import annotations

import itertools

import jax.numpy as jnp


def branches(x):
    if x > 0:
        y = x
    else:
        y = jnp.ones(3)
    return y


def branch_without_else(x):
    y = jnp.ones(2)
    if x > 0:
        y = jnp.int32(1)
    return y


def returns(x):
    if x > 0:
        return None
    return x


def missing_return(x):
    if x > 0:
        return x


def carry(n):
    s = jnp.int32(0)
    i = 0
    while i < n:
        s = s + 0.5
        i += 1
    return s


def growing_shape(x, n):
    for _ in range(n):
        x = jnp.concatenate([x, x])
    return x


def one_branch(x):
    if x > 0:
        y = x
    return y


def unread_variable(x):
    if x > 0:
        y = x * 2
        x = y
    return x


def defined_in_while(x):
    while x > 0:
        x = x - 1
        q = x
    return q


def list_in_while(x):
    out = []
    while x > 0:
        x = x - 1
        out.append(x)
    return out


def list_in_one_branch(xs):
    out = []
    for x in xs:
        if x > 0:
            out.append(x)
    return out


def asserts(x):
    assert x > 0, "positive"
    return x


def strings(x):
    word = "up" if x > 0 else "down"
    return {"up": 1, "down": 2}[word]


def endless(x):
    for _ in itertools.count():
        if x > 10:
            break
        x = x * 2
    return x


def float_range(x):
    total = 0
    for i in range(x):
        total += i
    return total


def raises_deep(x):
    while x < 10:
        x = x + 1
        if x.ndim == 0:
            raise ValueError("deep inside")
    return x


def for_else(x):
    """An else at line 2."""
    for i in range(3):
        x = x + i
    else:
        x = x * 2
    return x


def while_else(x):
    """An else at line 2."""
    while x > 0:
        x = x - 1
    else:
        x = x * 2
    return x


def generator(x):
    """A generator, at line 0."""
    yield x


async def asynchronous(x):
    """An async function, at line 0."""
    return x


def walrus_in_while(x):
    """A walrus at line 2."""
    while (y := x - 1) > 0:
        x = y
    return x


def walrus_in_or(x):
    """A walrus at line 2."""
    if x > 0 or (y := x) > 1:
        x = x + 1
    return x


def match_statement(x):
    """A match at line 2."""
    match x:
        case _ if x > 0:
            return 1
    return 2


def inner_generator(x):
    """A yield at line 4."""

    def inner():
        yield x

    return list(inner())


def inner_class(x):
    """A class at line 3."""

    class Inner:
        pass

    return x


def reads_locals(x):
    """A call at line 2."""
    return locals()["x"]


CONSTRUCTS = [
    for_else,
    while_else,
    generator,
    asynchronous,
    walrus_in_while,
    walrus_in_or,
    match_statement,
    inner_generator,
    inner_class,
    reads_locals,
]
