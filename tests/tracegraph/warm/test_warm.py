"""A second process reaches its first result without running the user's Python."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.sharding import NamedSharding, PartitionSpec

import tracegraph as tg
from tracegraph import config
from tracegraph.warm.store import Store


def body(x, scale=2.0):
    return {"y": jnp.sin(x) * scale, "n": x.shape[0]}


@pytest.fixture
def cache(tmp_path):
    return tg.Cache(tmp_path / "cache")


def fresh(fun, cache, **options):
    """The function as a later process has it: nothing of it is in memory."""
    jax.clear_caches()
    return tg.function(fun, cache=cache, **options)


X = np.linspace(0, 1, 5, dtype=np.float32)


def test_the_python_does_not_run_again(cache):
    first = fresh(body, cache)(X)
    step = fresh(body, cache)
    with tg.expect(traces=0, compile_seconds=0):
        second = step(X)
    assert (step.cache_info().hits, step.cache_info().misses) == (1, 0)
    np.testing.assert_array_equal(first["y"], second["y"])
    assert first["n"] == second["n"] == 5
    np.testing.assert_array_equal(step(X)["y"], jax.jit(body)(X)["y"])
    assert step._cache_size() == 1  # from here on it is a hit in C++


@pytest.mark.parametrize(
    "other",
    [
        lambda: X[:3],
        lambda: X.astype(np.int32),
        lambda: 1.0 * jnp.ones(()) * X,
        lambda: jax.device_put(X, jax.devices()[1]),
    ],
)
def test_other_arguments_are_other_entries(cache, other):
    fresh(body, cache)(X)
    step = fresh(body, cache)
    value = other()
    np.testing.assert_allclose(step(value)["y"], jax.jit(body)(value)["y"], rtol=1e-6)
    fresh(body, cache)(value)
    assert cache.store().folder.exists()
    assert step.cache_info().misses + step.cache_info().hits == 1


def test_static_arguments(cache):
    def power(x, n):
        return x**n

    for n, traces in ((2, 1), (3, 1), (2, 0), (3, 0)):
        step = fresh(power, cache, static_argnums=1)
        with tg.expect(traces=traces):
            found = step(X, n)
        np.testing.assert_allclose(found, X**n, rtol=1e-6)


def test_keyword_arguments_and_trees(cache):
    def fun(params, *, batch, train=True):
        return {k: v + batch for k, v in params.items()}

    for traces in (1, 0):
        step = fresh(fun, cache, static_argnames="train")
        with tg.expect(traces=traces):
            found = step({"a": X, "b": X * 2}, batch=1.0, train=False)
        np.testing.assert_allclose(found["b"], X * 2 + 1, rtol=1e-6)


def test_donated_arguments(cache):
    for _ in range(2):
        step = fresh(lambda x: x + 1, cache, donate_argnums=0)
        x = jnp.ones(4)
        step(x)
        assert x.is_deleted()


def test_another_global_is_another_function(cache, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "SCALE", 2.0, raising=False)

    def fun(x):
        return x * SCALE  # noqa: F821 - it is set by the test

    np.testing.assert_allclose(fresh(fun, cache)(X), X * 2, rtol=1e-6)
    monkeypatch.setattr(sys.modules[__name__], "SCALE", 3.0)
    np.testing.assert_allclose(fresh(fun, cache)(X), X * 3, rtol=1e-6)


def test_other_settings_of_jax_are_other_entries(cache):
    step = fresh(lambda x: x @ x, cache)
    step(np.ones((2, 2), np.float32))
    with jax.default_matmul_precision("highest"):
        step = fresh(step.__wrapped__, cache)
        step(np.ones((2, 2), np.float32))
    assert step.cache_info().misses == 1


def test_other_passes_are_other_entries(cache):
    fresh(body, cache)(X)
    step = fresh(body, cache, passes="")
    step(X)
    assert step.cache_info().misses == 1


def test_effects_are_declined(cache, capfd):
    step = fresh(lambda x: jax.debug.print("x {}", x[0]), cache)
    step(X)
    step(X)
    jax.effects_barrier()
    assert capfd.readouterr().out.count("x 0.0") == 2
    assert step.cache_info().declined == ("the function has side effects",)


def test_what_cannot_be_fingerprinted_is_declined(cache):
    handle = open(os.devnull)  # noqa: SIM115 - it is captured, not used

    def fun(x):
        assert handle
        return x + 1

    step = fresh(fun, cache)
    np.testing.assert_array_equal(step(X), X + 1)
    handle.close()
    assert "handle" in step.cache_info().declined[0]
    assert step.cache_info().entries == 0


def test_a_damaged_entry_is_not_trusted(cache):
    fresh(body, cache)(X)
    path = next(cache.store().entries())
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    step = fresh(body, cache)
    np.testing.assert_array_equal(step(X)["y"], jax.jit(body)(X)["y"])
    assert "damaged" in step.cache_info().declined[0]
    assert step.cache_info().misses == 1
    assert fresh(body, cache)(X) is not None


def test_a_payload_that_does_not_load_is_dropped(cache):
    step = fresh(body, cache)
    step(X)
    key = next(cache.store().entries()).stem
    cache.store().write(key, b"no pickle")
    step = fresh(body, cache)
    np.testing.assert_array_equal(step(X)["y"], jax.jit(body)(X)["y"])
    assert "could not be loaded" in step.cache_info().declined[0]


def test_a_folder_that_cannot_be_written_breaks_no_call(tmp_path):
    (tmp_path / "file").write_text("")
    step = fresh(body, tg.Cache(tmp_path / "file"))
    np.testing.assert_array_equal(step(X)["y"], jax.jit(body)(X)["y"])
    assert "cannot be kept" in step.cache_info().declined[0]


def test_an_entry_that_does_not_load_and_cannot_be_dropped_breaks_no_call(cache, monkeypatch):
    fresh(body, cache)(X)
    cache.store().write(next(cache.store().entries()).stem, b"no pickle")
    monkeypatch.setattr(Store, "drop", refused)
    step = fresh(body, cache)
    np.testing.assert_array_equal(step(X)["y"], jax.jit(body)(X)["y"])
    assert "could not be loaded" in step.cache_info().declined[0]


def test_an_entry_whose_secret_cannot_be_read_is_kept(cache, monkeypatch):
    fresh(body, cache)(X)
    with monkeypatch.context() as patch:
        patch.setattr(Store, "_secret", refused)
        step = fresh(body, cache)
        np.testing.assert_array_equal(step(X)["y"], jax.jit(body)(X)["y"])
        assert "not permitted" in step.cache_info().declined[0]
    step = fresh(body, cache)
    step(X)
    assert step.cache_info().hits == 1


def test_a_user_without_a_home_is_no_error(monkeypatch):
    def homeless(_):
        raise RuntimeError("Could not determine home directory.")

    for name in (config.CACHE_VARIABLE, "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "expanduser", homeless)
    step = fresh(body, cache=True)
    np.testing.assert_array_equal(step(X)["y"], jax.jit(body)(X)["y"])
    assert "there is no home folder" in str(step.cache_info())
    monkeypatch.setenv(config.DUMP_VARIABLE, "~/dumps")
    with pytest.warns(tg.OptimizationWarning, match="there is no home folder for ~/dumps"):
        tg.function(lambda x: x + 1)(X)
    monkeypatch.delenv(config.DUMP_VARIABLE)
    tuned = tg.function(lambda x: x + 1, autotune=tg.Autotune(0, progress=False))
    np.testing.assert_array_equal(tuned(X), X + 1)


def refused(*_, **__):
    raise PermissionError(1, "Operation not permitted")


class Hidden:
    """Pickle keeps nothing of its objects, and so no fingerprint sees what they hold."""

    def __init__(self, value=None):
        self.value = value

    def __reduce__(self):
        return Hidden, ()


@pytest.mark.parametrize("shape", [(), (64, 64)], ids=["number", "large"])
def test_verifying_traces_and_compares(cache, shape):
    hidden = Hidden(np.full(shape, 2.0, np.float32))

    def fun(x):
        return x * hidden.value.max(), jnp.sum(hidden.value)

    verify = tg.Cache(cache.folder, verify=True)
    np.testing.assert_allclose(fresh(fun, cache)(X)[0], X * 2, rtol=1e-6)
    np.testing.assert_allclose(fresh(fun, verify)(X)[0], X * 2, rtol=1e-6)
    hidden.value = hidden.value + 1
    np.testing.assert_allclose(fresh(fun, cache)(X)[0], X * 2, rtol=1e-6)  # it does not see it
    with pytest.warns(tg.CacheWarning, match="depends on something that its fingerprint"):
        found = fresh(fun, verify)(X)
    np.testing.assert_allclose(found[0], X * 3, rtol=1e-6)
    np.testing.assert_allclose(fresh(fun, cache)(X)[0], X * 3, rtol=1e-6)


def test_a_large_array_of_the_traces_own_is_compared(cache):
    hidden = Hidden(np.ones((64, 64), np.float32))

    def fun(x):
        return x + jnp.asarray(hidden.value)  # of which the graph's text has the type alone

    verify = tg.Cache(cache.folder, verify=True)
    fresh(fun, verify)(jnp.ones((64, 64)))
    hidden.value = hidden.value * 5
    with pytest.warns(tg.CacheWarning, match="depends on something that its fingerprint"):
        found = fresh(fun, verify)(jnp.ones((64, 64)))
    assert float(found[0, 0]) == 6


def test_equal_static_values_of_other_types_are_other_programs(cache):
    step = fresh(lambda x, n: x * n, cache, static_argnums=1)
    plain = jax.jit(lambda x, n: x * n, static_argnums=1)
    for n in (1, 1.0, True):
        found, expected = step(jnp.arange(3), n), plain(jnp.arange(3), n)
        assert (found.dtype, found.weak_type) == (expected.dtype, expected.weak_type)


def test_a_registered_rule_makes_other_entries(cache):
    rule = tg.rules.Rule(
        name="log-of-exp",
        law="log(exp(x)) = x",
        pattern=tg.rules.op.log(tg.rules.op.exp(tg.rules.var("x"))),
        replace=lambda m: m.x,
        numerics=tg.rules.Numerics.FINITE,
        examples=(tg.rules.example(lambda x: jnp.log(jnp.exp(x)), "f32[n]"),),
    )
    fresh(body, cache)(X)
    tg.rules.register(rule)
    step = fresh(body, cache)
    try:
        step(X)
    finally:
        tg.rules.unregister(rule)
    assert (step.cache_info().hits, step.cache_info().misses) == (0, 1)


def test_settings_that_only_xla_reads_are_other_entries(cache):
    fresh(body, cache)(X)
    before = jax.config.jax_compiler_enable_remat_pass
    jax.config.update("jax_compiler_enable_remat_pass", not before)
    step = fresh(body, cache)
    try:
        step(X)
    finally:
        jax.config.update("jax_compiler_enable_remat_pass", before)
    assert (step.cache_info().hits, step.cache_info().misses) == (0, 1)


def test_the_same_sharding_over_other_devices_is_another_entry(cache):
    devices = np.array(jax.devices())
    step = fresh(body, cache)
    for some in (devices[:2], devices[2:4], devices[1::-1]):
        mesh = jax.sharding.Mesh(some, ("x",))
        placed = jax.device_put(jnp.arange(4.0), NamedSharding(mesh, PartitionSpec("x")))
        found, expected = step(placed)["y"], jax.jit(body)(placed)["y"]
        np.testing.assert_array_equal(found, expected)
        assert found.sharding.device_set == expected.sharding.device_set
    assert step.cache_info().misses == 3


def test_functions_of_objects(cache):
    def step(model, x):
        model.count[...] += 1
        return model.layer(x)

    class Model(nnx.Module):
        def __init__(self):
            self.layer = nnx.Linear(5, 2, rngs=nnx.Rngs(0))
            self.count = nnx.Variable(jnp.array(0))

    for turn in range(2):
        model = Model()
        decorated = fresh(step, cache)
        found = decorated(model, X)
        np.testing.assert_allclose(found, model.layer(X), rtol=1e-5)
        assert int(model.count[...]) == 1
        assert decorated.cache_info().hits == turn


def test_under_other_transformations_nothing_is_read(cache):
    step = fresh(lambda x: (x**2).sum(), cache)
    np.testing.assert_allclose(jax.grad(step)(X), 2 * X, rtol=1e-6)
    assert step.cache_info().entries == 0


def test_errors_are_jits_own(cache):
    step = fresh(body, cache)
    with pytest.raises(TypeError, match="abstract array"):
        step("a")
    with pytest.raises(TypeError, match="unexpected keyword"):
        step(X, other=1)


def test_no_cache_says_how_to_have_one(monkeypatch):
    monkeypatch.delenv("TRACEGRAPH_CACHE_DIR", raising=False)
    assert "cache=True" in str(tg.function(body).cache_info())


def test_the_environment_switches_it_on(monkeypatch, tmp_path):
    monkeypatch.setenv("TRACEGRAPH_CACHE_DIR", str(tmp_path))
    step = tg.function(body)
    step(X)
    assert step.cache_info().misses == 1
    assert step.cache_info().folder == tmp_path / "executables"
    assert tg.function(body, cache=False).cache_info().folder is None
    assert "1 written" in str(step.cache_info())


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        ((3,), "folder=3"),
        ((b"x",), "folder=b'x'"),
        (("x", "10"), "max_bytes='10'"),
        (("~nobody-at-all/x",), "there is no home folder for ~nobody-at-all/x"),
        (("x", 0), "0"),
    ],
)
def test_what_is_no_place_or_no_size(arguments, found):
    with pytest.raises(tg.TracegraphError) as caught:
        tg.Cache(*arguments)
    assert found in caught.value.found
    assert caught.value.expected


@pytest.mark.parametrize("value", [1, "yes", "/tmp"])
def test_what_is_no_setting(value):
    with pytest.raises(tg.TracegraphError, match="cannot be kept so"):
        tg.function(body, cache=value)


PROGRAM = """
    import sys
    import jax, jax.numpy as jnp, numpy as np
    import tracegraph as tg

    def helper(x):
        print("python ran")
        return jnp.tanh(x)

    @tg.function(cache=tg.Cache(sys.argv[1]))
    def step(params, x):
        return jax.value_and_grad(lambda p: jnp.sum(helper(x @ p["w"])))(params)

    loss, gradients = step({"w": np.ones((3, 2), np.float32)}, np.ones((4, 3), np.float32))
    print(float(loss), gradients["w"].sum(), step.cache_info().hits)
"""


SOLVERS = """
    import sys
    import jax, jax.numpy as jnp, numpy as np
    import tracegraph as tg

    @tg.function(cache=tg.Cache(sys.argv[1]))
    def step(x):
        lower, unitary = jnp.linalg.cholesky(x), jnp.linalg.qr(x)
        return lower, unitary, jnp.linalg.eigh(x), jnp.linalg.inv(x), jax.scipy.linalg.schur(x)

    found = step(np.diag(np.arange(1.0, 5.0)).astype(np.float32))
    print([float(jnp.abs(one).sum()) for one in jax.tree.leaves(found)])
    print(step.cache_info().hits)
"""


def run_alone(program, folder):
    """What a program prints in a process of its own, line by line."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), str(folder)],
        env={**os.environ, "PYTHONPATH": ":".join(sys.path), "PYTHONHASHSEED": "random"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()


def test_in_another_process(tmp_path):
    first, second = (run_alone(PROGRAM, tmp_path / "cache") for _ in range(2))
    assert first[0] == "python ran"
    assert second[0].rsplit(" ", 1)[0] == first[1].rsplit(" ", 1)[0]
    assert second[0].endswith(" 1")


def test_solvers_in_another_process(tmp_path):
    first, second = (run_alone(SOLVERS, tmp_path / "cache") for _ in range(2))
    assert first[0] == second[0]
    assert (first[1], second[1]) == ("0", "1")
