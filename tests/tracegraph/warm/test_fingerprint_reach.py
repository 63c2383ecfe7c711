"""Fingerprints see what a function reaches by other ways than its code: classes, modules, trees."""

import textwrap
import types

import jax
import numpy as np
import pytest
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from tracegraph.warm.digester import UnfingerprintableError
from tracegraph.warm.fingerprint import fingerprint

HEAD = """
import collections, dataclasses, functools, types, typing
import jax, jax.numpy as jnp, numpy as np
from flax import linen
"""


def made(source, value="2"):
    """A function from source, in which ``V`` is the value, as a module of the user's holds it."""
    module = types.ModuleType("users")
    exec(HEAD + textwrap.dedent(source).replace("V", value), vars(module))
    return vars(module)["f"]


CONFIG = "cfg = types.ModuleType('cfg')\ncfg.scale = V\n"

CHANGES = {
    "what a cached function does": """
        @functools.lru_cache
        def scale(n): return n * V
        def f(x): return x * scale(3)
    """,
    "what a function does that has a library's name": """
        @functools.wraps(jnp.sin)
        def g(x): return x * V
        def f(x): return g(x)
    """,
    "what a cached method does": """
        class A:
          @functools.cache
          def scale(self): return V
        def f(x): return x * A().scale()
    """,
    "a method of a NamedTuple": """
        class C(typing.NamedTuple):
          s: float = 1.0
          def scale(self): return V
        c = C()
        def f(x): return x * c.scale()
    """,
    "a method of a dictionary": """
        class C(dict):
          def __missing__(self, key): return V
        c = C()
        def f(x): return x * c['a']
    """,
    "a method of a list": """
        class C(list):
          def scale(self): return V
        c = C()
        def f(x): return x * c.scale()
    """,
    "a method of a set": """
        class C(frozenset):
          def scale(self): return V
        c = C()
        def f(x): return x * c.scale()
    """,
    "a method of an array": """
        class C(np.ndarray):
          def scale(self): return V
        c = np.ones(3).view(C)
        def f(x): return x * c.scale()
    """,
    "a method of a partial": """
        class C(functools.partial):
          def scale(self): return V
        c = C(max)
        def f(x): return x * c.scale()
    """,
    "an attribute of an array": """
        class C(np.ndarray): pass
        c = np.ones(3).view(C)
        c.scale = V
        def f(x): return x * c.scale
    """,
    "a slot of a list": """
        class C(list): __slots__ = ('scale',)
        c = C()
        c.scale = V
        def f(x): return x * c.scale
    """,
    "the order of fields": """
        c = collections.namedtuple('C', 'a b' if V == 2 else 'b a')(1, 5)
        def f(x): return x * c.a
    """,
    "a matrix for an array": """
        c = np.array([[1.0, 2.0], [3.0, 4.0]]).view(np.matrix if V == 2 else np.ndarray)
        def f(x): return x * float((c * c)[0, 0])
    """,
    "a class without a module": """
        scope = {}
        exec('class A:\\n  scale = V', scope)
        A = scope['A']
        def f(x): return x * A.scale
    """,
    "a mask": """
        c = np.ma.array([1.0, 2.0], mask=[0, V == 2])
        def f(x): return x * float(c.sum())
    """,
    "the names of fields": """
        c = np.ones(1, [('a', 'f4'), ('b', 'f4')] if V == 2 else [('b', 'f4'), ('a', 'f4')])
        def f(x): return x * float(c['a'][0])
    """,
    "the names of a record's fields": """
        c = np.rec.fromarrays([[1.0], [5.0]], names='a,b' if V == 2 else 'b,a')
        def f(x): return x * float(c.a[0])
    """,
    "a scalar for an array": """
        c = np.float32(1) if V == 2 else np.array(1, np.float32)
        def f(x): return x * isinstance(c, float)
    """,
    "a module as an argument": CONFIG
    + "def g(m, x): return x * m.scale\ndef f(x): return g(cfg, x)",
    "a module as a default": CONFIG + "def f(x, m=cfg): return x * m.scale",
    "a module in a closure": CONFIG
    + "def outer(m):\n  def f(x): return x * m.scale\n  return f\nf = outer(cfg)",
    "a module in a class": CONFIG + "class A: m = cfg\ndef f(x): return x * A.m.scale",
    "a module in a dictionary": CONFIG + "c = {'m': cfg}\ndef f(x): return x * c['m'].scale",
    "a module that is returned": CONFIG + "def get(): return cfg\ndef f(x): return x * get().scale",
    "a module asked for a text": CONFIG + "def f(x): return x * getattr(cfg, 'scale')",
    "a module in a module": "pkg = types.ModuleType('pkg')\n"
    + CONFIG
    + "pkg.cfg = cfg\ndef g(m, x): return x * m.scale\ndef f(x): return g(pkg.cfg, x)",
    "a module's own getattr": "cfg = types.ModuleType('cfg')\ncfg.__getattr__ = lambda name: V\n"
    "def f(x): return x * cfg.scale",
    "a metaclass": """
        class M(type):
          @property
          def scale(cls): return V
        class A(metaclass=M): pass
        def f(x): return x * A.scale
    """,
    "annotations": "class A:\n  v: V\ndef f(x): return x * A.__annotations__['v']",
    "annotations that a library reads": """
        class A:
          v: typing.Literal[V]
        def f(x): return x * typing.get_args(typing.get_type_hints(A)['v'])[0]
    """,
    "annotations that a helper reads": """
        class A:
          v: V
        def g(kind): return getattr(kind, '__annotations__')
        def f(x): return x * g(A)['v']
    """,
    "a text": "class A: 'V'\ndef f(x): return x * int(A.__doc__)",
    "the order of a class's fields": """
        class A: __match_args__ = ('a', 'b') if V == 2 else ('b', 'a')
        def f(x):
          match A():
            case A(y, _): return y
    """,
    "a private attribute of a linen module": """
        class N(linen.Module):
          n: float = 1.0
        m = N()
        object.__setattr__(m, '_t', V)
        def f(x): return x * m._t
    """,
    "how trees are put together": """
        class B:
          def __init__(self, x): self.x = x
        jax.tree_util.register_pytree_node(
            B, lambda b: ((b.x,), None), lambda _, c: B(c[0] * V))
        def f(x): return jax.tree.map(lambda v: v, B(x)).x
    """,
    "which fields are in a tree": """
        @dataclasses.dataclass
        class B:
          x: float
          y: float
        names = ['x', 'y']
        data = names if V == 2 else ['x']
        jax.tree_util.register_dataclass(B, data, [n for n in names if n not in data])
        def f(x): return len(jax.tree.leaves(B(x, x)))
    """,
}


@pytest.mark.parametrize("source", CHANGES.values(), ids=CHANGES)
def test_what_changes_is_noticed(source):
    assert fingerprint(made(source)) == fingerprint(made(source))
    assert fingerprint(made(source, "2")) != fingerprint(made(source, "7"))


@pytest.mark.parametrize(
    "source",
    [
        "class A:\n  'V'\n  v: V\ndef f(x): return A()",
        CONFIG + "cfg.other = 1\ndef f(x): return cfg.other",
        "m = linen.Dense(2)\nobject.__setattr__(m, '_id', V)\ndef f(x): return m",
    ],
    ids=["annotations and texts", "what no code names of a module", "what flax counts"],
)
def test_what_no_code_reads_does_not_count(source):
    assert fingerprint(made(source, "2")) == fingerprint(made(source, "7"))


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (
            "class A:\n  def __reduce__(self): return 'a'\na = A()\ndef f(x): return a",
            "a, a A, hides what it holds",
        ),
        (
            "cfg = types.ModuleType('cfg')\nimport os\ncfg.os = os\ndef f(x): return str(cfg)",
            r"cfg\.os is the module os: it may read anything",
        ),
        ("a = []\nfor _ in range(5000): a = [a]\ndef f(x): return a", "nested too deeply"),
        (
            "a = jnp.ones(3) * 2\na.delete()\ndef f(x): return a",
            "a cannot be read: Array has been deleted",
        ),
        (
            "class P:\n  __class__ = property(lambda self: dict)\na = P()\ndef f(x): return a",
            "a, a P, passes for another",
        ),
        (
            "class M(np.ndarray): pass\na = np.array([open], object).view(M)\ndef f(x): return a",
            "is open: it may read anything",
        ),
    ],
)
def test_what_cannot_be_seen_is_refused(source, reason):
    with pytest.raises(UnfingerprintableError, match=reason):
        fingerprint(made(source))


def test_a_set_that_holds_what_leads_back_to_it_comes_to_an_end():
    source = "class A: pass\na = A()\na.all = {a, 1}\ndef f(x): return a"
    assert fingerprint(made(source)) == fingerprint(made(source))


def mesh(shape=(2, 4), names=("a", "b"), types=(AxisType.Auto,) * 2, step=1):
    return Mesh(np.array(jax.devices()[:8][::step]).reshape(shape), names, axis_types=types)


def rows(*names, **options):
    return NamedSharding(mesh(**options), PartitionSpec(*names))


MESHES = [
    lambda: mesh(),
    lambda: mesh(shape=(4, 2)),
    lambda: mesh(names=("b", "a")),
    lambda: mesh(types=(AxisType.Auto, AxisType.Explicit)),
    lambda: mesh(step=-1),
    lambda: mesh().abstract_mesh,
    lambda: mesh(shape=(4, 2)).abstract_mesh,
    lambda: rows("a"),
    lambda: rows("b"),
    lambda: rows("a", shape=(4, 2)),
    lambda: jax.device_put(np.ones(8), rows("a")),
    lambda: jax.device_put(np.ones(8), rows("b")),
    lambda: jax.device_put(np.ones(8), jax.devices()[1]),
]


def test_meshes_and_shardings_count_by_what_they_are_made_of():
    found = [fingerprint(make()) for make in MESHES]
    assert found == [fingerprint(make()) for make in MESHES]
    assert len(set(found)) == len(MESHES)
