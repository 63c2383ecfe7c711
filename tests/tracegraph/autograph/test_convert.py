"""The doors: what can be converted, how it is called, and what is left alone."""

from __future__ import annotations

import copy
import functools
import gc
import inspect
import linecache
import subprocess
import sys
import textwrap
import threading
import weakref

import jax
import jax.numpy as jnp
import pytest
from flax import nnx

import tracegraph as tg
from tracegraph.autograph.conversion import is_converted


def magnitude(x, scale=2.0, *, shift=0.0):
    """A docstring."""
    if x > 0:
        return x * scale + shift
    return -x * scale + shift


# Older versions of flax take a plain list.
LIST = getattr(nnx, "List", list)


class Model(nnx.Module):
    def __init__(self, rngs):
        self.first = nnx.Linear(3, 3, rngs=rngs)
        self.layers = LIST([nnx.Linear(3, 3, rngs=rngs) for _ in range(6)])

    def __call__(self, x):
        if x.sum() > 0:
            x = self.first(x)
        for i in range(6):
            x = self.layers[i](x)
        return x


class Methods:
    scale = 3.0

    def bound(self, x):
        return x * self.scale if x > 0 else x

    @staticmethod
    def static(x):
        return x if x > 0 else -x

    @classmethod
    def of_class(cls, x):
        return x if x > 0 else cls.scale

    @tg.autograph.convert
    def decorated(self, x):
        return x * self.scale if x > 0 else x

    def __call__(self, x):
        return self.bound(x)


def test_a_converted_function_keeps_what_others_read_of_it():
    converted = tg.autograph.convert(magnitude)
    assert converted.__name__ == "magnitude"
    assert converted.__qualname__ == magnitude.__qualname__
    assert converted.__doc__ == "A docstring."
    assert converted.__module__ == magnitude.__module__
    assert inspect.signature(converted) == inspect.signature(magnitude)
    assert converted.__wrapped__ is magnitude
    assert float(jax.jit(converted)(-2.0, shift=1.0)) == 5.0


def test_converting_twice_gives_the_same_function():
    converted = tg.autograph.convert(magnitude)
    assert tg.autograph.convert(converted) is converted
    assert tg.autograph.convert(magnitude) is converted


@pytest.mark.parametrize(
    "function",
    [
        Methods().bound,
        Methods.static,
        Methods.of_class,
        Methods().decorated,
        Methods(),
        functools.partial(magnitude, scale=3.0),
        lambda x: x if x > 0 else -x,
    ],
    ids=["bound", "static", "of class", "decorated", "callable object", "partial", "lambda"],
)
def test_every_kind_of_callable(function):
    converted = jax.jit(tg.autograph.convert(function))
    for x in (2.0, -2.0):
        assert float(converted(x)) == float(function(jnp.float32(x)))


def test_two_lambdas_on_one_line_are_told_apart():
    first, second = (lambda x: x if x > 0 else -x), (lambda x: x + 1 if x > 0 else x)
    assert float(jax.jit(tg.autograph.convert(first))(-2.0)) == 2.0
    assert float(jax.jit(tg.autograph.convert(second))(2.0)) == 3.0


def test_a_module_of_flax_in_converted_code():
    model, x = Model(nnx.Rngs(0)), jnp.ones(3)
    step = tg.function(lambda model, x: model(x), autograph=True)
    assert jnp.allclose(step(model, x), model(x), rtol=1e-5)
    assert jnp.allclose(step(model, -x), model(-x), rtol=1e-5)
    converted = tg.autograph.convert(lambda model, x: model(x).sum())
    found = nnx.grad(converted)(model, x)
    expected = nnx.grad(lambda model, x: model(x).sum())(model, x)
    assert jax.tree.all(jax.tree.map(jnp.allclose, found, expected))


def test_libraries_are_not_converted():
    seen = []

    def spy(function):
        seen.append(function)
        return jnp.sum

    def f(x):
        return spy(jnp.linalg.norm)(x) + spy(magnitude)(x)

    jax.jit(tg.autograph.convert(f))(jnp.ones(2))
    assert seen == [jnp.linalg.norm, magnitude]  # a function of the user's gets what it is given
    assert not is_converted(magnitude)
    assert not is_converted(jnp.linalg.norm)


def test_functions_handed_to_a_library_are_converted():
    def f(x):
        doubled = jax.vmap(magnitude)(x)
        slope = jax.grad(lambda v: magnitude(v))(x[0])
        mapped = jax.tree.map(lambda leaf: leaf if leaf.sum() > 0 else -leaf, {"a": x})
        return doubled, slope, mapped["a"], jax.lax.map(magnitude, x)

    doubled, slope, mapped, each = jax.jit(tg.autograph.convert(f))(jnp.array([-1.0, -2.0]))
    assert doubled.tolist() == [2.0, 4.0] == each.tolist()
    assert float(slope) == -2.0
    assert mapped.tolist() == [1.0, 2.0]


def test_a_decorator_of_the_users_own_is_converted_with_what_it_wraps():
    def positive(function):
        @functools.wraps(function)
        def wrapper(x):
            if x < 0:
                return function(-x)
            return function(x)

        return wrapper

    @positive
    def root(x):
        return jnp.sqrt(x) if x > 1 else x

    @positive
    @tg.autograph.convert
    def converted_root(x):
        return jnp.sqrt(x) if x > 1 else x

    def f(x):
        return root(x) + converted_root(x)

    assert float(jax.jit(tg.autograph.convert(f))(-4.0)) == 4.0
    assert float(jax.jit(tg.autograph.convert(root))(-4.0)) == 2.0
    assert tg.autograph.to_code(root).startswith("def wrapper(x)")


def test_generators_and_functions_without_source_run_as_they_are():
    def numbers(n):
        yield from range(n)

    namespace: dict = {}
    exec("def double(x):\n    return x * 2", namespace)
    double = namespace["double"]

    def f(x):
        for i in numbers(3):
            if x > 0:
                x = double(x) + i
        return x

    assert float(jax.jit(tg.autograph.convert(f))(1.0)) == 12.0


def test_what_is_dropped_is_forgotten():
    def make():
        def f(x):
            return x if x > 0 else -x

        converted = tg.autograph.convert(f)
        assert float(converted(-1.0)) == 1.0
        return weakref.ref(f), weakref.ref(converted)

    original, converted = make()
    gc.collect()
    assert original() is None
    assert converted() is None


def test_options_of_jit_and_transformations_outside():
    @functools.partial(tg.function, autograph=True, static_argnames="mode", donate_argnums=0)
    def f(x, mode="up"):
        if mode == "up":
            return x + 1
        return jnp.where(x > 0, x, 0) if x.sum() > 0 else -x

    assert f(jnp.ones(2)).tolist() == [2.0, 2.0]
    assert f(jnp.ones(2), mode="down").tolist() == [1.0, 1.0]
    g = tg.function(magnitude, autograph=True)
    rows = jnp.array([-1.0, 2.0])
    assert jax.vmap(jax.grad(g))(rows).tolist() == [-2.0, 2.0]
    assert jax.lax.scan(lambda c, x: (c + g(x), g(x)), 0.0, rows)[1].tolist() == [2.0, 4.0]
    assert float(jax.jit(lambda x: g(x) + g(-x))(3.0)) == 12.0
    with jax.disable_jit():
        assert float(g(-3.0)) == 6.0


def test_a_copy_converts_again():
    step = copy.deepcopy(tg.function(magnitude, autograph=True))
    assert float(step(-2.0)) == 4.0


def test_locations_are_the_original_lines():
    graph = tg.function(magnitude, autograph=True).graph(1.0)
    text = tg.print_graph(graph, locations=True)
    first = magnitude.__code__.co_firstlineno
    assert f':{first + 3}:{first + 3} "magnitude"' in text
    assert f':{first + 4}:{first + 4} "magnitude"' in text
    assert "loops.py" not in text
    assert "conditionals.py" not in text


def test_code_can_be_read():
    text = tg.autograph.to_code(magnitude)
    assert text.startswith("def magnitude(x, scale=None, *, shift=None):")
    assert "ag__.if_stmt(" in text
    assert tg.autograph.to_code(tg.autograph.convert(magnitude)) == text
    assert tg.autograph.to_code(Methods().bound).startswith("def bound(self, x):")


def test_a_cell_of_a_notebook():
    text = "def f(x):\n    while x < 10:\n        x = x * 2\n    return x\n"
    name = "<ipython-input-7-abc>"
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    namespace: dict = {}
    exec(compile(text, name, "exec"), namespace)
    assert float(jax.jit(tg.autograph.convert(namespace["f"]))(3.0)) == 12.0


def test_threads_convert_at_once():
    def make(offset):
        def f(x):
            return x + offset if x > 0 else x - offset

        return f

    functions = [make(float(offset)) for offset in range(8)]
    found = [None] * 8

    def run(place):
        found[place] = float(jax.jit(tg.autograph.convert(functions[place]))(1.0))

    threads = [threading.Thread(target=run, args=(place,)) for place in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [1.0 + offset for offset in range(8)]


def run_python(text):
    code = textwrap.dedent(text)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_the_engine_is_imported_when_something_is_converted():
    result = run_python("""
        import sys
        import tracegraph as tg
        assert tg.autograph.convert
        assert "malt" not in sys.modules
    """)
    assert result.returncode == 0, result.stderr


def test_without_the_engine_one_line_says_what_to_install():
    result = run_python("""
        import sys
        sys.modules["malt"] = None
        import tracegraph as tg
        try:
            tg.autograph.convert(tg.trace.Trace.__init__)
        except tg.TracegraphError as error:
            print(error)
    """)
    expected = 'Python control flow needs diastatic-malt: pip install "tracegraph[autograph]"\n'
    assert (result.stdout, result.returncode) == (expected, 0), result.stderr


def test_an_option_is_passed_on_by_the_decorator_with_options():
    @tg.function(autograph=True)
    def f(x):
        while x < 100:
            x = x * 3
        return x

    assert float(f(2.0)) == 162.0
    assert "while" in str(f.graph(2.0))
