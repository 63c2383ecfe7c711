"""Contraction networks: the values are kept, and the order is the cheapest there is."""

from __future__ import annotations

import inspect
from functools import cache, reduce
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import compiler.lowering.host  # noqa: F401  the installed JAX behind the types of new ops
from compiler.analysis.cost import graph_cost
from compiler.ir.walk import walk
from compiler.lowering.evaluate import evaluate
from compiler.lowering.rule_cases import apply, base_case, function_of
from compiler.rewrite.driver import score
from compiler.rewrite.rule import example
from compiler.rules import all_rules

RULES = [
    all_rules()[name] for name in ("contraction-order", "sum-of-contraction", "dots-of-shared-dot")
]


def rewritten(function, *types, **sizes):
    """The graph of a program before and after the rules about networks, and how many fired."""
    captured = base_case(example(function, *types, **sizes)).captured
    outcome = apply(RULES[0], captured, RULES[1:])
    assert not outcome.log.failures
    return captured, outcome.graph, len(outcome.log.firings)


def small_integers(graph, seed=0):
    """Arguments for which no order of additions rounds."""
    rng = np.random.default_rng(seed)
    return [
        jnp.asarray(rng.integers(-2, 3, value.type.shape), value.type.dtype)
        for value in graph.parameters
    ]


def names(graph):
    return [op.name for op in walk(graph)]


PROGRAMS = {
    "outer applied": (lambda u, v, x: jnp.outer(u, -v) @ x, "f32[9]", "f32[16]", "f32[16]"),
    "outer applied to a matrix": (
        lambda u, v, x: jnp.outer(u, v) @ x,
        "f32[64]",
        "f32[64]",
        "f32[64,64]",
    ),
    "row and column scales": (
        lambda s, a, t, v: (s[:, None] * a * t) @ v,
        "f32[9]",
        "f32[9,8]",
        "f32[8]",
        "f32[8]",
    ),
    "batch on one side": (lambda x, w, u: (x @ w) @ u, "f32[4,9,8]", "f32[8,16]", "f32[16,2]"),
    "batch on all sides": (
        lambda a, b, c: a @ (b @ c),
        "f32[4,2,8]",
        "f32[4,8,16]",
        "f32[4,16,20]",
    ),
    "transposes": (
        lambda a, b, c: jnp.transpose(a @ b, (0, 2, 1)) @ c,
        "f32[3,8,16]",
        "f32[3,16,16]",
        "f32[3,8,1]",
    ),
    "three tensors": (
        lambda a, b, c: jnp.einsum("ijl,lk->ijk", jnp.einsum("ik,jkl->ijl", a, b), c),
        "f32[32,4]",
        "f32[6,4,16]",
        "f32[16,2]",
    ),
    "sum of everything": (lambda a, b: jnp.sum(a @ b), "f32[8,9]", "f32[9,7]"),
    "sum of batches": (lambda a, b: jnp.sum(a @ b, 0), "f32[5,8,9]", "f32[5,9,7]"),
    "sum of a weighted dot": (
        lambda a, b, u: jnp.sum((a @ b) * u[:, None]),
        "f32[8,9]",
        "f32[9,7]",
        "f32[8]",
    ),
    "squares": (lambda a, b: jnp.sum((a @ b) ** 2), "f32[30,2]", "f32[2,30]"),
    "a quadratic form": (lambda x, a, b: x @ (a @ b) @ x, "f32[8]", "f32[8,9]", "f32[9,8]"),
    "repeated along what is added up": (
        lambda c, b: jnp.broadcast_to(c[:, None], (64, 65)) @ b,
        "f32[64]",
        "f32[65,66]",
    ),
    "numbers on the way": (
        lambda a, b, v, s: ((a @ b) * s / 2) @ v,
        "f32[8,9]",
        "f32[9,7]",
        "f32[7]",
        "f32",
    ),
    "two vectors of one product": (
        lambda a, b, v, w: ((a @ b) @ v, w @ (a @ b)),
        "f32[9,8]",
        "f32[8,9]",
        "f32[9]",
        "f32[9]",
    ),
    "dimensions of size one": (
        lambda a, b, c: a @ (b @ c),
        "f32[1,8]",
        "f32[8,16]",
        "f32[16,20]",
    ),
}


@pytest.mark.parametrize("title", PROGRAMS)
def test_the_values_are_kept_to_the_bit_where_nothing_rounds(title):
    function, *types = PROGRAMS[title]
    captured, optimized, fired = rewritten(function, *types)
    assert fired
    assert score(graph_cost(optimized)) < score(graph_cost(captured))
    arguments = small_integers(captured)
    for expected, found in zip(
        evaluate(captured, *arguments), evaluate(optimized, *arguments), strict=True
    ):
        np.testing.assert_array_equal(np.asarray(expected), np.asarray(found))


def chain(count):
    """A chain of matrices, multiplied from the left."""

    def function(*matrices):
        return reduce(lambda a, b: a @ b, matrices)

    parameters = [
        inspect.Parameter(f"m{i}", inspect.Parameter.POSITIONAL_ONLY) for i in range(count)
    ]
    function.__signature__ = inspect.Signature(parameters)
    return function


def least_score(sizes):
    """The least score of a chain of matrices of these sizes, tried in every order."""

    @cache
    def least(start, stop):
        if stop - start == 1:
            return 0
        return min(
            least(start, middle) + least(middle, stop) + one(start, middle, stop)
            for middle in range(start + 1, stop)
        )

    def one(start, middle, stop):
        m, k, n = sizes[start], sizes[middle], sizes[stop]
        return 2 * m * k * n + 4 * 4 * (m * k + k * n + m * n)

    return least(0, len(sizes) - 1)


@pytest.mark.parametrize("count", [3, 5, 8, 9, 14])
@pytest.mark.parametrize("seed", range(3))
def test_a_chain_of_any_length_is_in_its_cheapest_order(count, seed):
    rng = np.random.default_rng((count, seed))
    sizes = [int(size) for size in rng.integers(2, 200, count + 1)]
    types = [f"f32[{m},{n}]" for m, n in pairwise(sizes)]
    _, optimized, _ = rewritten(chain(count), *types)
    assert score(graph_cost(optimized)) == least_score(sizes)


@pytest.mark.parametrize("count", [40, 80])
def test_a_chain_longer_than_one_network_is_nearly_in_its_cheapest_order(count):
    sizes = [int(size) for size in np.random.default_rng(count).integers(2, 200, count + 1)]
    types = [f"f32[{m},{n}]" for m, n in pairwise(sizes)]
    captured, optimized, _ = rewritten(chain(count), *types)
    least = least_score(sizes)
    assert score(graph_cost(captured)) > 1.5 * least
    assert score(graph_cost(optimized)) <= 1.1 * least


@pytest.mark.parametrize(("power", "dots"), [(4, 2), (6, 3), (7, 4), (8, 3)])
def test_powers_share_their_squares(power, dots):
    def function(a):
        return reduce(lambda x, _: x @ a, range(power - 1), a)

    captured, optimized, _ = rewritten(function, "f32[8,8]")
    assert names(captured).count("dot_general") == power - 1
    assert names(optimized).count("dot_general") == dots


LEFT_ALONE = {
    "another reader": lambda a, b, v: ((a @ b) @ v, jnp.sin(a @ b)),
    "another precision": lambda a, b, v: jnp.matmul(a, b, precision="highest") @ v,
    "another type between": lambda a, b, v: (
        lax.dot(a.astype(jnp.bfloat16), b.astype(jnp.bfloat16), preferred_element_type=jnp.float32)
        @ v
    ),
    "a function between": lambda a, b, v: jnp.tanh(a @ b) @ v,
}


@pytest.mark.parametrize("title", LEFT_ALONE)
def test_what_must_stay_stays(title):
    _, _, fired = rewritten(LEFT_ALONE[title], "f32[8,9]", "f32[9,8]", "f32[8]")
    assert fired == 0


def test_a_product_that_a_loop_computes_anyway_is_not_taken_apart():
    def function(x, s, w):
        return (jnp.exp(x) * s) @ w

    _, _, fired = rewritten(function, "f32[64,8]", "f32[8]", "f32[8,2]")
    assert fired == 0


def test_derivatives_agree():
    function, *types = PROGRAMS["numbers on the way"]
    captured, optimized, _ = rewritten(function, *types)
    arguments = small_integers(captured, 1)
    both = [
        jax.grad(lambda *args, graph=graph: jnp.sum(run(graph)(*args)), (0, 1, 2, 3))(*arguments)
        for graph in (captured, optimized)
    ]
    for one, other in zip(*both, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)


def run(graph):
    return lambda *args: function_of(graph)(*args)[0]
