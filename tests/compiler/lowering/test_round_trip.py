"""Import and export change nothing: the jaxpr that comes out is valid and computes the same."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.experimental.xla_metadata import set_xla_metadata
from jax.extend.core import jaxpr_as_fun

import tracegraph as tg
from compiler.ir.parser import parse_graph
from compiler.ir.walk import clone, walk
from compiler.lowering import jax_compat
from compiler.lowering.evaluate import evaluate
from compiler.lowering.export_jax import export_jaxpr
from compiler.lowering.import_jaxpr import import_jaxpr
from tests.differential.all_operations import OPERATIONS
from tests.differential.harness import assert_same_value

X = jnp.arange(4.0)


def there_and_back(jaxpr: Any) -> Any:
    """Import, a copy as the pass manager makes one, export."""
    return export_jaxpr(clone(import_jaxpr(jaxpr)))


def text(jaxpr: Any) -> str:
    """A jaxpr as text, without what its printer says only of shared parts."""
    return re.sub(r"0x[0-9a-f]+", "0x", str(jaxpr))


@pytest.mark.parametrize("name", OPERATIONS)
def test_the_same_jaxpr_comes_back(name: str) -> None:
    function, arguments = OPERATIONS[name]
    jaxpr = jax.make_jaxpr(function)(*arguments)
    result = there_and_back(jaxpr)
    jax_compat.check_jaxpr(result)
    assert list(result.out_avals) == list(jaxpr.out_avals)
    assert list(result.in_avals) == list(jaxpr.in_avals)
    assert result.effects == jaxpr.effects
    assert count_primitives(result) == count_primitives(jaxpr)


@pytest.mark.parametrize("name", OPERATIONS)
def test_jaxs_own_primitives_are_known(name: str) -> None:
    function, arguments = OPERATIONS[name]
    graph = import_jaxpr(jax.make_jaxpr(function)(*arguments))
    assert [op.name for op in walk(graph) if op.name.startswith("foreign.")] == []


SAMPLED = [name for i, name in enumerate(OPERATIONS) if i % 8 == 0]


@pytest.mark.parametrize("name", SAMPLED)
def test_it_evaluates_the_same(name: str) -> None:
    function, arguments = OPERATIONS[name]
    jaxpr = jax.make_jaxpr(function)(*arguments)
    leaves = jax.tree.leaves(arguments)
    expected = jaxpr_as_fun(jaxpr)(*leaves)
    assert_same_value(expected, jaxpr_as_fun(there_and_back(jaxpr))(*leaves))


def count_primitives(jaxpr: Any) -> dict[str, int]:
    """How often each primitive stands in a jaxpr, nested ones included."""
    found: dict[str, int] = {}
    pending = [jaxpr]
    while pending:
        parts = jax_compat.split_jaxpr(pending.pop())
        for equation in parts.equations:
            found[equation.primitive.name] = found.get(equation.primitive.name, 0) + 1
            values = jax.tree.leaves(list(equation.params.values()), is_leaf=jax_compat.is_jaxpr)
            pending += filter(jax_compat.is_jaxpr, values)
    return found


def test_twice_there_and_back_is_once() -> None:
    jaxpr = jax.make_jaxpr(lambda x: lax.scan(lambda c, y: (c * y, jnp.sin(c)), 1.0, x))(X)
    once = there_and_back(jaxpr)
    assert text(there_and_back(once)) == text(once)


def test_large_captured_arrays_are_parameters_and_small_ones_constants() -> None:
    small, large = jnp.arange(3.0), jnp.arange(5000.0)
    graph = import_jaxpr(jax.make_jaxpr(lambda i: small[i] + large[i])(0))
    assert [info.captured for info in graph.parameter_info] == [True, False]
    assert graph.parameter_info[0].handle is large
    assert sum(op.name == "constant" and op.result.type.shape == (3,) for op in graph.body) == 1


def test_equal_constants_are_one_op() -> None:
    graph = import_jaxpr(jax.make_jaxpr(lambda x: (x + 2.0) * 2.0 - 2.0)(X))
    assert sum(op.name == "constant" for op in graph.body) == 1


def test_zeros_of_different_sign_are_two_constants() -> None:
    graph = import_jaxpr(jax.make_jaxpr(lambda x: (x * 0.0, x * -0.0))(X))
    assert sum(op.name == "constant" for op in graph.body) == 2


def test_donation_and_names() -> None:
    jaxpr = jax.jit(lambda first, second: {"sum": first + second}).trace(X, X).jaxpr
    graph = import_jaxpr(jaxpr, name="f", donated=(False, True))
    assert [info.donated for info in graph.parameter_info] == [False, True]
    assert [value.hint for value in graph.parameters] == ["first", "second"]
    assert graph.result_names == ("['sum']",)


REGIONS = {
    "cond": (
        lambda x: lax.cond(x[0] > 0, jnp.sin, jnp.cos, x),
        "cond",
        ["branches[0]", "branches[1]"],
    ),
    "while": (
        lambda x: lax.while_loop(lambda c: c[0] < 3, lambda c: c + 1, x),
        "while",
        ["cond_jaxpr", "body_jaxpr"],
    ),
    "scan": (lambda x: lax.scan(lambda c, y: (c + y, y), 0.0, x), "scan", ["jaxpr"]),
    "jit": (lambda x: jax.jit(jnp.sin)(x), "jit|pjit", ["jaxpr"]),
    "checkpoint": (lambda x: jax.checkpoint(jnp.sin)(x), "checkpoint|remat.*", ["jaxpr"]),
    "custom_jvp": (jax.custom_jvp(jnp.sin), "custom_jvp_call", ["call_jaxpr"]),
    "custom_vjp": (jax.custom_vjp(jnp.sin), "custom_vjp_call.*", ["call_jaxpr"]),
}


@pytest.mark.parametrize("name", REGIONS)
def test_regions_are_named_after_parameters(name: str) -> None:
    function, op_name, regions = REGIONS[name]
    graph = import_jaxpr(jax.make_jaxpr(function)(X))
    (op,) = [op for op in graph.body if op.regions]
    assert re.fullmatch(op_name, op.name)
    assert [region.name for region in op.regions] == regions
    assert not set(op.attributes) & {region.partition("[")[0] for region in regions}
    for region in op.regions:
        assert region.terminator.name == "yield"


custom = REGIONS["custom_jvp"][0], REGIONS["custom_vjp"][0]
custom[0].defjvp(lambda primals, tangents: (jnp.sin(*primals), tangents[0]))
custom[1].defvjp(lambda x: (jnp.sin(x), x), lambda x, ct: (ct * x,))


def test_effects_come_back_bound_to_their_operand() -> None:
    make = getattr(jax, "new_ref", None)
    if make is None:
        pytest.skip("this jax has no public mutable arrays")
    ref = make(X)
    jaxpr = jax.make_jaxpr(lambda y, r: r.__setitem__(0, y))(1.0, ref)
    result = there_and_back(jaxpr)
    jax_compat.check_jaxpr(result)
    assert {type(e) for e in result.effects} == {type(e) for e in jaxpr.effects}
    graph = import_jaxpr(jaxpr)
    (write,) = [op for op in graph.body if op.effects]
    assert {effect.operand for effect in write.effects} == {0}


def test_ordered_effects_are_ordered() -> None:
    def f(x: Any) -> None:
        jax.debug.print("{x}", x=x, ordered=True)
        jax.debug.print("{x}", x=x)

    graph = import_jaxpr(jax.make_jaxpr(f)(X))
    assert [[e.ordered for e in op.effects] for op in graph.body if op.effects] == [[True], [False]]


def test_settings_of_an_equation_come_back() -> None:
    def f(x: Any) -> Any:
        with jax.numpy_dtype_promotion("strict"), set_xla_metadata(a=1):
            return jnp.sin(x) + jnp.cos(x)

    jaxpr = jax.make_jaxpr(f)(X)
    result = there_and_back(jaxpr)
    contexts = [e.ctx for e in jax_compat.split_jaxpr(jaxpr).equations]
    assert [e.ctx for e in jax_compat.split_jaxpr(result).equations] == contexts
    assert contexts[0] != jax_compat.default_context()


def test_debug_names_come_back() -> None:
    jaxpr = jax.jit(lambda first, second: {"sum": first + second}).trace(X, X).jaxpr
    before, after = (jax_compat.split_jaxpr(j).debug_info for j in (jaxpr, there_and_back(jaxpr)))
    assert (after.arg_names, after.result_paths) == (before.arg_names, before.result_paths)


def test_annotations_stay_behind() -> None:
    graph = import_jaxpr(jax.make_jaxpr(jnp.sin)(X))
    (sine,) = [op for op in graph.body if op.name == "sin"]
    sine.attributes = {**sine.attributes, "tg.group": 1}
    (equation,) = jax_compat.split_jaxpr(export_jaxpr(graph)).equations
    assert "tg.group" not in equation.params


WEAK = jax.jit(lambda: jax.lax.broadcast(2, (3,)))()


@pytest.mark.parametrize(
    "fun",
    [
        lambda x: jax.vmap(lambda a: 1.0)(x),
        lambda x: jax.lax.scan(lambda n, a: (n + 1, n), 0, x)[1],
        lambda x: jax.lax.map(lambda a: 2.0, x[:0]),
        lambda x: -WEAK,
        lambda x: jax.lax.scan(lambda c, a: (c, (WEAK, a)), 0.0, x)[1][0],
    ],
    ids=["batch of one", "counter", "empty", "captured", "constant outputs"],
)
def test_constants_of_a_weak_type_stay_weak(fun):
    x = jnp.ones(1)
    expected, found = jax.jit(fun)(x), tg.function(fun)(x)
    assert expected.weak_type
    assert found.weak_type
    np.testing.assert_array_equal(found, expected)
    narrow = jnp.bfloat16 if found.dtype == jnp.float32 else jnp.int8
    assert (found + jnp.ones((), narrow)).dtype == narrow
    within = jax.jit(lambda x: tg.function(fun)(x) + jnp.ones((), narrow))
    assert within(x).dtype == narrow


@pytest.mark.parametrize("derivative", [jax.jacfwd, jax.jacrev, jax.hessian])
def test_the_text_of_a_jacobian_can_be_run(derivative: Callable[..., Any]) -> None:
    function = derivative(lambda x: jnp.sin(x).sum() * x)
    x = jnp.linspace(0, 1, 3)
    (found,) = evaluate(parse_graph(str(tg.function(function).graph(x))), x)
    np.testing.assert_allclose(found, function(x), rtol=1e-6)
