"""The reference evaluator: every op by itself, to the bit what eager JAX computes."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.experimental import io_callback
from jax.experimental import pallas as pl
from jax.extend import core as extend_core
from jax.interpreters import mlir
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from compiler.ir import Graph, Operation, TracegraphError, parse_graph, print_graph
from compiler.lowering.evaluate import Evaluator, evaluate
from compiler.lowering.import_jaxpr import import_jaxpr
from tests.differential.all_operations import OPERATIONS
from tests.differential.harness import assert_same_array, host
from tests.differential.operations_library import SAMPLERS
from tests.differential.test_effects import freeze, new_ref

X = jnp.arange(4.0)
MESH = Mesh(np.array(jax.devices()[:4]), ("x",))

UNDER_JIT = {"control-scan_empty": "without jit, JAX refuses a scan over nothing"}
EAGER = {"linalg-gradients": "without jit, JAX differentiates another program"}


def captured(function: Any, *arguments: Any) -> Graph:
    return import_jaxpr(jax.make_jaxpr(function)(*arguments)).freeze()


def run(function: Any, *arguments: Any) -> tuple[Any, ...]:
    """The function's results by the evaluator."""
    return evaluate(captured(function, *arguments), *jax.tree.leaves(arguments))


def assert_same(expected: Any, found: Any) -> None:
    leaves = jax.tree.leaves(expected)
    for i, (a, b) in enumerate(zip(leaves, found, strict=True)):
        assert str(getattr(a, "dtype", "")) in ("", str(b.dtype))
        assert_same_array(host(a), host(b), ulps=0, where=f"result {i}")


def without_jit(function: Any, *arguments: Any) -> Any:
    """The function op by op, as JAX itself does it: loops and calls in Python."""
    with jax.disable_jit():
        return function(*arguments)


@pytest.mark.parametrize("name", OPERATIONS)
def test_operation(name: str) -> None:
    function, arguments = OPERATIONS[name]
    if name in UNDER_JIT:
        expected = jax.jit(function)(*arguments)
    elif name in EAGER:
        expected = function(*arguments)
    else:
        expected = without_jit(function, *arguments)
    assert_same(expected, run(function, *arguments))


@pytest.mark.parametrize("name", SAMPLERS)
def test_sampler(name: str) -> None:
    draw, key = getattr(jax.random, name), jax.random.key(1)
    assert_same(
        without_jit(lambda k: draw(k, *SAMPLERS[name]), key),
        run(lambda k: draw(k, *SAMPLERS[name]), key),
    )


def test_ops_are_not_fused() -> None:
    """One multiplication and one addition round twice, where a fused one rounds once."""
    a, b = np.float32(1 + 2**-12), np.float32(-1 - 2**-11)
    (result,) = run(lambda x, y: x * x + y, a, b)
    assert result == np.float32(a * a) + b


def test_every_intermediate_value_is_seen_in_order() -> None:
    seen: list[tuple[str, Any]] = []

    def observe(op: Operation, values: Any) -> None:
        seen.append((op.name, [np.asarray(value).tolist() for value in values]))

    graph = captured(lambda x: lax.scan(lambda c, y: (c + y, -c), x[0] * 0, x)[1], X[:2])
    evaluate(graph, X[1:3], observe=observe)
    assert seen[-5:] == [
        *[("add", [1.0]), ("neg", [-0.0])],
        *[("add", [3.0]), ("neg", [-1.0])],
        ("scan", [3.0, [-0.0, -1.0]]),
    ]


def test_only_the_branch_taken_runs() -> None:
    seen: list[str] = []
    graph = captured(lambda i: lax.switch(i, [jnp.sin, jnp.cos], 1.0), 1)
    evaluate(graph, 0, observe=lambda op, _: seen.append(op.name))
    assert "sin" in seen
    assert "cos" not in seen


def test_a_binder_stands_before_the_primitives() -> None:
    def bind(op: Operation, operands: Any, run: Any) -> Any:
        return [value + 1 for value in run(operands)] if op.name == "neg" else run(operands)

    graph = captured(lambda x: jax.jit(lambda y: -y)(x) * 2, X)
    (result,) = Evaluator(graph, bind=bind)(X)
    assert result.tolist() == [2, 0, -2, -4]


def test_a_graph_can_be_evaluated_again() -> None:
    evaluator = Evaluator(captured(lambda x: lax.map(jnp.sin, x), X))
    for x in (X, X + 1):
        assert_same(without_jit(lambda x: lax.map(jnp.sin, x), x), evaluator(x))


TEXT = """tracegraph.ir 1
graph @f(captured %w: f32[2], %n: i32[]) -> (f32[2], i32[]) {
  %c, %y = while %n, %w {body_nconsts = 0, cond_nconsts = 0} : i32[], f32[2]
    cond_jaxpr (%i: i32[], %a: f32[2]) {
      %zero = constant {value = 0} : i32[]
      %gt = gt %i, %zero : bool[]
      yield %gt
    }
    body_jaxpr (%i: i32[], %a: f32[2]) {
      %one = constant {value = 1} : i32[]
      %less = sub %i, %one : i32[]
      %twice = add %a, %a : f32[2]
      yield %less, %twice
    }
  return %y, %c
}
"""


def test_a_graph_that_was_read_from_text() -> None:
    found = evaluate(parse_graph(TEXT), np.float32([1, 2]), 3)
    assert [value.tolist() for value in found] == [[8.0, 16.0], 0]


def test_a_captured_array_that_text_does_not_hold_must_be_given() -> None:
    with pytest.raises(TracegraphError) as caught:
        evaluate(parse_graph(TEXT), 3)
    assert str(caught.value) == (
        "1 values do not fit the parameters of graph @f\n"
        "  where: graph @f\n"
        "  expected: %w: f32[2] (captured), %n: i32[]\n"
        "  found: 1 values\n"
        "  what to do: pass a value for each parameter; captured ones may be left out of a graph "
        "that was captured here"
    )


def test_captured_arrays_are_at_hand() -> None:
    large = jnp.arange(5000.0)
    (result,) = evaluate(captured(lambda i: large[i], 0), 7)
    assert result == 7


@pytest.mark.parametrize(
    "argument",
    [jnp.zeros(3), jnp.zeros(4, jnp.int32), jax.random.key(0)],
    ids=lambda a: str(a.aval),
)
def test_an_argument_of_another_type_is_refused(argument: Any) -> None:
    with pytest.raises(TracegraphError, match=r"the argument %x has another type .*\n.*@function"):
        evaluate(captured(lambda x: x + 1, X), argument)


def test_an_op_that_gives_another_type_than_the_graph_says_is_an_error() -> None:
    text = print_graph(captured(lambda x: jnp.sin(x), X)).replace(
        "sin %x : f32[4]", "sin %x : f32[5]"
    )
    with pytest.raises(TracegraphError) as caught:
        evaluate(parse_graph(text.replace("-> (f32[4])", "-> (f32[5])")), X)
    assert "a result of sin has another type" in str(caught.value)
    assert (caught.value.expected, caught.value.found) == ("f32[5]", "float32[4]")


def test_an_op_that_cannot_run_is_named_with_its_line() -> None:
    text = "tracegraph.ir 1\ngraph @f(%x: f32[2], %y: f32[3]) -> (f32[2]) {\n"
    text += '  %z = add %x, %y : f32[2] loc("train.py":7 "loss")\n  return %z\n}\n'
    with pytest.raises(TracegraphError, match="the op add cannot be evaluated") as caught:
        evaluate(parse_graph(text), X[:2], X[:3])
    assert caught.value.where == "train.py:7 (loss)"
    assert "(2,)" in caught.value.found


def test_ordered_effects_happen_in_program_order(capfd: pytest.CaptureFixture[str]) -> None:
    def step(c: Any, x: Any) -> Any:
        jax.debug.print("{x}", x=x, ordered=True)
        lax.cond(x > 1, lambda: jax.debug.print("big", ordered=True), lambda: None)
        return c + x, None

    run(lambda x: lax.scan(step, 0.0, x), X)
    jax.effects_barrier()
    assert capfd.readouterr().out.split() == ["0.0", "1.0", "2.0", "big", "3.0", "big"]


def test_callbacks_are_called_once_each_in_order() -> None:
    seen: list[float] = []
    scalar = jax.ShapeDtypeStruct((), jnp.float32)

    def remember(v: Any) -> Any:
        seen.append(float(v))
        return np.float32(len(seen))

    def f(x: Any) -> Any:
        a = io_callback(remember, scalar, x[1], ordered=True)
        return io_callback(remember, scalar, a + x[2], ordered=True)

    (result,) = run(f, X)
    jax.effects_barrier()
    assert (result, seen) == (2.0, [1.0, 3.0])


def test_mutable_arrays_are_written_in_loops_and_branches() -> None:
    def f(x: Any) -> Any:
        ref = new_ref(jnp.float32(0))

        def write(y: Any) -> None:
            ref[...] += y

        def step(c: Any, y: Any) -> Any:
            lax.cond(y > 1, lambda: write(y), lambda: None)
            return c + 1, ref[...]

        return lax.scan(step, 0, x), freeze(ref)

    (count, rows, last) = run(f, X)
    assert (count, rows.tolist(), last) == (4, [0, 0, 2, 5], 5)


@pytest.mark.parametrize("captures", [False, True])
def test_a_mutable_array_of_the_caller_is_written(captures: bool) -> None:
    ref = new_ref(X)
    if captures:
        run(lambda y: ref.__setitem__(0, y), 5.0)
    else:
        graph = captured(lambda r, y: r.__setitem__(0, y), ref, 5.0)
        evaluate(graph, ref, 5.0)
    assert ref[...].tolist() == [5, 1, 2, 3]


def test_keys_pass_through_loops_of_any_length() -> None:
    def f(keys: Any) -> Any:
        return lax.scan(lambda c, k: (jax.random.fold_in(c, 1), jax.random.split(k)), keys[0], keys)

    keys = jax.random.split(jax.random.key(0), 3)
    assert_same(jax.jit(f)(keys), run(f, keys))
    (result,) = run(lambda k: lax.scan(lambda c, k: (c, k), 0, k[:0])[1], keys)
    assert (result.shape, result.dtype) == ((0,), keys.dtype)


def test_a_loop_whose_batch_stops_one_by_one() -> None:
    f = jax.vmap(lambda n: lax.while_loop(lambda c: c < n, lambda c: c * 2, 1.0))
    assert_same(f(X), run(f, X))


def test_a_long_loop_is_stacked_at_once() -> None:
    x = jnp.arange(3000.0)
    carry, rows = run(lambda x: lax.scan(lambda c, y: (c + y, c), 0.0, x), x)
    assert carry == x.sum()
    assert_same(jnp.cumsum(x) - x, [rows])


def test_mapped_functions_run_whole() -> None:
    f = jax.shard_map(
        lambda x: x * lax.psum(x.sum(), "x"), mesh=MESH, in_specs=P("x"), out_specs=P("x")
    )
    seen: list[str] = []
    graph = captured(jax.jit(f), X)
    (result,) = evaluate(graph, X, observe=lambda op, _: seen.append(op.name))
    assert_same(jax.jit(f)(X), [result])
    assert "psum" not in seen


def test_arguments_on_many_devices() -> None:
    spread = NamedSharding(MESH, P("x"))
    x = jax.device_put(X, spread)

    def f(x: Any) -> Any:
        return lax.scan(lambda c, y: (c + y, lax.with_sharding_constraint(x * c, spread)), 0.0, x)

    assert_same(jax.jit(f)(x), run(f, x))


def test_pallas_runs_whole() -> None:
    def kernel(x_ref: Any, o_ref: Any) -> None:
        o_ref[...] = x_ref[...] * 2

    double = pl.pallas_call(kernel, out_shape=jax.ShapeDtypeStruct((4,), X.dtype), interpret=True)
    assert_same(X * 2 + 1, run(lambda x: double(x) + 1, X))


def test_a_primitive_that_only_jit_can_run() -> None:
    primitive = extend_core.Primitive("test_compiled_only")
    primitive.def_abstract_eval(lambda x: x)
    mlir.register_lowering(primitive, mlir.lower_fun(lambda x: x * 3, multiple_results=False))
    assert_same(X * 3 + 1, run(lambda x: primitive.bind(x) + 1, X))


@pytest.mark.usefixtures("x64")
def test_in_64_bits() -> None:
    def f(x: Any) -> Any:
        return lax.scan(lambda c, y: (c + y * 1e-300, c), 0.0, x), x.astype(int) + 2**40

    x = jnp.linspace(0, 1, 5)
    assert_same(jax.jit(f)(x), run(f, x))
