"""Any pytree goes in and comes out: containers, leaves of every kind, weak types, x64."""

from __future__ import annotations

import collections
import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from tests.differential.harness import assert_same, differential

X = jnp.arange(4.0)


class Pair(NamedTuple):
    left: Any
    right: Any


@jax.tree_util.register_dataclass
@dataclasses.dataclass
class State:
    x: Any
    step: Any
    name: str = dataclasses.field(metadata={"static": True}, default="state")


VALUES = {
    "none": None,
    "nested_none": {"a": None, "b": [None, 1.0]},
    "empty_tuple": (),
    "empty_dict": {},
    "nested_empty": [(), {}, [[]]],
    "tuple": (1.0, (2.0, 3)),
    "list": [1, [2.0, [3]]],
    "dict": {"b": 1, "a": {"c": 2.0}},
    "dict_of_numbers": {3: 1.0, 1: 2.0},
    "ordered_dict": collections.OrderedDict([("z", 1), ("a", 2.0)]),
    "default_dict": collections.defaultdict(list, {"z": 1, "a": 2.0}),
    "named_tuple": Pair(1.0, Pair(2, None)),
    "dataclass": State(X, 3),
    "bool": True,
    "int": 3,
    "negative_int": -7,
    "float": 2.5,
    "nan": float("nan"),
    "complex": 1 + 2j,
    "np_bool": np.bool_(True),
    "np_int8": np.int8(-3),
    "np_uint32": np.uint32(2**32 - 1),
    "np_int64": np.int64(5),
    "np_float32": np.float32(1.5),
    "np_float64": np.float64(1.5),
    "np_array": np.arange(6, dtype=np.int16).reshape(2, 3),
    "np_float64_array": np.linspace(0, 1, 5),
    "np_0d": np.array(3.0, np.float32),
    "np_fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "np_strided": np.arange(12)[::-2],
    "np_empty": np.zeros((0, 3), np.float32),
    "jax_weak": jnp.asarray(3.0),
    "jax_0d": jnp.float32(2),
    "jax_empty": jnp.zeros((2, 0)),
    "jax_bool": jnp.array([True, False]),
    "bfloat16": jnp.ones(3, jnp.bfloat16),
    "key": jax.random.key(1),
    "keys": jax.random.split(jax.random.key(1), 3),
    "key_rbg": jax.random.key(1, impl="rbg"),
    "old_key": jax.random.PRNGKey(1),
}


@pytest.mark.parametrize("name", VALUES)
def test_through(name: str) -> None:
    """In as an argument and out again, beside a result that is computed."""

    def program(jit: Any) -> Any:
        f = jit(lambda value, x: (value, x + 1, {"again": value}))
        return f(VALUES[name], 1.0)

    assert_same(program)


SCALARS = [True, 3, 2.5, 1 + 2j, np.float32(1.5), np.int8(2), jnp.asarray(3), jnp.int8(3)]


@pytest.mark.parametrize("left", SCALARS, ids=repr)
def test_weak_types_promote(left: Any) -> None:
    def program(jit: Any) -> Any:
        f = jit(lambda x, ys: [x * y for y in ys])
        return f(left, [1, 2.0, jnp.float16(1), jnp.int32(2), np.ones(2, np.float32)])

    assert_same(program)


@pytest.mark.parametrize("left", SCALARS[:6], ids=repr)
@pytest.mark.usefixtures("x64")
def test_weak_types_promote_in_64_bits(left: Any) -> None:
    def program(jit: Any) -> Any:
        f = jit(lambda x, ys: [x * y for y in ys])
        return f(left, [1, 2.0, jnp.float16(1), jnp.int64(2), np.ones(2)])

    assert_same(program)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(
    "name", ["int", "float", "complex", "np_int64", "np_float64_array", "old_key"]
)
def test_through_in_64_bits(name: str) -> None:
    assert_same(lambda jit: jit(lambda v: (v, jax.tree.map(lambda x: x + x, v)))(VALUES[name]))


@differential
def test_x64_switched_between_calls(jit: Any) -> Any:
    f = jit(lambda x: x * 2)
    narrow = f(np.arange(3))
    before = jax.config.jax_enable_x64
    try:
        jax.config.update("jax_enable_x64", True)
        wide = f(np.arange(3))
    finally:
        jax.config.update("jax_enable_x64", before)
    return narrow, wide, f(np.arange(3))


@differential
def test_constants_as_results(jit: Any) -> Any:
    return jit(lambda: (1, 2.0, None, np.arange(3), jnp.ones(2), True, np.float32(3)))()


@differential
def test_one_value_returned_twice(jit: Any) -> Any:
    def f(x: Any) -> Any:
        y = x + 1
        return y, y, x, x

    return jit(f)(X)


@differential
def test_captured_arrays(jit: Any) -> Any:
    small, large = jnp.arange(3.0), jnp.arange(5000.0)
    plain, key = np.arange(3000), jax.random.key(7)
    f = jit(
        lambda i: (small[i], large[i], jnp.asarray(plain)[i], jax.random.bits(key, (2,)), large)
    )
    return f(2)


@differential
def test_captured_python_values_are_read_at_trace_time(jit: Any) -> Any:
    scale = [2.0]
    f = jit(lambda x: x * scale[0])
    first = f(X)
    scale[0] = 3.0
    return first, f(X), f(X[:2])


@differential
def test_no_arguments_and_no_results(jit: Any) -> Any:
    return jit(lambda: None)(), jit(lambda: ())(), jit(lambda x: None)(X)


@differential(raises=True)
def test_unregistered_class(jit: Any) -> Any:
    return jit(lambda x: x)(object())


@differential(raises=True)
def test_string_argument(jit: Any) -> Any:
    return jit(lambda x: x)("text")


@differential(raises=True)
def test_string_result(jit: Any) -> Any:
    return jit(lambda x: {"a": "text"})(X)


@differential(raises=True)
def test_dict_keys_that_do_not_sort(jit: Any) -> Any:
    return jit(lambda x: x)({1: 1.0, "a": 2.0})


@differential
def test_objects_with_jax_array(jit: Any) -> Any:
    class Boxed:
        def __jax_array__(self) -> jax.Array:
            return X

    return jit(lambda: jnp.asarray(Boxed()) + 1)()


@differential(raises=True)
def test_shape_dtype_struct_result(jit: Any) -> Any:
    return jit(lambda x: jax.ShapeDtypeStruct((), jnp.float32))(X)


@differential
def test_optional_leaves_retrace_by_structure(jit: Any) -> Any:
    count = []

    @jit
    def f(tree: Any) -> Any:
        count.append(1)
        return jax.tree.map(lambda x: x + 1, tree)

    return f({"a": X, "b": None}), f({"a": X, "b": X}), f({"a": None, "b": X}), len(count)


class Model(nnx.Module):
    def __init__(self, rngs: nnx.Rngs) -> None:
        self.first = nnx.Linear(3, 4, rngs=rngs)
        self.second = nnx.Linear(4, 2, rngs=rngs)
        self.calls = nnx.BatchStat(jnp.zeros((), jnp.int32))

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.second(nnx.relu(self.first(x)))


def loss(weights: Any, others: Any, graphdef: Any, x: jax.Array) -> jax.Array:
    """A scalar of a split nnx module."""
    return (nnx.merge(graphdef, weights, others)(x) ** 2).sum()


@differential
def test_nnx_module_as_argument(jit: Any) -> Any:
    if not getattr(nnx, "Pytree", None):
        pytest.skip("nnx modules are pytrees from flax 0.12 on")
    model = Model(nnx.Rngs(0))
    return jit(lambda m, x: m(x))(model, jnp.ones((2, 3)))


@differential
def test_nnx_module_as_result(jit: Any) -> Any:
    def grow(model: Model) -> Model:
        return jax.tree.map(lambda x: x * 2 if x.dtype == jnp.float32 else x, model)

    return jax.tree.leaves(jit(grow)(Model(nnx.Rngs(0))))


@differential
def test_nnx_split_and_merged(jit: Any) -> Any:
    graphdef, weights, others = nnx.split(Model(nnx.Rngs(0)), nnx.Param, ...)
    step = jit(jax.value_and_grad(loss), static_argnums=2)
    return jax.tree.leaves(step(weights, others, graphdef, jnp.ones((2, 3))))


@differential
def test_nnx_updated_inside(jit: Any) -> Any:
    graphdef, state = nnx.split(Model(nnx.Rngs(0)))

    @jit
    def step(state: Any, x: jax.Array) -> Any:
        model = nnx.merge(graphdef, state)
        model.calls[...] = model.calls[...] + 1
        return model(x), nnx.state(model)

    return jax.tree.leaves(step(state, jnp.ones((2, 3))))
