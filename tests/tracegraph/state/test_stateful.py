"""Functions of nnx objects: updated in place, as nnx.jit does."""

import copy
import functools
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import tracegraph as tg
from tracegraph.state.captured import FrozenStateWarning

X = jnp.arange(8.0).reshape(4, 2) / 8
Y = jnp.ones((4, 2))


class Network(nnx.Module):
    def __init__(self, rngs):
        self.first = nnx.Linear(2, 2, rngs=rngs)
        self.again = self.first
        self.norm = nnx.BatchNorm(2, rngs=rngs)
        self.drop = nnx.Dropout(0.5, rngs=rngs)

    def __call__(self, x):
        return self.drop(self.norm(self.again(self.first(x))))


class Counter(nnx.Module):
    def __init__(self):
        self.count = nnx.Variable(jnp.array(0))


def network():
    return Network(nnx.Rngs(0))


def optimizer(model):
    return nnx.Optimizer(model, optax.adam(1e-2), wrt=nnx.Param)


def train(model, optimizer, x, y):
    def loss_of(model):
        return jnp.mean((model(x) - y) ** 2)

    loss, gradients = nnx.value_and_grad(loss_of)(model)
    optimizer.update(model, gradients)
    return loss


def values(*objects):
    """All values that hang on some objects, as arrays."""
    leaves = jax.tree.leaves(nnx.state(list(objects)))
    keys = [jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) for leaf in leaves]
    return [
        np.asarray(jax.random.key_data(leaf) if key else leaf)
        for key, leaf in zip(keys, leaves, strict=True)
    ]


def assert_same(ours, theirs):
    for a, b in zip(ours, theirs, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-7)


def test_a_network_with_dropout_and_batch_norm_trains_as_with_nnx_jit():
    ours, theirs = network(), network()
    our_optimizer, their_optimizer = optimizer(ours), optimizer(theirs)
    our_step, their_step = tg.function(train), nnx.jit(train)
    for _ in range(4):
        a = our_step(ours, our_optimizer, X, Y)
        b = their_step(theirs, their_optimizer, X, Y)
        np.testing.assert_allclose(a, b, rtol=1e-5)
    assert_same(values(ours, our_optimizer), values(theirs, their_optimizer))
    assert ours.first is ours.again


def test_python_runs_once_for_a_structure():
    runs = []

    @tg.function
    def step(model, x):
        runs.append(1)
        model.count[...] += x
        return model.count[...]

    first, second = Counter(), Counter()
    assert [int(step(first, 2)) for _ in range(3)] == [2, 4, 6]
    assert int(step(second, 5)) == 5
    assert (int(first.count[...]), int(second.count[...])) == (6, 5)
    assert len(runs) == 1


@pytest.mark.parametrize(
    "place",
    [
        lambda m: (((m, 1),), {}),
        lambda m: (({"a": [m], "b": 1},), {}),
        lambda m: ((), {"model": m}),
        lambda m: ((None, (m, m)), {}),
    ],
)
def test_an_object_anywhere_in_the_arguments_is_updated(place):
    @tg.function
    def step(*args, **kwargs):
        leaves = jax.tree.leaves((args, kwargs), is_leaf=lambda v: isinstance(v, Counter))
        model = next(leaf for leaf in leaves if isinstance(leaf, Counter))
        model.count[...] += 1

    model = Counter()
    args, kwargs = place(model)
    step(*args, **kwargs)
    step(*args, **kwargs)
    assert int(model.count[...]) == 2


def test_shared_references_across_arguments_stay_shared():
    @tg.function
    def step(a, b):
        a.count[...] += 1
        b.inner.count[...] += 10

    class Outer(nnx.Module):
        def __init__(self, inner):
            self.inner = inner

    shared = Counter()
    step(shared, Outer(shared))
    step(shared, Outer(shared))
    assert int(shared.count[...]) == 22


def test_a_variable_itself_is_updated():
    @tg.function
    def step(variable, x):
        variable[...] = variable[...] * x

    variable = nnx.Param(jnp.ones(3))
    step(variable, 3.0)
    step(variable, 3.0)
    assert np.asarray(variable[...]).tolist() == [9.0] * 3


def test_random_streams_move_on():
    def draw(rngs):
        return jax.random.normal(rngs.noise(), (3,))

    ours, theirs = nnx.Rngs(noise=1), nnx.Rngs(noise=1)
    step, plain = tg.function(draw), nnx.jit(draw)
    for _ in range(3):
        np.testing.assert_array_equal(step(ours), plain(theirs))


def test_metrics_collect():
    metrics = nnx.MultiMetric(loss=nnx.metrics.Average("loss"), accuracy=nnx.metrics.Accuracy())

    @tg.function
    def step(metrics, logits, labels):
        metrics.update(loss=logits.mean(), logits=logits, labels=labels)

    for _ in range(2):
        step(metrics, jnp.eye(3), jnp.array([0, 1, 1]))
    found = metrics.compute()
    np.testing.assert_allclose(found["loss"], 1 / 3, rtol=1e-6)
    np.testing.assert_allclose(found["accuracy"], 2 / 3, rtol=1e-6)


def test_an_attribute_without_a_hash_is_part_of_the_structure():
    @dataclass
    class Config:
        factor: float

    class Scaled(nnx.Module):
        def __init__(self, factor):
            self.config, self.weight = Config(factor), nnx.Param(X)

        def __call__(self, x):
            runs.append(self.config.factor)
            return self.weight * x * self.config.factor

    runs, model = [], Scaled(2.0)
    step = tg.function(lambda model, x: model(x))
    for factor in (2.0, 2.0, 3.0, 2.0):
        model.config = Config(factor)
        np.testing.assert_array_equal(step(model, X), X * X * factor)
    assert runs == [2.0, 3.0]


def test_what_grows_in_the_function_is_there_afterwards():
    @tg.function
    def step(model, x):
        model.seen = nnx.Variable(x + 1)
        model.steps = getattr(model, "steps", 0) + 1
        return x

    model = Counter()
    for _ in range(3):
        step(model, X)
    assert model.steps == 3
    np.testing.assert_array_equal(model.seen[...], X + 1)


@pytest.mark.filterwarnings("ignore:Using 'Module.sow:DeprecationWarning")
def test_intermediates_that_are_sown_are_found():
    class Sower(nnx.Module):
        def __call__(self, x):
            self.sow(nnx.Intermediate, "hidden", x * 2)
            return x

    def run(model, x):
        return model(x)

    ours, theirs = Sower(), Sower()
    tg.function(run)(ours, X)
    nnx.jit(run)(theirs, X)
    assert_same(values(ours), values(theirs))


def test_objects_that_are_returned():
    @tg.function
    def step(model):
        model.count[...] += 1
        return {"same": model, "new": Counter(), "value": model.count[...]}

    model = Counter()
    found = step(model)
    assert found["same"] is model
    assert isinstance(found["new"], Counter)
    assert int(found["value"]) == int(model.count[...]) == 1


def test_a_change_of_mode_outside_is_seen():
    model = network()
    step = tg.function(lambda model, x: model(x))
    noisy = step(model, X)
    model.eval()
    quiet = step(model, X)
    np.testing.assert_allclose(quiet, nnx.jit(lambda m, x: m(x))(model, X), rtol=1e-6)
    assert not np.array_equal(noisy, quiet)


def test_an_exchanged_part_is_seen():
    model = Network(nnx.Rngs(0))
    model.eval()
    step = tg.function(lambda model, x: model(x))
    step(model, X)
    model.first = nnx.Linear(2, 2, rngs=nnx.Rngs(7))
    model.first.kernel[...] = jnp.zeros((2, 2))
    model.again = model.first
    np.testing.assert_allclose(step(model, X), model(X), rtol=1e-6)


def test_nothing_is_changed_when_the_function_raises():
    @tg.function
    def step(model):
        model.count[...] += 1
        model.other = 3
        raise ValueError("no")

    model = Counter()
    with pytest.raises(ValueError, match="no"):
        step(model)
    assert int(model.count[...]) == 0
    assert not hasattr(model, "other")


def test_a_closure_is_an_argument_in_disguise():
    model = Counter()

    def helper(x):
        model.count[...] += x

    @tg.function
    def step(x):
        helper(x)
        return model.count[...] * 2

    assert [int(step(3)) for _ in range(2)] == [6, 12]
    assert int(model.count[...]) == 6
    model.count[...] = jnp.array(100)
    assert int(step(1)) == 202


def test_a_captured_object_is_as_before_when_the_function_raises():
    model = Counter()

    @tg.function
    def step(x):
        model.count[...] += x
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        step(1)
    assert int(model.count[...]) == 0
    model.count[...] += 1  # and may be changed again


def test_a_structure_that_grows_in_a_captured_object_is_refused():
    model = Counter()

    @tg.function
    def step(x):
        model.more = nnx.Variable(x)

    with pytest.raises(Exception, match="trace level"):
        step(X)


def test_a_method_takes_its_object():
    class Model(nnx.Module):
        def __init__(self):
            self.total = nnx.Variable(jnp.zeros(()))

        @tg.function
        def add(self, x):
            self.total[...] += x.sum()
            return self.total[...]

    model = Model()
    assert float(model.add(jnp.ones(3))) == 3
    assert float(model.add(jnp.ones(3))) == 6


def test_a_bound_method_carries_its_object():
    model = network()
    model.eval()
    run = tg.function(model.__call__)
    np.testing.assert_allclose(run(X), model(X), rtol=1e-6)
    model.first.kernel[...] = model.first.kernel[...] * 2
    np.testing.assert_allclose(run(X), model(X), rtol=1e-6)


def test_a_partial_carries_its_object():
    model = Counter()

    def step(model, x):
        model.count[...] += x

    bound = tg.function(functools.partial(step, model))
    bound(2)
    bound(2)
    assert int(model.count[...]) == 4


def test_an_object_that_nothing_names_is_not_frozen_in_silence():
    class Holder:
        def __init__(self):
            self.model = Counter()
            self.model.count = nnx.Variable(jnp.arange(3))

    @functools.partial(tg.function, static_argnums=0)
    def step(holder, x):
        return holder.model.count[...] + x

    with pytest.warns(FrozenStateWarning, match="as constants"):
        step(Holder(), 1)


def test_inside_other_transformations():
    model = Counter()

    @tg.function
    def inner(model, x):
        model.count[...] += 1
        return x * model.count[...]

    @tg.function
    def outer(model, x):
        return inner(model, x) + inner(model, x)

    assert float(outer(model, 1.0)) == 3
    assert int(model.count[...]) == 2
    assert float(nnx.jit(outer)(model, 1.0)) == 7
    assert int(model.count[...]) == 4


def test_gradients_outside():
    model = network()
    model.eval()

    @tg.function
    def loss(model, x):
        return jnp.sum(model(x) ** 2)

    ours = nnx.grad(loss)(model, X)
    theirs = nnx.grad(lambda model, x: jnp.sum(model(x) ** 2))(model, X)
    assert_same(values(ours), values(theirs))


def test_donated_objects_keep_all_their_values():
    step = tg.function(train, donate_argnums=(0, 1))
    ours, theirs = network(), network()
    our_optimizer, their_optimizer = optimizer(ours), optimizer(theirs)
    for _ in range(2):
        step(ours, our_optimizer, X, Y)
        nnx.jit(train)(theirs, their_optimizer, X, Y)
    assert_same(values(ours, our_optimizer), values(theirs, their_optimizer))


def test_static_arguments_beside_objects():
    @functools.partial(tg.function, static_argnames="scale")
    def step(model, x, scale):
        model.count[...] += scale
        return x * scale

    model = Counter()
    assert float(step(model, 2.0, scale=3)) == 6
    assert int(model.count[...]) == 3


def test_graphs_of_functions_of_objects():
    step = tg.function(train)
    model = network()
    arguments = (model, optimizer(model), X, Y)
    before = values(*arguments[:2])
    assert len(step.graph(*arguments).parameters) == 20
    assert step.verify(*arguments).ok
    assert "train" in str(step.explain(*arguments))
    assert_same(values(*arguments[:2]), before)


def test_states_are_plain_trees():
    model = network()
    model.eval()
    graphdef, state = nnx.split(model)

    @functools.partial(tg.function, static_argnums=0)
    def run(graphdef, state, x):
        return nnx.merge(graphdef, state)(x)

    np.testing.assert_allclose(run(graphdef, state, X), model(X), rtol=1e-6)
    np.testing.assert_allclose(run(graphdef, state, X), model(X), rtol=1e-6)


def test_a_class_of_the_users_is_dispatched_in_cpp():
    @jax.tree_util.register_pytree_node_class
    class Pair:
        def __init__(self, a, b):
            self.a, self.b = a, b

        def tree_flatten(self):
            return (self.a, self.b), "pair"

        @classmethod
        def tree_unflatten(cls, aux, children):
            assert aux == "pair"
            return cls(*children)

    step = tg.function(lambda pair, x: Pair(pair.a + x, pair.b))
    pair = Pair(jnp.ones(2), Pair(jnp.zeros(1), 2.0))
    for _ in range(3):
        pair = step(pair, 1.0)
    assert np.asarray(pair.a).tolist() == [4.0, 4.0]
    assert step._cache_size() >= 1


def test_linen_variables_and_optimizer_states_are_plain_trees():
    from flax import linen

    model = linen.Dense(3)
    params = model.init(jax.random.key(0), X)
    chain = optax.adam(0.1)
    state = chain.init(params)

    @tg.function
    def step(params, state, x):
        gradients = jax.grad(lambda p: jnp.mean(model.apply(p, x) ** 2))(params)
        updates, state = chain.update(gradients, state)
        return optax.apply_updates(params, updates), state

    ours, _ = step(*step(params, state, X), X)
    plain = jax.jit(step.__wrapped__)
    theirs, _ = plain(*plain(params, state, X), X)
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-5), ours, theirs)


def count_up(model):
    model.count[...] += 1


def test_the_function_can_be_copied():
    step = copy.deepcopy(tg.function(count_up))
    model = Counter()
    step(model)
    assert int(model.count[...]) == 1
