from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from compiler.ops.definition import NotExact
from tests.compiler.ops.exact import (
    FLOATS,
    INTEGERS,
    check_arrays,
    dtype_of,
    edges,
    evaluate,
    imported,
)

DTYPES = ("bool", *INTEGERS, *FLOATS, "complex64", "float8_e4m3fn")


def table(name, shape=(3, 4)):
    values = np.arange(int(np.prod(shape))).reshape(shape) % 7
    return values.astype(dtype_of(name))


MOVES = {
    "reshape": lambda x: lax.reshape(x, (2, 6)),
    "transpose": lambda x: lax.transpose(x, (1, 0)),
    "broadcast_in_dim": lambda x: lax.broadcast_in_dim(x, (3, 5, 4), (0, 2)),
    "broadcast_new_and_one": lambda x: lax.broadcast_in_dim(x[:, :1], (2, 3, 4), (1, 2)),
    "squeeze": lambda x: lax.squeeze(x[:1], (0,)),
    "rev": lambda x: lax.rev(x, (1,)),
    "concatenate": lambda x: lax.concatenate([x, x], 1),
    "slice": lambda x: lax.slice(x, (1, 0), (3, 4), (1, 3)),
    "slice_to_nothing": lambda x: lax.slice(x, (1, 2), (1, 4)),
    "pad": lambda x: lax.pad(x, x[0, 0], ((1, 2, 0), (0, 1, 2))),
    "pad_negative": lambda x: lax.pad(x, x[0, 1], ((-1, 2, 1), (3, -2, 0))),
    "pad_away": lambda x: lax.pad(x, x[0, 1], ((-2, -1, 0), (0, 0, 0))),
    "split": lambda x: lax.split(x, (1, 3), axis=1),
    "tile": lambda x: jnp.tile(x, (2, 3)),
    "stack": lambda x: jnp.stack([x, x], axis=1),
    "dynamic_slice": lambda x: lax.dynamic_slice(x, (np.int32(2), np.int32(-3)), (2, 2)),
    "dynamic_update_slice": lambda x: lax.dynamic_update_slice(
        x, x[:2, :2], (np.int32(5), np.int32(1))
    ),
    "select_n": lambda x: lax.select_n(np.arange(12).reshape(3, 4) % 3, x, x[::-1], x[:, ::-1]),
}  # fmt: skip


@pytest.mark.parametrize("name", DTYPES)
@pytest.mark.parametrize("move", MOVES.values(), ids=MOVES)
def test_moves_keep_the_bits(move, name):
    check_arrays(move, table(name))


@pytest.mark.parametrize("name", ["float32", "bfloat16"])
def test_moves_keep_nan_and_denormals(name):
    values = edges(name).reshape(2, -1)
    everywhere = np.ones(values.shape, bool)
    check_arrays(lambda x: (lax.rev(x, (0,)), lax.select_n(everywhere, x, x[::-1])), values)


@pytest.mark.parametrize("shape", [(0, 4), (1, 1), (3, 0)])
def test_moves_of_small_arrays(shape):
    x = table("float32", shape)
    check_arrays(
        lambda x: (lax.transpose(x, (1, 0)), lax.rev(x, (0,)), lax.reshape(x, (x.size,))), x
    )
    check_arrays(lambda x: lax.pad(x, np.float32(2), ((1, 0, 2), (0, 1, 1))), x)
    check_arrays(lambda x: lax.concatenate([x, x], 0), x)


def test_stop_gradient_is_an_identity():
    check_arrays(lax.stop_gradient, edges("float32"))


def test_scalars():
    check_arrays(
        lambda x: (lax.broadcast_in_dim(x, (2, 3), ()), lax.reshape(x, (1,))), np.float32(3)
    )
    check_arrays(lambda p, x: lax.select_n(p, x, -x), np.bool_(True), np.int32(3))
    check_arrays(lambda p, x: lax.select_n(p, x, -x), np.bool_(True), np.ones((2, 3), np.float32))


@pytest.mark.parametrize("name", ["int8", "int32", "uint16", "float32", "bfloat16"])
def test_iota(name):
    check_arrays(lambda: lax.broadcasted_iota(dtype_of(name), (2, 5, 3), 1))
    check_arrays(lambda: lax.iota(dtype_of(name), 0))


def test_iota_of_nothing_counts_nothing():
    graph = imported(lambda: lax.broadcasted_iota(jnp.int8, (1 << 40, 0), 0))
    (found,) = evaluate(graph, ())
    assert (found.shape, found.dtype) == ((1 << 40, 0), np.int8)


def test_iota_beyond_the_type_is_refused():
    with pytest.raises(NotExact, match="iota"):
        evaluate(imported(lambda: lax.iota(jnp.bfloat16, 1000)), ())


BITCASTS = [
    ("float32", "int32"),
    ("int32", "float32"),
    ("bfloat16", "uint16"),
    ("uint8", "int8"),
]


@pytest.mark.parametrize(("source", "target"), BITCASTS)
def test_bitcast(source, target):
    check_arrays(lambda x: lax.bitcast_convert_type(x, dtype_of(target)), edges(source))


def test_bitcast_to_another_width_is_refused():
    x = np.ones(4, np.float32)
    with pytest.raises(NotExact, match="width"):
        evaluate(imported(lambda x: lax.bitcast_convert_type(x, jnp.int8), x), (x,))


PACKED = ["int4", "uint4", "int2", "float4_e2m1fn"]


@pytest.mark.parametrize("narrow", PACKED)
@pytest.mark.parametrize("wide", ["int8", "uint8"])
def test_bitcast_of_parts_of_a_byte_is_refused(wide, narrow):
    whole = np.zeros(4, wide)
    parts = lax.bitcast_convert_type(whole, dtype_of(narrow))
    for x, target in ((whole, narrow), (np.asarray(parts), wide), (np.asarray(parts), narrow)):
        graph = imported(lambda x, target=target: lax.bitcast_convert_type(x, dtype_of(target)), x)
        if len(graph.body) == 1:  # to the type that it is of, which is no op
            continue
        with pytest.raises(NotExact, match="width"):
            evaluate(graph, (x,))


def test_complex_parts():
    check_arrays(lambda x: (lax.real(x), lax.imag(x)), np.complex64([1 + 2j, -0.0 - 3j]))


REDUCTIONS = {
    "sum": lambda x: lax.reduce_sum(x, (0,)),
    "prod": lambda x: lax.reduce_prod(x, (1,)),
    "max": lambda x: lax.reduce_max(x, (0, 1)),
    "min": lambda x: lax.reduce_min(x, (1,)),
    "and": lambda x: lax.reduce_and(x, (0,)),
    "or": lambda x: lax.reduce_or(x, (0, 1)),
    "xor": lambda x: lax.reduce_xor(x, (1,)),
    "argmax": lambda x: lax.argmax(x, 0, jnp.int32),
    "argmin": lambda x: lax.argmin(x, 1, jnp.uint8),
}


@pytest.mark.parametrize("name", INTEGERS)
@pytest.mark.parametrize("reduction", REDUCTIONS.values(), ids=REDUCTIONS)
def test_integer_reductions(reduction, name):
    values = edges(name)
    check_arrays(reduction, values[: len(values) // 2 * 2].reshape(2, -1))


@pytest.mark.parametrize("key", ["and", "or", "xor", "max", "min"])
def test_boolean_reductions(key):
    if key in ("max", "min"):
        check_arrays(lambda x: lax.reduce_max(x, (0,)), np.array([[True, False], [False, False]]))
    check_arrays(REDUCTIONS[key], np.array([[True, False], [True, True]]))


@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.parametrize("key", ["max", "min", "argmax", "argmin"])
def test_float_extremes(key, name):
    check_arrays(REDUCTIONS[key], np.array([[1, -np.inf, 3], [2, 1, 3]], dtype_of(name)))


@pytest.mark.parametrize("bad", [np.nan, 1e-40])
@pytest.mark.parametrize("key", ["max", "min", "argmax", "argmin"])
def test_float_extremes_refuse_what_devices_treat_differently(key, bad):
    x = np.array([[1.0, bad]], np.float32)
    with pytest.raises(NotExact):
        evaluate(imported(REDUCTIONS[key], x), (x,))


def test_float_extremes_refuse_zeros_of_both_signs():
    x = np.array([[0.0], [-0.0]], np.float32)
    with pytest.raises(NotExact, match="larger"):
        evaluate(imported(REDUCTIONS["max"], x), (x,))
    check_arrays(lambda x: lax.reduce_max(x, (1,)), x)


@pytest.mark.parametrize("key", ["sum", "prod"])
def test_float_sums_are_refused(key):
    x = np.ones((2, 2), np.float32)
    with pytest.raises(NotExact, match="order"):
        evaluate(imported(REDUCTIONS[key], x), (x,))


@pytest.mark.parametrize("key", REDUCTIONS)
def test_empty_reductions_are_refused(key):
    x = np.ones((2, 2), np.int32)
    graph = imported(REDUCTIONS[key], x)
    with pytest.raises(NotExact, match="empty"):
        evaluate(graph, (x[:0],))


@pytest.mark.parametrize("index", [-1, 2, 100])
def test_select_n_refuses_an_index_outside_its_cases(index):
    x = np.ones((), np.float32)
    graph = imported(lambda i, x: lax.select_n(i, x, x), np.int32(0), x)
    with pytest.raises(NotExact, match="cases"):
        evaluate(graph, (np.int32(index), x))
