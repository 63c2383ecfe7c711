"""The proof that rows do not mix: what it admits really does not, and what mixes is named."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from compiler.analysis.rows import check_rows
from compiler.ir.errors import TracegraphError
from compiler.lowering.import_jaxpr import import_jaxpr

WIDTH = 6
W = np.random.RandomState(0).randn(WIDTH, WIDTH).astype(np.float32)
TABLE = np.random.RandomState(1).randn(WIDTH, 3).astype(np.float32)
KERNEL = np.random.RandomState(2).randn(4, 1, 2, 2).astype(np.float32)


def attention(x):
    tokens = x.reshape(x.shape[0], 3, 2)
    scores = tokens @ tokens.swapaxes(1, 2)
    masked = jnp.where(jnp.tril(jnp.ones((3, 3), bool)), scores, -jnp.inf)
    return jax.nn.softmax(masked) @ tokens


def convolution(x):
    image = x.reshape(x.shape[0], 1, 2, 3)
    return jax.lax.conv_general_dilated(image, jnp.asarray(KERNEL), (1, 1), "SAME")


def pooling(x):
    image = x.reshape(x.shape[0], 2, 3, 1)
    window = ((1, 1, 2, 1), (1, 1, 1, 1), "VALID")
    return jax.lax.reduce_window(image, -jnp.inf, jax.lax.max, *window)


def loop_of_rows(x):
    return jax.lax.fori_loop(0, 3, lambda i, c: jnp.tanh(c @ W) + x[:, i][:, None], x)


def scan_within_rows(x):
    return jax.lax.scan(lambda c, column: (c + column, c * 2), jnp.zeros(x.shape[0]), x.T)


def branch(x):
    return jax.lax.cond(TABLE.sum() > 0, lambda a: a * 2, lambda a: -a, x)


def per_row_gradient(x):
    return jax.vmap(jax.grad(lambda row: jnp.sum(jnp.sin(row @ W))))(x)


def merged(x):
    tokens = x.reshape(x.shape[0] * 2, 3)
    return (tokens @ TABLE[:3]).reshape(x.shape[0], 6)


ADMITTED = {
    "elementwise": lambda x: jnp.tanh(x) * 2 + jnp.where(x > 0, x, -x),
    "mlp": lambda x: jax.nn.softmax(jax.nn.gelu(x @ W + 1) @ TABLE),
    "from the left": lambda x: W @ x.T,
    "attention": attention,
    "convolution": convolution,
    "pooling": pooling,
    "layer norm": lambda x: (x - x.mean(1, keepdims=True)) / x.std(1, keepdims=True),
    "transposes": lambda x: jnp.transpose(x.reshape(x.shape[0], 2, 3), (2, 0, 1)),
    "merged with a fixed size": merged,
    "repeat": lambda x: jnp.repeat(x, 3, axis=0) * 2,
    "along columns": lambda x: (jnp.cumsum(x, 1), jnp.sort(x, 1), jnp.argmax(x, 1), x[:, ::-1]),
    "columns taken": lambda x: (
        x[:, 1:3],
        x[:, 2],
        jnp.pad(x, ((0, 0), (1, 1))),
        jnp.split(x, 2, 1),
    ),
    "columns joined": lambda x: (
        jnp.concatenate([x, x], 1),
        jnp.stack([x, x]),
        jnp.tile(x, (1, 2)),
    ),
    "look-up per row": lambda x: jnp.asarray(TABLE)[jnp.argmax(x, 1)],
    "one element per row": lambda x: jnp.take_along_axis(x, jnp.argmax(x, 1)[:, None], 1),
    "gather under vmap": lambda x: jax.vmap(lambda row: row[jnp.argmin(row)])(x),
    "scatter under vmap": lambda x: jax.vmap(lambda row: row.at[jnp.argmin(row)].add(5.0))(x),
    "columns written": lambda x: x.at[:, 1].set(0.0),
    "dynamic columns": lambda x: jax.lax.dynamic_slice_in_dim(x, jnp.argmax(W[0]), 2, 1),
    "row numbers": lambda x: x + jnp.arange(x.shape[0])[:, None],
    "new rows": lambda x: jnp.zeros((x.shape[0], 2)) + 1,
    "loop": loop_of_rows,
    "scan within rows": scan_within_rows,
    "branch": branch,
    "jit, checkpoint and rules": lambda x: jax.checkpoint(jax.jit(jax.nn.relu))(x) + jax.nn.silu(x),
    "gradient per row": per_row_gradient,
    "top k": lambda x: jax.lax.top_k(x, 2),
    "matrices": lambda x: jnp.linalg.cholesky(
        jax.vmap(lambda r: jnp.eye(6) * 9 + r * r[:, None])(x)
    ),
    "fourier": lambda x: jnp.abs(jnp.fft.rfft(x, axis=1)),
    "keys per row": lambda x: jax.vmap(
        lambda i: jax.random.normal(jax.random.fold_in(jax.random.key(0), i), (2,))
    )(jnp.argmax(x, 1)),
    "no rows in the result": lambda x: jnp.asarray(W) * 2,
}

MIXING = {
    "sum": (lambda x: x.sum(0), "reduce_sum", "it combines all rows into one"),
    "mean": (lambda x: x - x.mean(0), "reduce_sum", "it combines all rows into one"),
    "largest": (lambda x: x.max(), "reduce_max", "it combines all rows into one"),
    "argmax": (lambda x: jnp.argmax(x, 0), "argmax", "it combines all rows into one"),
    "number of rows": (lambda x: x * x.shape[0], "dim_as_value", "the number of rows itself"),
    "cumsum": (lambda x: jnp.cumsum(x, 0), "cumsum", "it runs along the rows"),
    "sort": (lambda x: jnp.sort(x, 0), "sort", "it orders the rows"),
    "reversed": (lambda x: x[::-1], "rev", "it reverses the rows"),
    "gram matrix": (lambda x: x @ x.T, "dot_general", "the rows do not stay in one axis"),
    "weights' gradient": (lambda x: x.T @ x, "dot_general", "it sums over the rows"),
    "first row": (
        lambda x: jax.lax.slice(x, (0, 0), (1, WIDTH)) + x,
        "slice",
        "it takes some rows only",
    ),
    "every other row": (
        lambda x: jax.lax.slice(x.reshape(x.shape[0] * 2, 3), (0, 0), (x.shape[0] * 2, 3), (2, 1)),
        "slice",
        "it takes some rows only",
    ),
    "dynamic row": (
        lambda x: jax.lax.dynamic_slice(x, (jnp.argmax(W[0]), 0), (1, WIDTH)),
        "dynamic_slice",
        "it reads along the rows",
    ),
    "permuted": (lambda x: x[jnp.argmax(x, 1)], "gather", "it reads along the rows"),
    "written row": (lambda x: x.at[0].set(1.0), "scatter", "it writes along the rows"),
    "histogram": (
        lambda x: jnp.zeros(WIDTH).at[jnp.argmax(x, 1)].add(1.0),
        "scatter",
        "rows write into an array that all rows share",
    ),
    "twice as many": (lambda x: jnp.concatenate([x, x]), "concatenate", "it joins or parts rows"),
    "more rows": (
        lambda x: jnp.pad(x, ((1, 0), (0, 0))),
        "pad",
        "the rows do not stay in one axis",
    ),
    "shifted": (
        lambda x: jax.lax.pad(x, 0.0, ((1, -1, 0), (0, 0, 0))),
        "pad",
        "it adds or cuts rows",
    ),
    "broken up": (lambda x: x.T.reshape(x.shape[0], WIDTH), "reshape", "it breaks rows up"),
    "flattened crosswise": (lambda x: x.T.reshape(-1), "reshape", "it breaks rows up"),
    "repeated whole": (lambda x: jnp.tile(x, (2, 1)), "", ""),
    "scan over rows": (
        lambda x: jax.lax.scan(lambda c, r: (c + r, c), jnp.zeros(WIDTH), x),
        "scan",
        "it runs over the rows",
    ),
    "loop over rows": (
        lambda x: jax.lax.fori_loop(0, x.shape[0], lambda i, c: c * 2, x),
        "dim_as_value",
        "the number of rows itself",
    ),
    "loop until all rows": (
        lambda x: jax.lax.while_loop(lambda c: jnp.any(c > 1), lambda c: c / 2, x),
        "reduce_or",
        "it combines all rows into one",
    ),
    "noise": (
        lambda x: x + jax.random.normal(jax.random.key(0), x.shape),
        "random_bits",
        "what it draws depends on how many rows there are",
    ),
    "one key into many": (
        lambda x: jax.random.key_data(jax.random.split(jax.random.key(0), x.shape[0])),
        "random_split",
        "what it draws depends on how many rows there are",
    ),
    "window over rows": (
        lambda x: jax.lax.reduce_window(x, 0.0, jax.lax.add, (2, 1), (1, 1), "SAME"),
        "reduce_window_sum",
        "its window spans several rows",
    ),
    "fourier over rows": (lambda x: jnp.fft.fft(x.T), "fft", "it transforms along the rows"),
    "best rows": (lambda x: jax.lax.top_k(x.T, 1), "top_k", "it picks among the rows"),
    "batch is a channel": (
        lambda x: jax.lax.conv_general_dilated(x[None], jnp.ones((2, x.shape[0], 3)), (1,), "SAME"),
        "conv_general_dilated",
        "the rows are not its batch",
    ),
    "host callback": (
        lambda x: jax.pure_callback(lambda a: a, jax.ShapeDtypeStruct(x.shape, x.dtype), x),
        "pure_callback",
        "it is not known to treat rows one by one",
    ),
    "print": (
        lambda x: (jax.debug.print("{}", x), x)[1],
        "debug_",
        "side effect",
    ),
}


def captured(program, sizes="n"):
    (n,) = jax.export.symbolic_shape(sizes)
    traced = jax.jit(program).trace(jax.ShapeDtypeStruct((n, WIDTH), jnp.float32))
    return traced, import_jaxpr(traced.jaxpr, name="program")


@pytest.mark.parametrize("name", ADMITTED)
def test_what_is_admitted_does_not_mix_rows(name):
    program = ADMITTED[name]
    traced, graph = captured(program)
    check_rows(graph, "n")
    small = np.random.RandomState(3).randn(5, WIDTH).astype(np.float32)
    for other in (7, 8):  # rows that would be noticed, not zeros
        noise = np.full((other - 5, WIDTH), 1e6, np.float32) * np.arange(1, WIDTH + 1)
        large = np.concatenate([small, noise.astype(np.float32)])
        outputs = zip(
            jax.tree.leaves(jax.jit(program)(small)),
            jax.tree.leaves(jax.jit(program)(large)),
            traced.jaxpr.out_avals,
            strict=True,
        )
        for few, many, aval in outputs:
            cut = np.asarray(many)[tuple(slice(0, size) for size in few.shape)]
            np.testing.assert_allclose(few, cut, rtol=2e-5, atol=2e-6, err_msg=str(aval))


@pytest.mark.parametrize("name", MIXING)
def test_what_mixes_rows_is_named_with_its_line(name):
    program, op, reason = MIXING[name]
    with pytest.raises(TracegraphError) as caught:
        check_rows(captured(program)[1], "n")
    error = caught.value
    assert f"program cannot be run at a padded size: {op}" in error.what
    assert "may mix the rows of 'n'" in error.what
    assert "test_rows.py" in error.where
    assert reason in error.found
    assert "leave the buckets out" in error.hint


def test_an_argument_that_holds_no_rows_one_by_one():
    with pytest.raises(TracegraphError, match="an argument does not hold one row after the other"):
        check_rows(captured(lambda x: x, "n + 1")[1], "n")


def test_other_sizes_are_no_concern():
    graph = captured(lambda x: x.sum(), "seq")[1]
    check_rows(graph, "n")
    with pytest.raises(TracegraphError, match="reduce_sum"):
        check_rows(graph, "seq")


def test_two_sizes_one_by_one():
    n, seq = jax.export.symbolic_shape("n, seq")
    x = jax.ShapeDtypeStruct((n, seq, 4), jnp.float32)

    def program(x):
        flat = x.reshape(x.shape[0] * x.shape[1], 4) @ W[:4]
        return flat.reshape(x.shape[0], x.shape[1], WIDTH)

    graph = import_jaxpr(jax.jit(program).trace(x).jaxpr)
    check_rows(graph, "n")
    with pytest.raises(TracegraphError, match="reshape may mix the rows of 'seq'"):
        check_rows(graph, "seq")
