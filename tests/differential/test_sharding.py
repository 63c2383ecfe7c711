"""Eight devices: shardings of arguments and results, constraints, shard_map and explicit axes."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.sharding import AbstractMesh, AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from tests.differential.harness import assert_same, differential

MESH = Mesh(np.array(jax.devices()[:8]).reshape(4, 2), ("x", "y"))
A = np.arange(64, dtype=np.float32).reshape(8, 8)


def spread(*axes: Any) -> NamedSharding:
    """A sharding over the test's mesh."""
    return NamedSharding(MESH, P(*axes))


def placed(*axes: Any) -> jax.Array:
    """The test's array, laid out over the mesh."""
    return jax.device_put(A, spread(*axes))


SPECS = {
    "both": ("x", "y"),
    "rows": ("x",),
    "columns": (None, "y"),
    "one": (("x", "y"),),
    "none": (),
}


@pytest.mark.parametrize("name", SPECS)
def test_sharded_arguments(name: str) -> None:
    def program(jit: Any) -> Any:
        return jit(lambda a: (a @ a.T, a.sum(0), a * 2))(placed(*SPECS[name]))

    assert_same(program)


@pytest.mark.parametrize("name", SPECS)
def test_in_and_out_shardings(name: str) -> None:
    there = spread(*SPECS[name])

    def program(jit: Any) -> Any:
        f = jit(lambda a, b: {"c": a + b, "d": a}, in_shardings=(there, None), out_shardings=there)
        return f(A, A)

    assert_same(program)


@differential(raises=True)
def test_in_shardings_that_disagree_with_the_argument(jit: Any) -> Any:
    return jit(lambda a: a, in_shardings=spread("x"))(placed("y"))


@differential(raises=True)
def test_out_shardings_that_do_not_divide(jit: Any) -> Any:
    return jit(lambda a: a[:3], out_shardings=spread("x"))(A)


@differential(raises=True)
def test_devices_that_disagree(jit: Any) -> Any:
    one, two = (jax.device_put(A, jax.devices()[i]) for i in (1, 2))
    return jit(lambda a, b: a + b)(one, two)


@differential
def test_device_of_the_argument(jit: Any) -> Any:
    f = jit(lambda a: a + 1)
    return [f(jax.device_put(A, jax.devices()[i])) for i in (3, 0, 3)], f(A)


@differential
def test_with_sharding_constraint(jit: Any) -> Any:
    def f(a: Any) -> Any:
        b = lax.with_sharding_constraint(a * 2, spread("y", "x"))
        return b, lax.with_sharding_constraint(b.sum(0), spread("x"))

    return jit(f)(A), jit(f)(placed("x")), jax.grad(lambda a: jit(f)(a)[1].sum())(placed("x"))


@differential
def test_donated_sharded(jit: Any) -> Any:
    a = placed("x", "y")
    return jit(lambda a: a + 1, donate_argnums=0)(a), a.is_deleted()


@differential
def test_device_put_inside(jit: Any) -> Any:
    return jit(lambda a: jax.device_put(a + 1, spread("x")) * 2)(A)


def shard_mapped(body: Any, in_specs: Any, out_specs: Any) -> Any:
    """A shard_map over the test's mesh."""
    return jax.shard_map(body, mesh=MESH, in_specs=in_specs, out_specs=out_specs)


COLLECTIVES = {
    "psum": (lambda a: lax.psum(a, "x"), P("x"), P()),
    "psum_of_two_axes": (lambda a: lax.psum(a, ("x", "y")), P("x", "y"), P()),
    "pmean": (lambda a: lax.pmean(a, "x"), P("x"), P()),
    "pmax": (lambda a: lax.pmax(a, "x"), P("x"), P()),
    "all_gather": (lambda a: lax.all_gather(a, "x"), P("x"), P("x")),
    "all_gather_tiled": (lambda a: lax.all_gather(a, "x", tiled=True), P("x"), P("x")),
    "psum_scatter": (lambda a: lax.psum_scatter(a, "x", tiled=True), P(None, "y"), P("x", "y")),
    "ppermute": (lambda a: lax.ppermute(a, "x", [(0, 1), (1, 2), (3, 0)]), P("x"), P("x")),
    "all_to_all": (lambda a: lax.all_to_all(a, "x", 1, 0, tiled=True), P("x"), P("x")),
    "axis_index": (lambda a: a + lax.axis_index("x") * 10, P("x"), P("x")),
    "axis_size": (lambda a: a * lax.psum(1, "x"), P("x"), P("x")),
    "local": (lambda a: jnp.sin(a) @ a.T, P(("x", "y")), P(("x", "y"))),
    "scan": (
        lambda a: lax.fori_loop(0, 3, lambda i, b: lax.ppermute(b, "x", [(0, 1), (1, 0)]), a),
        P("x"),
        P("x"),
    ),
    "cond": (
        lambda a: lax.cond(a[0, 0] > 8, lambda b: b * 2, lambda b: b - 1, a),
        P("x"),
        P("x"),
    ),
}


@pytest.mark.parametrize("name", COLLECTIVES)
def test_shard_map_inside(name: str) -> None:
    assert_same(lambda jit: jit(shard_mapped(*COLLECTIVES[name]))(A))


@pytest.mark.parametrize("name", ["psum", "all_gather", "ppermute", "axis_index", "local", "scan"])
def test_shard_map_outside(name: str) -> None:
    body, in_specs, out_specs = COLLECTIVES[name]
    assert_same(lambda jit: shard_mapped(jit(body), in_specs, out_specs)(A))


@pytest.mark.parametrize("name", ["psum", "ppermute", "local"])
def test_shard_map_between_two(name: str) -> None:
    body, in_specs, out_specs = COLLECTIVES[name]

    def program(jit: Any) -> Any:
        f = jit(shard_mapped(jit(body), in_specs, out_specs))
        return f(A), jax.grad(lambda a: (f(a) ** 2).sum())(A)

    assert_same(program)


@differential
def test_grad_through_shard_map(jit: Any) -> Any:
    def loss(w: Any, a: Any) -> Any:
        f = shard_mapped(lambda w, a: lax.pmean((a @ w) ** 2, "x"), (P(), P("x")), P())
        return f(w, a).sum()

    w = np.ones((8, 2), np.float32)
    return jit(jax.value_and_grad(loss))(w, A), jax.grad(jit(loss))(w, A)


@differential
def test_printing_in_shard_map(jit: Any) -> Any:
    def body(a: Any) -> Any:
        jax.debug.callback(lambda: None)
        return a

    return jit(shard_mapped(body, P("x"), P("x")))(A)


def explicit_mesh() -> Any:
    """A mesh whose axes are part of the types, where the installed jax has them."""
    kind = getattr(jax.sharding, "AxisType", None)
    if kind is None or not hasattr(jax, "set_mesh"):
        pytest.skip("this jax has no explicit axes")
    return jax.make_mesh((4, 2), ("x", "y"), axis_types=(kind.Explicit, kind.Explicit))


@differential
def test_explicit_axes(jit: Any) -> Any:
    with jax.set_mesh(explicit_mesh()):
        a = jax.device_put(A, P("x", None))
        f = jit(lambda a: (a @ a.T.astype(a.dtype) if False else a * 2, a.sum(1), jnp.sin(a)))
        return f(a), [str(jax.typeof(leaf)) for leaf in f(a)]


@differential
def test_explicit_axes_reshard(jit: Any) -> Any:
    reshard = getattr(jax.sharding, "reshard", None) or getattr(jax, "reshard", None)
    if reshard is None:
        pytest.skip("this jax has no public reshard")
    with jax.set_mesh(explicit_mesh()):
        a = jax.device_put(A, P("x", None))
        return jit(lambda a: reshard(a * 2, P(None, "y")) + 1)(a)


@differential
def test_explicit_axes_under_grad_and_scan(jit: Any) -> Any:
    with jax.set_mesh(explicit_mesh()):
        a = jax.device_put(A, P("x", None))
        f = jit(lambda a: lax.scan(lambda c, _: (jnp.sin(c), c.sum()), a, None, length=3)[1].sum())
        return f(a), jax.grad(f)(a)


@differential(raises=True)
def test_explicit_axes_that_disagree(jit: Any) -> Any:
    with jax.set_mesh(explicit_mesh()):
        a, b = jax.device_put(A, P("x", None)), jax.device_put(A, P("y", None))
        return jit(lambda a, b: a + b)(a, b)


@differential
def test_partition_specs_under_a_mesh(jit: Any) -> Any:
    if not hasattr(jax, "set_mesh"):
        pytest.skip("this jax has no jax.set_mesh")
    with jax.set_mesh(MESH):
        f = jit(lambda a: lax.with_sharding_constraint(a + 1, P("x", "y")), out_shardings=P("y"))
        return f(A)


@differential
def test_pmap_of_a_decorated_function(jit: Any) -> Any:
    return jax.pmap(jit(lambda a: a / lax.psum(a, "i")), axis_name="i")(A)


@differential
def test_lowered_for_devices_that_are_not_there(jit: Any) -> Any:
    mesh = AbstractMesh((2,), ("x",), axis_types=(AxisType.Auto,))
    given = jax.ShapeDtypeStruct((4, 4), jnp.float32, sharding=NamedSharding(mesh, P("x")))
    traced = jit(lambda x: jnp.floor(x) * 2 + 1).trace(given)
    text = traced.lower(lowering_platforms=("tpu",)).as_text()
    return str(traced.out_info), "stablehlo.floor" in text
