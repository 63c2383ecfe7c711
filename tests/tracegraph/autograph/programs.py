"""Small programs with control flow, each with the arguments that it is run on.

They are written in plain Python and run as such on concrete arrays; converted and under jit they
must give the same.
"""

# The programs are written at length because that is what is tested.

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np


class Program(NamedTuple):
    """A function, and tuples of arguments."""

    function: Callable[..., Any]
    calls: tuple[tuple[Any, ...], ...]


PROGRAMS: list[Program] = []
ROW = np.array([3.0, -1.0, 4.0, -1.5, 9.0, 2.0], np.float32)
WHOLE = np.array([3, 1, 4, 1, 5, 9, 2, 6], np.int32)


def program(*calls: tuple[Any, ...]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        PROGRAMS.append(Program(function, calls))
        return function

    return add


SIGNS = ((2.0,), (-3.0,), (0.0,))


@program(*SIGNS)
def absolute(x):
    if x < 0:
        x = -x
    return x


@program(*SIGNS)
def sign(x):
    if x > 0:
        return 1
    if x < 0:
        return -1
    return 0


@program(*SIGNS)
def branch_defines_two(x):
    if x >= 0:
        a, b = x, x + 1
    else:
        b = x * 2
        a = b - 1
    return a, b


@program(*SIGNS)
def nested_ifs(x):
    y = 0.0
    if x > -5:
        if x > 1:
            y = x * 2
        else:
            if x < 0:
                y = x - 7
    return y


@program(*SIGNS)
def conditional_expression(x):
    return x * 2 if x > 0 else x - 1


@program(*SIGNS)
def nested_conditional_expression(x):
    return 1.0 if x > 0 else (2.0 if x < 0 else 3.0)


@program(*SIGNS)
def number_and_array(x):
    y = 0
    if x > 0:
        y = x
    return y


@program(*SIGNS)
def early_return_guards(x):
    if x == 0:
        return x + 10
    if x < 0:
        return -x
    y = x * 3
    if y > 5:
        return y
    return y + 1


@program(*SIGNS)
def early_return_of_tuples(x):
    if x > 0:
        return x, 1.0
    return -x, 2.0


@program(*SIGNS)
def early_return_of_dicts(x):
    if x > 0:
        return {"a": x, "b": [x, x]}
    return {"a": -x, "b": [x * 0, x]}


@program((1.0, 2.0), (2.0, 1.0), (-1.0, -1.0))
def logic(x, y):
    if (x > 0 and y > 1) or not (x > y):
        return x + y
    return x - y


@program((1,), (5,), (9,))
def chained_comparison(x):
    if 0 < x < 6 and x != 5:
        return x * 10
    return x


@program((0,), (4,))
def value_of_or(x):
    return x or 7


@program((0,), (4,))
def value_of_and(x):
    return x and 7


@program((0,), (4,))
def value_of_not(x):
    return not x


@program((3,), (27,), (1,))
def collatz(n):
    steps = 0
    while n != 1:
        n = n // 2 if n % 2 == 0 else 3 * n + 1
        steps += 1
    return steps


@program((48, 18), (7, 3), (5, 0))
def greatest_common_divisor(a, b):
    while b:
        a, b = b, a % b
    return a


@program((2.0,), (10.0,))
def newton_square_root(x):
    guess = x
    while abs(guess * guess - x) > 1e-4:
        guess = 0.5 * (guess + x / guess)
    return guess


@program((10.0,), (0.5,))
def while_with_break(x):
    n = 0
    while True:
        x = x / 2
        if x < 0.1:
            break
        n += 1
    return n, x


@program((10,), (3,))
def while_with_continue(n):
    total = 0
    i = 0
    while i < n:
        i += 1
        if i % 3 == 0:
            continue
        total += i
    return total


@program((20,), (1,))
def while_with_return(n):
    i = 0
    while i < n:
        if i * i > 50:
            return i
        i += 1
    return -1


@program((5,), (0,), (1,))
def traced_range(n):
    total = 0
    for i in range(n):
        total += i * i
    return total


@program((2, 9, 3), (9, 2, -2), (3, 3, 1), (0, 10, 4))
def traced_range_of_three(start, stop, step):
    total = 0
    for i in range(start, stop, step):
        total = total * 10 + i
    return total


@program((12,), (3,))
def traced_range_with_break(n):
    total = 0
    for i in range(n):
        if total > 20:
            break
        total += i
    return total


@program((12,), (3,))
def traced_range_with_return(n):
    for i in range(n):
        if i * i > 30:
            return i
    return n * 100


@program((ROW,))
def sum_of_array(row):
    total = 0
    for x in row:
        total = total + x
    return total


@program((ROW,))
def sum_of_positive(row):
    total = 0.0
    for x in row:
        if x > 0:
            total += x
    return total


@program((ROW,))
def last_item(row):
    for x in row:
        last = x * 2
    return last


@program((ROW,), (-ROW,))
def first_negative(row):
    for x in row:
        if x < 0:
            return x
    return row[0] * 0


@program((ROW, 5.0), (ROW, 100.0))
def position_of(row, limit):
    found = -1
    for i, x in enumerate(row):
        if x > limit:
            found = i
            break
    return found


@program((ROW, ROW[::-1].copy()))
def dot_product(a, b):
    total = 0.0
    for x, y in zip(a, b):  # noqa: B905
        total += x * y
    return total


@program((ROW, WHOLE))
def enumerated_zip(a, b):
    total = 0.0
    for i, (x, y) in enumerate(zip(a, b)):  # noqa: B905
        total += i * x - y
    return total


@program((ROW,))
def enumerate_from(row):
    total = 0.0
    for i, x in enumerate(row, 3):
        total += i * x
    return total


@program((ROW,))
def reversed_array(row):
    total = 0.0
    for x in reversed(row):
        total = total / 2 + x
    return total


@program((np.arange(6.0, dtype=np.float32).reshape(2, 3),))
def rows_and_columns(table):
    total = 0.0
    for row in table:
        for x in row:
            if x > 4:
                break
            if x == 1:
                continue
            total += x
    return total


@program((3,), (5,))
def nested_traced_ranges(n):
    count = 0
    for i in range(n):
        for j in range(i):
            if (i + j) % 2 == 0:
                continue
            count += j + 1
            if count > 8:
                break
    return count


@program((1.5,), (-0.5,))
def known_range(x):
    for i in range(10):
        x = x * 0.5 + i
    return x


@program((1.5,), (400.0,))
def known_range_with_break(x):
    for _ in range(10):
        if x > 100:
            break
        x = x * 3
    return x


@program((1.5,), (400.0,))
def known_range_with_return(x):
    for i in range(10):
        if x > 100:
            return x + i
        x = x * 3
    return -x


@program((2.0,))
def known_range_indexes_a_list(x):
    factors = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    for i in range(6):
        x = x * factors[i]
    return x


@program((2.0,))
def powers_of_the_index(x):
    total = x
    for i in range(6):
        total = total + 2**-i
    return total


@program((2.0, 5.0), (0.5, 3.0))
def list_left_early(x, limit):
    for factor in [1.5, 2.0, 2.5]:
        x = x * factor
        if x > limit:
            return x
    return x - 100


@program((WHOLE,))
def set_items(values):
    result = values * 0
    for i in range(8):
        result[i] = values[i] * i
    return result
