"""Fingerprints: the same in every process, other for everything that a result may depend on."""

import dataclasses
import enum
import functools
import math
import sys
import textwrap
import types
from collections import defaultdict
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen

from tracegraph.warm.digester import UnfingerprintableError
from tracegraph.warm.fingerprint import fingerprint


def made(source, **scope):
    """A function from source, as a module of the user's would hold it."""
    module = types.ModuleType("users")
    vars(module).update(scope)
    exec(textwrap.dedent(source), vars(module))
    return vars(module)["f"]


def test_comments_and_lines_do_not_count():
    assert fingerprint(made("def f(x): return x + 1")) == fingerprint(
        made("\n\n# a comment\ndef f(x):\n    return x + 1")
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("def f(x): return x + 1", "def f(x): return x + 2"),
        ("def f(x): return x + 1", "def f(x): return x - 1"),
        ("def f(x): return x + 1", "def f(x): return x + 1.0"),
        ("def f(x): return x + 1", "def f(x): return x + True"),
        ("def f(x, y=1): return x", "def f(x, y=2): return x"),
        ("def f(x, *, y=1): return x", "def f(x, *, y=2): return x"),
        ("k = 1\ndef f(x): return x * k", "k = 2\ndef f(x): return x * k"),
        ("def g(x): return x\ndef f(x): return g(x)", "def g(x): return -x\ndef f(x): return g(x)"),
        (
            "class A:\n  k = 1\ndef f(x): return A().k * x",
            "class A:\n  k = 2\ndef f(x): return A().k * x",
        ),
        (
            "def f(x): return (lambda y: y + 1)(x)",
            "def f(x): return (lambda y: y + 2)(x)",
        ),
        (
            "def f(x):\n  try:\n    return x\n  except ValueError:\n    return 1",
            "def f(x):\n  try:\n    return x\n  except TypeError:\n    return 1",
        ),
    ],
)
def test_what_a_function_does_counts(one, other):
    assert fingerprint(made(one)) == fingerprint(made(one))
    assert fingerprint(made(one)) != fingerprint(made(other))


def test_modules_of_the_users_count_by_what_is_named():
    def using(value, unused=0):
        helper = types.ModuleType("helper")
        helper.scale, helper.other = value, unused
        return made("def f(x): return x * helper.scale", helper=helper)

    assert fingerprint(using(1)) == fingerprint(using(1, unused=5))
    assert fingerprint(using(1)) != fingerprint(using(2))


def closing_over(value):
    def f(x):
        return x, value

    return f


@dataclasses.dataclass(frozen=True)
class Config:
    width: int
    name: str = "a"


class Plain:
    def __init__(self, **parts):
        vars(self).update(parts)


class Mode(enum.Enum):
    A = 1
    B = 2


class Scaled(Config):
    """A dataclass's object that holds more than its fields."""


def scaled(by):
    made = Scaled(1)
    object.__setattr__(made, "scale", by)
    return made


class Listed(list):
    """A list with attributes."""


def listed(by):
    made = Listed([1])
    made.scale = by
    return made


def partial(by):
    made = functools.partial(max, 1)
    made.scale = by
    return made


def marked(by):
    def f(x):
        return x * f.scale

    f.scale = by
    return f


def mode(value):
    return enum.Enum("Mode", {"A": value}, module=__name__).A


PAIRS = [
    (scaled(1), scaled(2)),
    (listed(1), listed(2)),
    (partial(1), partial(2)),
    (marked(1), marked(2)),
    (mode(1), mode(2)),
    (defaultdict(int), defaultdict(list)),
    (Path("a"), Path("b")),
    (np.ones(3), np.zeros(3)),
    (np.ones(3, np.float32), np.ones(3, np.float64)),
    (np.ones((3, 1)), np.ones((1, 3))),
    (jnp.ones(3), np.ones(3, np.float32) * 2),
    (jnp.ones(3, jnp.bfloat16), jnp.ones(3, jnp.float16)),
    (jax.random.key(0), jax.random.key(1)),
    ([1, 2], (1, 2)),
    ([1, 2], [2, 1]),
    ({"a": 1}, {"a": 2}),
    ({"a": 1}, {"b": 1}),
    ({1, 2}, {1, 3}),
    (1, 1.0),
    (0.0, -0.0),
    ("1", 1),
    ("ab", "a"),
    (b"a", "a"),
    (None, False),
    (Config(1), Config(2)),
    (Config(1), Config(1, "b")),
    (Plain(a=1), Plain(a=2)),
    (Plain(a=1), Plain(b=1)),
    (Mode.A, Mode.B),
    (functools.partial(max, 1), functools.partial(max, 2)),
    (jnp.float32, jnp.float16),
    (jnp.sin, jnp.cos),
    (math.sin, math.cos),
    (np.sin, np.cos),
    (jax.nn.relu, jax.nn.gelu),
    (slice(1), slice(2)),
    (optax.adam(0.1), optax.adam(0.2)),
    (optax.adam(0.1), optax.sgd(0.1)),
    (linen.Dense(3), linen.Dense(4)),
    (linen.Dense(3), linen.Dense(3, use_bias=False)),
    (jax.jit(jnp.sin), jax.jit(jnp.cos)),
    (jax.tree.structure([1]), jax.tree.structure((1,))),
]


@pytest.mark.parametrize(("one", "other"), PAIRS, ids=lambda value: type(value).__name__)
def test_values_that_are_captured_count(one, other):
    assert fingerprint(closing_over(one)) == fingerprint(closing_over(one))
    assert fingerprint(closing_over(one)) != fingerprint(closing_over(other))


def test_cycles_come_to_an_end():
    parts = [1]
    parts.append(parts)
    assert fingerprint(parts) == fingerprint(parts)


def test_sharing_is_not_equality():
    a, b = [1], [1]
    assert fingerprint([a, a]) != fingerprint([a, b])


def test_methods_of_jax():
    @jax.custom_vjp
    def f(x):
        return x

    f.defvjp(lambda x: (x, None), lambda _, g: (g,))
    first = fingerprint(closing_over(f))
    f.defvjp(lambda x: (x, None), lambda _, g: (g * 2,))
    assert fingerprint(closing_over(f)) != first


def test_a_module_behind_many_names_is_refused_too():
    names = "; ".join(f"x.n{i}" for i in range(300))
    source = f"import numpy as np\ndef f(x):\n  {names}\n  return np.random.rand()"
    with pytest.raises(UnfingerprintableError, match="is the module numpy"):
        fingerprint(made(source))


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import os\ndef f(x): return os.environ", "os is the module os: it may read anything"),
        ("import time\ndef f(x): return x * time.time()", "time is the module time"),
        ("def f(x): return open('a')", "f calls open: it may read anything"),
        ("n = 0\ndef f(x):\n  global n\n  n = 1\n  return x", "f assigns the global variable n"),
        ("from time import time\ndef f(x): return x * time()", "time is time of time"),
        ("from os import getenv\ndef f(x): return getenv('a')", "getenv is getenv of os"),
        ("from random import random\ndef f(x): return random()", "random is random of random"),
        ("from datetime import datetime as d\ndef f(x): return d.now()", "d is datetime of"),
        ("from pathlib import Path\ndef f(x): return Path('a').read_text()", "Path is Path of"),
        ("import sys\ndef f(x): return sys.argv", "sys is the module sys"),
        ("import numpy as np\ndef f(x): return np.random.rand()", "np.random is the module numpy"),
        ("import numpy as np\ndef f(x): return np.load('a')", "np.load is load of numpy"),
        ("import jax.numpy as n\ndef f(x): return n.load('a')", "n.load is load of jax"),
        ("def f(x):\n  import time\n  return time.time()", "f is the module time"),
        ("def f(x):\n  from .helper import k\n  return k", "f imports helper as it runs"),
        ("def f(x):\n  import no_such_module\n  return x", "f imports no_such_module: No module"),
        ("import threading\nk = threading.Lock()\ndef f(x): return k", "k, a lock"),
        ("def g():\n  yield 1\nk = g()\ndef f(x): return k", "k, a generator"),
    ],
)
def test_what_cannot_be_fingerprinted_is_refused_with_the_reason(source, reason):
    with pytest.raises(UnfingerprintableError, match=reason):
        fingerprint(made(source))


def test_random_numbers_of_jax_beside_numpy_are_no_reason():
    source = """
        import jax, numpy as np
        def f(key): return jax.random.normal(key, np.zeros(3).shape)
    """
    assert fingerprint(made(source)) == fingerprint(made(source))


def test_a_library_that_is_imported_as_it_runs_counts_by_its_version():
    one = made("def f(x):\n  import jax.numpy as n\n  return n.sin(x)")
    other = made("def f(x):\n  import numpy as n\n  return n.sin(x)")
    assert fingerprint(one) != fingerprint(other)


def test_code_beside_installed_libraries_is_the_users_own(monkeypatch):
    found = []
    for number in (2, 3):
        module = types.ModuleType("own_code")
        module.__file__ = str(Path(sys.prefix) / "own_code.py")
        monkeypatch.setitem(sys.modules, "own_code", module)
        exec(f"def f(x): return x * {number}", vars(module))
        found.append(fingerprint(module.f))
    assert found[0] != found[1]


def test_an_outer_variable_that_is_assigned_is_refused():
    count = 0

    def f(x):
        nonlocal count
        count += 1
        return x

    with pytest.raises(UnfingerprintableError, match="assigns the outer variable count"):
        fingerprint(f)


def test_values_of_a_trace_are_refused():
    def inner(x):
        return fingerprint(closing_over(x))

    with pytest.raises(UnfingerprintableError, match="a value of a running trace"):
        jax.jit(inner)(1.0)
