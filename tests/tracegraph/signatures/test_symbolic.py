"""One trace of the user's Python serves every size, with the bits of a trace of that size."""

from __future__ import annotations

import copy
import functools
import pickle
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import tracegraph as tg
from tests.tracegraph.signatures.programs import PROGRAMS, WIDTH, mlp, rows

SIZES = (0, 1, 2, 7, 32)
ROWS = [tg.Spec((None, WIDTH), "float32")]


def counted(fun):
    """The function, and a list that grows when its Python runs."""
    runs = []

    def counting(*args, **kwargs):
        runs.append(len(runs))
        return fun(*args, **kwargs)

    counting.__name__ = fun.__name__
    return counting, runs


def test_a_scan_of_as_many_runs_as_an_argument_has_rows(recwarn):
    def decaying(x, start):
        return jax.lax.scan(lambda c, _: (jnp.tanh(c) * 0.5, None), start, x)[0]

    (rows_of_x,) = jax.export.symbolic_shape("t")
    types = [jax.ShapeDtypeStruct(s, "float32") for s in ((rows_of_x, 3), (3,))]
    for passes in (None, "inline,unroll,spread-dots,rewrite,lower-platform"):
        exported = jax.export.export(tg.function(decaying, passes=passes))(*types)
        x, start = jnp.ones((4, 3)), jnp.ones(3)
        same(exported.call(x, start), jax.jit(decaying)(x, start))
    assert not recwarn.list


def same(found, expected):
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for ours, theirs in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert ours.aval == theirs.aval
        assert np.asarray(ours).tobytes() == np.asarray(theirs).tobytes()


@pytest.mark.parametrize("name", PROGRAMS)
def test_bits_are_those_of_jit_at_every_size(name):
    program, runs = counted(PROGRAMS[name])
    plain = jax.jit(PROGRAMS[name])
    # Without passes, so that nothing but the sizes can make a difference.
    ours = tg.function(program, input_signature=ROWS, passes="")
    for size in SIZES:
        x = rows(size)
        try:
            expected = plain(x)
        except Exception as error:  # plain JAX refuses this size
            with pytest.raises(type(error)):
                ours(x)
            continue
        same(ours(x), expected)
    assert len(runs) == 1 + SIZES.count(0)


@pytest.mark.parametrize("name", ["attention_over_rows", "cnn", "scan_over_rows", "random"])
def test_the_default_passes_keep_what_they_keep_at_a_fixed_size(name):
    ours, fixed = tg.function(PROGRAMS[name], input_signature=ROWS), tg.function(PROGRAMS[name])
    for a, b in zip(*(jax.tree.leaves(f(rows(7))) for f in (ours, fixed)), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-6, atol=2e-6)


def loss(x):
    return jnp.mean(jax.nn.relu(mlp(x)) ** 2) + jax.nn.logsumexp(x) + jnp.sum(jax.nn.silu(x))


TRANSFORMS = {
    "jit": jax.jit,
    "grad": jax.grad,
    "value_and_grad": jax.value_and_grad,
    "hessian": lambda f: lambda x: jax.hessian(f)(x[:2]),
    "jvp": lambda f: lambda x: jax.jvp(f, (x,), (x,)),
    "vmap": lambda f: lambda x: jax.vmap(f)(jnp.stack([x, x + 1])),
    "vmap of grad": lambda f: lambda x: jax.vmap(jax.grad(f))(jnp.stack([x, x + 1])),
    "jit of grad": lambda f: jax.jit(jax.grad(f)),
    "checkpoint": lambda f: jax.grad(jax.checkpoint(f)),
    "scan": lambda f: lambda x: jax.lax.scan(lambda c, y: (c + f(y), c), 0.0, x[None])[0],
    "linearize": lambda f: lambda x: jax.linearize(f, x)[1](x),
}


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_transformations_see_through(transform):
    counting, runs = counted(loss)
    ours = TRANSFORMS[transform](tg.function(counting, input_signature=ROWS))
    plain = TRANSFORMS[transform](jax.jit(loss))
    for size in (3, 5):
        x = rows(size)
        for a, b in zip(jax.tree.leaves(ours(x)), jax.tree.leaves(plain(x)), strict=True):
            np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-6)
    assert len(runs) == 1


def test_rules_with_residuals_that_hold_a_size():
    program = PROGRAMS["rules_of_its_own"]
    ours = tg.function(lambda x: program(x)[3].sum(), input_signature=ROWS)
    for size in (1, 4, 5):
        x = rows(size)
        expected = jax.grad(jax.jit(lambda x: program(x)[3].sum()))(x)
        np.testing.assert_array_equal(jax.grad(ours)(x), expected)


def test_a_name_is_one_size_wherever_it_stands():
    @tg.function(input_signature=[tg.Spec(("n", 3)), tg.Spec(("n",)), tg.Spec(("2*n",))])
    def joined(x, y, z):
        return x.sum(1) + y + z[::2]

    np.testing.assert_array_equal(joined(np.ones((4, 3)), np.ones(4), np.ones(8)), np.full(4, 5.0))
    with pytest.raises(tg.TracegraphError) as caught:
        joined(np.ones((4, 3)), np.ones(5), np.ones(8))
    text = str(caught.value)
    assert "the argument y of joined does not fit the input signature" in text
    assert "expected: size n in axis 0, where n = 4 (axis 0 of x)" in text
    assert "found: size 5, in float32[5]" in text
    with pytest.raises(tg.TracegraphError, match=r"size 2\*n in axis 0, where n = 4"):
        joined(np.ones((4, 3)), np.ones(4), np.ones(9))


def test_an_expression_alone_says_its_name():
    @tg.function(input_signature=[tg.Spec(("2*n + 1",))])
    def middle(x):
        return jnp.take(x, jnp.asarray(x.shape[0] - 1) // 2)

    assert middle(np.arange(7.0)) == 3
    assert middle(np.arange(5.0)) == 2
    with pytest.raises(tg.TracegraphError, match="does not fit"):
        middle(np.arange(6.0))


def test_pytrees_keywords_static_arguments_and_donation():
    runs = []

    @tg.function(
        input_signature={"state": {"a": tg.Spec(("n", 2)), "b": (tg.Spec(("n",), "int32"), None)}},
        static_argnames="mode",
        donate_argnames="state",
    )
    def step(state, scale=1.0, *, mode="add"):
        runs.append(mode)
        a, (b, c) = state["a"], state["b"]
        return {"a": a * scale + b[:, None] if mode == "add" else a * c, "b": (b, c)}

    def state(n):
        return {"a": jnp.ones((n, 2)), "b": (jnp.arange(n), jnp.float32(3))}

    for n in (2, 5, 6):
        given = state(n)
        found = step(given, 2.0)
        assert given["a"].is_deleted()
        np.testing.assert_array_equal(found["a"], 2 + np.arange(n)[:, None] * np.ones((1, 2)))
        np.testing.assert_array_equal(step(state=state(n), mode="mul")["a"], np.full((n, 2), 3.0))
    assert sorted(runs) == ["add", "mul"]


def test_methods_and_closures():
    class Model:
        def __init__(self):
            self.w = jnp.arange(3.0)

        @tg.function(static_argnums=0, input_signature=[None, tg.Spec(("n", 3))])
        def __call__(self, x):
            return x @ self.w

    model = Model()
    for n in (1, 4):
        np.testing.assert_array_equal(model(np.ones((n, 3))), np.full(n, 3.0))

    @jax.jit
    def outer(x, y):
        inner = tg.function(lambda z: z * y, input_signature=[tg.Spec(("n",))])
        return inner(x), inner(x[1:])

    first, second = outer(np.ones(3), 2.0)
    np.testing.assert_array_equal([*first, *second], [2.0] * 5)


def test_one_decorated_function_in_another():
    inner = tg.function(lambda x: x / x.shape[0], input_signature=[tg.Spec(("m", None))])
    counting, runs = counted(lambda x: inner(x) + inner(x[:, :2]).sum())
    outer = tg.function(counting, input_signature=ROWS)
    for size in (2, 5):
        x = rows(size)
        np.testing.assert_allclose(outer(x), x / size + (x[:, :2] / size).sum(), rtol=1e-5)
    assert len(runs) == 1


def test_the_users_own_export_at_symbolic_sizes():
    ours = tg.function(lambda x: x * x.shape[0], input_signature=ROWS)
    (n,) = jax.export.symbolic_shape("n")
    exported = jax.export.export(jax.jit(ours))(jax.ShapeDtypeStruct((n, WIDTH), "float32"))
    np.testing.assert_array_equal(exported.call(rows(3)), rows(3) * 3)


def test_arrays_that_are_closed_over_belong_to_the_one_trace():
    weights, large = jnp.ones((WIDTH, 3)), jnp.ones((100, 100))
    counting, runs = counted(lambda x: x @ weights + large[0, 0])
    ours = tg.function(counting, input_signature=ROWS)
    for size in (2, 3):
        np.testing.assert_array_equal(
            ours(np.ones((size, WIDTH), np.float32)), np.full((size, 3), 7.0)
        )
    assert len(runs) == 1


def test_effects_and_references(capsys):
    @tg.function(input_signature=ROWS)
    def printing(x):
        jax.debug.print("{} rows", x.shape[0])
        return x

    for size in (2, 3):
        printing(rows(size))
    jax.effects_barrier()
    assert capsys.readouterr().out == "2 rows\n3 rows\n"


def test_callables_of_all_kinds():
    class Model:
        def __call__(self, x, k=2.0):
            return x * k

    for fun in (Model(), functools.partial(Model(), k=2.0), Model().__call__, jax.jit(Model())):
        ours = tg.function(fun, input_signature=ROWS)
        np.testing.assert_array_equal(ours(rows(3)), rows(3) * 2)


def test_within_shard_map_each_size_is_traced_by_itself():
    mesh = jax.sharding.Mesh(np.array(jax.devices()[:1]), ("d",))
    spec = jax.sharding.PartitionSpec("d")
    ours = tg.function(lambda x: x * x.shape[0], input_signature=ROWS)
    mapped = jax.shard_map(ours, mesh=mesh, in_specs=spec, out_specs=spec)
    np.testing.assert_array_equal(mapped(rows(4)), rows(4) * 4)


def test_slices_by_python():
    def program(x):
        return x[1:], x[:-1], x[::2], x[:, 1:], x[-2:]

    ours = tg.function(program, input_signature=ROWS)
    for size in (1, 2, 5):
        same(ours(rows(size)), jax.jit(program)(rows(size)))


def test_a_weak_argument_stays_weak():
    ours = tg.function(lambda x, s: x * s, input_signature=[tg.Spec((None,)), tg.Spec(())])
    half = jnp.ones(3, jnp.bfloat16)
    assert ours(half, 2.0).dtype == jnp.bfloat16
    assert ours(half, jnp.float32(2)).dtype == jnp.float32


def test_keys_and_other_element_types():
    specs = [tg.Spec(("n",), "key"), tg.Spec(("n",), "bool"), tg.Spec((), ("int32", "uint8"))]
    ours = tg.function(
        lambda keys, keep, k: jnp.where(keep, jax.vmap(jax.random.bits)(keys), 0) + k,
        input_signature=specs,
    )
    keys = jax.random.split(jax.random.key(0), 3)
    bits = np.asarray(jax.vmap(jax.random.bits)(keys))
    np.testing.assert_array_equal(ours(keys, np.ones(3, bool), np.uint8(0)), bits)
    with pytest.raises(tg.TracegraphError, match=r"expected: key\[n\]\n  found: uint32\[3, 2\]"):
        ours(jax.random.key_data(keys), np.ones(3, bool), np.uint8(0))
    with pytest.raises(tg.TracegraphError, match=r"expected: int32 or uint8\[\]"):
        ours(keys, np.ones(3, bool), np.float32(0))


def test_lowering_tracing_and_shapes_take_the_signature_too():
    ours = tg.function(mlp, input_signature=ROWS)
    assert ours.eval_shape(rows(4)).shape == (4, 3)
    assert ours.lower(rows(4)).compile()(rows(4)).shape == (4, 3)
    assert "f32[4,6]" in str(ours.graph(rows(4)))
    assert ours.verify(rows(4)).ok
    with pytest.raises(tg.TracegraphError, match="does not fit"):
        ours.lower(np.ones((4, 5)))


def test_clear_cache_forgets_the_trace():
    counting, runs = counted(mlp)
    ours = tg.function(counting, input_signature=ROWS)
    ours(rows(2))
    ours.clear_cache()
    ours(rows(3))
    assert len(runs) == 2


def test_settings_of_jax_have_traces_of_their_own():
    counting, runs = counted(lambda x: x @ x.T)
    ours = tg.function(counting, input_signature=ROWS)
    ours(rows(2))
    with jax.default_matmul_precision("float32"):
        ours(rows(3))
    assert len(runs) == 2


def test_without_jit_the_python_runs_as_it_is():
    ours = tg.function(lambda x: x + x.shape[0], input_signature=ROWS)
    with jax.disable_jit():
        np.testing.assert_array_equal(ours(rows(2)), rows(2) + 2)
        with pytest.raises(tg.TracegraphError, match="does not fit"):
            ours(np.ones((2, 5), "float32"))


@pytest.mark.parametrize("called", [False, True])
@pytest.mark.parametrize("way", ["deepcopy", "cloudpickle"])
def test_copies_keep_the_signature(way, called):
    signed = tg.function(mlp, input_signature=ROWS, buckets=None, static_nonarrays=True)
    if called:
        signed(rows(2))
    assert pickle.loads(pickle.dumps(ROWS)) == ROWS
    assert signed.__wrapped__ is mlp
    assert signed.__name__ == "mlp"
    if way == "deepcopy":
        again = copy.deepcopy(signed)
    else:
        cloudpickle = pytest.importorskip("cloudpickle")
        again = cloudpickle.loads(cloudpickle.dumps(signed))
    for size in (1, 3):
        np.testing.assert_array_equal(again(rows(size)), signed(rows(size)))
    with pytest.raises(tg.TracegraphError, match="does not fit"):
        again(np.ones((2, 5), np.float32))


@pytest.mark.parametrize(
    "options", [{"input_signature": ROWS}, {"static_nonarrays": True}], ids=lambda o: next(iter(o))
)
def test_the_attributes_are_those_of_the_users_function(options):
    def base(x):
        return x + 1

    base.mine, base.signature, base.fun, base.runs = 1, "signature", "fun", "runs"
    step, plain = tg.function(base, **options), jax.jit(base)
    np.testing.assert_array_equal(step(rows(2)), rows(2) + 1)
    names = [{name for name in vars(one) if not name.startswith("__")} for one in (step, plain)]
    assert names[0] == names[1]
    assert (step.mine, step.signature, step.fun, step.runs) == (1, "signature", "fun", "runs")


def test_errors_name_the_users_function():
    def base(x):
        return x

    with pytest.raises(TypeError, match=f"argument to {re.escape(repr(base))}"):
        tg.function(base, input_signature=ROWS)(object())


def test_errors_of_the_users_own_keep_their_type():
    @tg.function(input_signature=ROWS)
    def failing(x):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        failing(rows(3))


def test_python_that_asks_about_a_size_is_refused_at_its_line():
    @tg.function(input_signature=ROWS)
    def asks(x):
        if x.shape[0] > 3:  # the line
            return x
        return x + 1

    with pytest.raises(tg.TracegraphError) as caught:
        asks(rows(5))
    error = caught.value
    assert error.what.startswith("asks cannot be traced once for all sizes")
    assert "test_symbolic.py" in error.where
    assert error.where.endswith("(asks)")
    assert "'x_0' > '3'" in error.found
    assert "write a number for this size" in error.hint
    assert "without input_signature" in error.hint


def test_range_over_a_size_is_refused_as_well():
    @tg.function(input_signature=ROWS)
    def loops(x):
        return sum(x[i] for i in range(x.shape[0]))

    with pytest.raises(tg.TracegraphError, match="cannot be traced once for all sizes"):
        loops(rows(5))


def test_sizes_of_two_names_are_not_mixed():
    ours = tg.function(lambda x, y: x + y, input_signature=[tg.Spec((None,)), tg.Spec((None,))])
    with pytest.raises(tg.TracegraphError, match=r"give sizes that are always equal the same name"):
        ours(np.ones(3), np.ones(3))
    with pytest.raises(TypeError, match="incompatible shapes"):  # as under jit
        ours(np.ones(3), np.ones(4))


def test_objects_that_change_are_changed_beside_named_sizes():
    def step(model, x):
        model.kernel[...] = model.kernel[...] * 2
        return model(x).sum()

    model, other = (nnx.Linear(2, 3, rngs=nnx.Rngs(0)) for _ in range(2))
    signature = [None, tg.Spec(("b", 2), "float32")]
    ours, plain = tg.function(step, input_signature=signature), nnx.jit(step)
    for count in (4, 4, 5):
        x = jnp.ones((count, 2))
        np.testing.assert_allclose(ours(model, x), plain(other, x), rtol=1e-6)
    np.testing.assert_allclose(model.kernel[...], other.kernel[...])
