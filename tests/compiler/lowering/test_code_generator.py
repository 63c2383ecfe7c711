"""Which programs XLA is told to write element by element, and that their numbers stay."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import tracegraph as tg
from compiler.lowering import code_generator
from compiler.lowering.code_generator import ELEMENT_BY_ELEMENT, KERNELS_AS_FAST
from compiler.lowering.kernels import KERNELS, processor

needs_measured = pytest.mark.skipif(
    not code_generator.IS_MEASURED, reason="this jaxlib was not measured"
)


@pytest.fixture(autouse=True)
def wide_vectors(monkeypatch):
    """The kernels are those of a processor with AVX-512, on any."""
    monkeypatch.setattr(processor, "has_wide_vectors", lambda: True)


X = np.random.default_rng(0).normal(size=(128, 96)).astype(np.float32)
Y = np.random.default_rng(1).normal(size=(128, 96)).astype(np.float32)
SQUARE = np.random.default_rng(2).normal(size=(128, 128)).astype(np.float32)
PLACES = np.arange(0, 128, 3, dtype=np.int32)

TOLD = {
    "a chain": lambda: (lambda x, y: jnp.tanh(x) * y + jnp.exp(-(y**2)), X, Y),
    "one op": lambda: (jnp.floor, X),
    "a cast": lambda: (lambda x: x.astype(jnp.bfloat16), X),
    "16-bit": lambda: (lambda x: x * x + 1, X.astype(np.float16)),
    "integers": lambda: (lambda x: (x * 3 + 1) ^ (x >> 2), PLACES),
    "rows picked": lambda: (lambda x, i: x[i] + 1, X, PLACES),
    "neighbours": lambda: (lambda x: x[1:] * 2 + x[:-1], X),
    "several results": lambda: (lambda x, y: (x * y, x + y, x > y), X, Y),
    "a small result of a product": lambda: (lambda a, v: a @ v + v, _normal(1024, 1024), ROW),
    "a pool behind a convolution": lambda: (_pools_what_it_convolves, *_image_and_window()),
    "a gradient of a pool": lambda: (jax.grad(_pools), _normal(16, 32, 32, 32)),
    "many small systems": lambda: (jnp.linalg.solve, _normal(512, 8, 8), _normal(512, 8, 1)),
    "a small result that goes on": lambda: (_moves, _normal(1024, 3)),
    "a kernel": lambda: (lambda x: jnp.sort(x, -1), np.tile(X, (8, 8))),
    "few features of an image": lambda: (_convolve, _image(28, 28, 1), _image(3, 3, 1, 8)),
    "colours of an image": lambda: (_convolve, _image(32, 32, 3), _image(3, 3, 3, 32)),
    "picked of bfloat16, computed in more": lambda: (_widens, _bfloat16(1000, 256), PLACES),
    "random numbers": lambda: (lambda k: jax.random.normal(k, (64, 64)), jax.random.key(0)),
    "running sums by blocks": lambda: (lambda x: lax.cumsum(x, 1), np.round(_normal(64, 1024) * 4)),
    "no elements": lambda: (lambda x: x * 2 + 1, X[:0]),
}
NOT_TOLD = {
    "what a loop overwrites": lambda: (lambda a, b: jnp.tanh(a @ b), SQUARE, SQUARE),
    "a large array that a loop overwrites": lambda: (lambda x: x @ x + 1, _normal(1024, 1024)),
    "a dot alone": lambda: (lambda a, b: a @ b, SQUARE, SQUARE),
    "a sum": lambda: (lambda x: (x * x).sum(1), X),
    "a join": lambda: (lambda x, y: jnp.concatenate([x, y]) * 2, X, Y),
    "a scatter": lambda: (lambda x, i: x.at[i].add(1), X, PLACES),
    "a loop": lambda: (lambda x: lax.fori_loop(0, 9, lambda _, c: c * x, x), X),
    "a branch": lambda: (lambda x: lax.cond(x[0, 0] > 0, jnp.abs, jnp.floor, x), X),
    "one shape counted as another": lambda: (lambda x: (x * 2 + 1).reshape(-1), X),
    "a vector that was a matrix": lambda: (lambda x, w: x.ravel() @ w, X, _normal(X.size, 10)),
    "short rows": lambda: (jnp.exp, _normal(1024, 12)),
    "windows that share elements": lambda: (_shares_elements, _normal(16, 33, 33, 32)),
    "windows along the rows": lambda: (_pools_along_rows, _normal(1, 64, 64, 256)),
    "short rows picked": lambda: (lambda x, i: x[i] * 2, _normal(200_000), _places(20_000)),
    "bfloat16 picked": lambda: (lambda x, i: x[i] * 2, _bfloat16(1000, 256), _places(4000)),
    "picked and cast to bfloat16": lambda: (_casts_what_it_picks, _normal(1000, 256)),
    "rows picked and nothing else": lambda: (lambda x: x[1:], _normal(1000, 64)),
    "whether there is one": lambda: (lambda x: jnp.any(x > 2, (0, 1)), _normal(64, 64, 256)),
    "large windows": lambda: (_pools_by(3, 3), _normal(16, 33, 33, 32)),
    "a series of what windows hold": lambda: (_series_of_windows, _normal(16, 32, 32, 32)),
    "windows of a series": lambda: (_windows_of_series, _normal(16, 32, 32, 32)),
    "few small systems": lambda: (jnp.linalg.solve, _normal(16, 8, 8), _normal(16, 8, 1)),
    "a dear value read twice": lambda: (_reads_dear_twice, X, Y),
    "a result that goes on": lambda: (_goes_on, X, Y),
    "a small array that is overwritten": lambda: (_reads_dear_twice, X[:4], Y[:4]),
    "loops that are alike": lambda: (_descend, [X] * 4, [Y] * 4),
    "many loops": lambda: (_many_loops, X),
    "neighbours of what is computed": lambda: (_neighbours_of_computed, X, Y, PLACES),
    "a transpose": lambda: (lambda x: x.T * 2, X),
    "picked from what is computed": lambda: (_picks_from_computed, X),
    "complex products": lambda: (lambda x, y: lax.complex(x, y) * lax.complex(y, x), X, Y),
    "another series": lambda: (lambda x: lax.cbrt(x), X),
    "an effect": lambda: (_prints, X),
    "8-bit floats": lambda: (lambda x: x * x, X.astype(jnp.float8_e4m3fn)),
    "a kernel that is slower": lambda: (lambda x: lax.cummax(x, 1), np.tile(X, (8, 8))),
    "many ops": lambda: (_many_ops, X),
}


def _normal(*shape):
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


ROW = _normal(1024)


def _image_and_window():
    return _image(32, 32, 32, 3), _image(3, 3, 3, 32)


def _pools_what_it_convolves(x, w):
    return jax.nn.relu(_pools_by(2, 2)(_convolve(x, w) + w[0, 0, 0]))


def _pools(x):
    return (_pools_by(2, 2)(x) ** 2).sum()


def _pools_along_rows(x):
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID") * 2


def _shares_elements(x):
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 1, 1, 1), "VALID")


def _widens(x, places):
    return x[places].astype(jnp.float32) * 2


def _casts_what_it_picks(x):
    return (x[1:] * 2).astype(jnp.bfloat16)


def _bfloat16(*shape):
    return _normal(*shape).astype(jnp.bfloat16)


def _places(count):
    return np.random.default_rng(0).integers(0, 1000, count).astype(np.int32)


def _pools_by(size, stride):
    sizes, strides = (1, size, size, 1), (1, stride, stride, 1)
    return lambda x: lax.reduce_window(x, -jnp.inf, lax.max, sizes, strides, "VALID")


def _series_of_windows(x):
    return jnp.tanh(_pools_by(2, 2)(x))


def _windows_of_series(x):
    return _pools_by(2, 2)(jnp.exp(x) * x)


def _moves(x):
    apart = x[None] - x[:, None]
    force = (apart / (1 + (apart**2).sum(-1, keepdims=True)) ** 1.5).sum(1)
    speed = 0.1 * force
    return speed, x + speed


def _image(*shape):
    shape = shape if len(shape) == 4 else (16, *shape)
    return np.random.default_rng(0).uniform(-0.1, 0.1, shape).astype(np.float32)


def _convolve(x, w):
    return lax.conv_general_dilated(
        x, w, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def _prints(x):
    jax.debug.print("{}", x[0, 0])
    return x * 2


def _reads_dear_twice(x, y):
    ratio = x / (y * y + 1)
    return jax.nn.gelu(ratio)


def _goes_on(x, y):
    product = jnp.exp(x) * y
    return product, product * 2


def _picks_from_computed(x):
    exp = jnp.exp(x)
    return exp, exp[1:] * exp[:-1]


def _neighbours_of_computed(x, y, places):
    product = x * y
    return product[places] - product[places + 1]


def _descend(parameters, gradients):
    return [p - 0.1 * g for p, g in zip(parameters, gradients, strict=True)]


def _many_loops(x):
    return [x[i:] * 2 + 1 for i in range(9)]


def _many_ops(x):
    for i in range(code_generator.MOST_OPS):
        x = x * x + i
    return x


def told(program, *arguments, **options):
    step = tg.function(program, **options)
    return step.trace(*arguments).program.code_options


@needs_measured
@pytest.mark.parametrize("name", TOLD)
def test_written_element_by_element(name):
    program, *arguments = TOLD[name]()
    assert told(program, *arguments) == (ELEMENT_BY_ELEMENT,)


@pytest.mark.parametrize("name", NOT_TOLD)
def test_written_as_usual(name):
    program, *arguments = NOT_TOLD[name]()
    assert told(program, *arguments) == ()


@pytest.mark.parametrize("name", TOLD)
def test_same_numbers(name):
    program, *arguments = TOLD[name]()
    expected = jax.tree.leaves(jax.jit(program)(*arguments))
    found = jax.tree.leaves(tg.function(program)(*arguments))
    for one, other in zip(expected, found, strict=True):
        assert one.dtype == other.dtype
        kwargs = {"rtol": 1e-5, "atol": 1e-5} if name in _SUMS else {"rtol": 0, "atol": 0}
        np.testing.assert_allclose(
            np.asarray(one.astype(jnp.complex64)), np.asarray(other.astype(jnp.complex64)), **kwargs
        )


_SUMS = {
    *("a small result of a product", "few features of an image", "colours of an image"),
    *("a pool behind a convolution", "many small systems", "a small result that goes on"),
}
EDGES = [0.0, -0.0, 1.0, -1.0, 0.5, -2.5, np.inf, -np.inf, np.nan, 1e-45, 1e-38, 3e38, -3e38, 88.8]


@pytest.mark.parametrize(
    "function",
    [
        *(jnp.floor, jnp.ceil, jnp.round, jnp.abs, jnp.sign, jnp.square, jnp.exp, jnp.expm1),
        *(jnp.log, jnp.log1p, jnp.tanh, jnp.sqrt, lax.rsqrt, lax.erf, lax.logistic, lax.lgamma),
        *(jnp.isnan, jnp.isfinite, jax.nn.relu, jax.nn.gelu, jax.nn.softplus),
        lambda x: x**3,
        lambda x: x.astype(jnp.bfloat16),
        lambda x: x.astype(jnp.int32),
        lambda x: jnp.clip(x, -1, 1),
    ],
)
def test_same_bits_at_the_edges(function):
    values = jnp.tile(jnp.array(EDGES, jnp.float32), 32)
    expected, found = jax.jit(function)(values), tg.function(function)(values)
    assert np.asarray(expected).tobytes() == np.asarray(found).tobytes()


def test_level_exact_keeps_xlas_choice():
    program, *arguments = TOLD["a chain"]()
    assert told(program, *arguments, numerics="exact") == ()


def test_given_away_buffers_are_overwritten():
    assert told(lambda x: x * 2 + 1, jnp.asarray(X), donate_argnums=0) == ()


@needs_measured
def test_flags_of_the_user_win(monkeypatch):
    program, *arguments = TOLD["a chain"]()
    monkeypatch.setenv("XLA_FLAGS", f"--{ELEMENT_BY_ELEMENT[0]}=true")
    assert told(program, *arguments) == ()


@needs_measured
def test_other_jaxlib_is_not_told(monkeypatch):
    monkeypatch.setattr(code_generator, "IS_MEASURED", False)
    program, *arguments = TOLD["a chain"]()
    assert told(program, *arguments) == ()


def test_kernels_that_are_named_are_kernels():
    assert KERNELS_AS_FAST.keys() <= KERNELS.keys()
