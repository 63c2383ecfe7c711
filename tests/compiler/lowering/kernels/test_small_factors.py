"""Small factors and systems beside LAPACK's: infinities, nans, matrices that are not positive."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import tracegraph as tg
from tests.compiler.lowering.kernels.forced import EDGES, both


def _matrices(seed, rows, batch=6):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(batch, rows, rows)).astype(np.float32)
    return x @ x.swapaxes(1, 2) + 2 * np.eye(rows, dtype=np.float32)


def _with_edges(x, seed, values):
    """One odd number in each matrix."""
    found, rng = x.copy(), np.random.default_rng(seed)
    for matrix, value in zip(found.reshape(len(x), -1), values, strict=True):
        matrix[rng.integers(matrix.size)] = value
    return found


USUAL = (0.0, -0.0, 1.0, -0.5, 1e-3, 7.0)
SIDES = [(True, True, False), (True, False, False), (True, True, True), (False, True, False)]
SIDES += [(False, False, True)]


@pytest.mark.parametrize("values", [EDGES, USUAL])
@pytest.mark.parametrize("rows", [1, 5])
@pytest.mark.parametrize(("left", "lower", "transposed"), SIDES)
def test_systems_with_odd_numbers(values, rows, left, lower, transposed):
    a, b = _matrices(0, rows), np.ones((6, rows, rows), np.float32)
    arguments = _with_edges(a, 1, values[::-1]), _with_edges(b, 2, values)
    expected, found = both(
        "triangular-solve-written-out",
        lambda a, b: lax.linalg.triangular_solve(
            a, b, left_side=left, lower=lower, transpose_a=transposed
        ),
        *map(jnp.asarray, arguments),
    )
    np.testing.assert_allclose(found, expected, rtol=2e-4, atol=1e-5)


@pytest.mark.parametrize("values", [EDGES, (-5.0, *USUAL[1:])])
@pytest.mark.parametrize("rows", [1, 2, 4])
def test_factors_with_odd_numbers(values, rows):
    a = jnp.asarray(_with_edges(_matrices(0, rows), rows, values))
    expected, found = both(
        "cholesky-written-out", lambda a: lax.linalg.cholesky(a, symmetrize_input=False), a
    )
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=1e-6)


def test_a_matrix_without_a_factor_is_nan_and_the_others_are_not():
    """The least number under a root is the last: nothing else of it is not finite."""
    a = _matrices(1, 3)
    a[2, 2, 2] = a[2, 2, :2] @ np.linalg.solve(a[2, :2, :2], a[2, :2, 2]) - 1e-3
    expected, found = both("cholesky-written-out", lax.linalg.cholesky, jnp.asarray(a))
    assert np.isnan(found[2][np.tril_indices(3)]).all()
    assert not np.isnan(found[[0, 1, 3]]).any()
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("columns", [1, 3])
def test_solves_of_many_matrices(columns):
    rng = np.random.default_rng(0)
    a, b = (jnp.asarray(rng.normal(size=(600, 4, n)).astype(np.float32)) for n in (4, columns))
    step = tg.function(jnp.linalg.solve)
    fired = [firing.rule for firing in step.trace(a, b).rewrites]
    assert fired.count("triangular-solve-written-out") == 2
    assert "solve-by-its-solver" in fired
    expected = jax.jit(jnp.linalg.solve)(a, b)
    np.testing.assert_allclose(step(a, b), expected, rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize(("systems", "columns", "is_used"), [(5, 1500, False), (64, 64, True)])
def test_few_systems_of_many_columns_are_the_librarys(systems, columns, is_used):
    a, b = jnp.tile(jnp.eye(4) + 1, (systems, 1, 1)), jnp.ones((systems, 4, columns))
    solve = jax.vmap(lambda a, b: jax.scipy.linalg.solve_triangular(a, b, lower=True))
    fired = {firing.rule for firing in tg.function(solve).trace(a, b).rewrites}
    assert ("triangular-solve-written-out" in fired) == is_used


def test_solves_see_derivatives_and_batches():
    """Under somebody else's transformation the solve keeps its rules."""
    a, b = jnp.asarray(_matrices(0, 4, 600)), jnp.ones((600, 4, 1))
    step = tg.function(jnp.linalg.solve)
    expected = jax.grad(lambda a: jnp.linalg.solve(a, b).sum())(a)
    np.testing.assert_allclose(jax.grad(lambda a: step(a, b).sum())(a), expected, rtol=1e-4)
    batched = jax.vmap(lambda row: step(a, row), 0)(jnp.stack([b, 2 * b]))
    np.testing.assert_allclose(batched[1], 2 * jnp.linalg.solve(a, b), rtol=1e-4, atol=1e-6)


def test_conjugate_gradients_are_steps_in_the_open():
    a, b = jnp.asarray(_matrices(2, 8, 1)[0]), jnp.arange(8.0)

    def solve(a, b):
        return jax.scipy.sparse.linalg.cg(lambda x: a @ x, b, maxiter=20)[0]

    step = tg.function(solve)
    assert "custom_linear_solve" not in str(step.trace(a, b).optimized)
    np.testing.assert_allclose(step(a, b), jax.jit(solve)(a, b), rtol=1e-4, atol=1e-5)


def test_a_solver_that_prints_stays_as_it_is(capfd):
    def solve(a, b):
        def printed(_, y):
            jax.debug.print("solving")
            return y / a

        return lax.custom_linear_solve(lambda x: a * x, b, printed, symmetric=True)

    step = tg.function(solve)
    assert "custom_linear_solve" in str(step.trace(jnp.float32(2), jnp.float32(6)).optimized)
    assert step(jnp.float32(2), jnp.float32(6)) == 3
    jax.effects_barrier()
    assert capfd.readouterr().out.count("solving") == 1
