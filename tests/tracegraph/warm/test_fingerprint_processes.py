"""Fingerprints from process to process: the same, but where a library is another version."""

import os
import subprocess
import sys
import textwrap
from functools import partial

import pytest

PROGRAM = """
import functools, types, typing
import jax, jax.numpy as jnp, numpy as np, optax
from flax import linen, struct
from tracegraph.warm.fingerprint import fingerprint
config = {"b": {1, 2, "x"}, "a": frozenset(["p", "q"])}
chain, model = optax.adamw(1e-3), linen.Dense(3)
def helper(x): return x in {"p", "q", "r"}
class Named(typing.NamedTuple):
    text: str = "a"
    def scale(self): return {self.text, "b", "c"}
@struct.dataclass
class Tree:
    x: typing.Any = None
class Linked:
    x: int = 1
class Other:
    y: str = 'b'
linked, users = Linked(), types.ModuleType("users")
linked.every = {linked, helper, Named, Other, "x"}
users.helper, users.values = helper, {Named(), Tree, "y"}
kept, mesh = functools.cache(helper), jax.make_mesh((1,), ("i",))
masked = np.ma.array([1.0, 2.0], mask=[0, 1])
def g(values): return typing.get_type_hints(Tree), values
def f(x): return jnp.sin(x), config, chain, model, helper, np.float32, g(users)
def h(x): return Named(), Tree(), linked, kept, mesh, jax.P("i"), masked, f
print(fingerprint(h))
"""


def test_it_is_the_same_in_every_process():
    found = {
        subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3", "4")
    }
    assert len(found) == 1


LIBRARY = "import sys; sys.path[:0] = sys.argv[1:]\n" + textwrap.dedent("""
    import thelib
    from tracegraph.warm.fingerprint import fingerprint
    def f(x): return thelib.scale(x)
    print(fingerprint(f))
""")


@pytest.mark.parametrize("has_metadata", [True, False], ids=["its metadata", "its files"])
def test_a_library_that_says_no_version_counts_by(tmp_path, has_metadata):
    found, site = [], tmp_path / "site-packages"
    site.mkdir()
    run = partial(subprocess.run, capture_output=True, text=True, check=True)
    for number in (2, 2, 3):
        source = site / "thelib.py"
        source.write_text(f"def scale(x): return x * {number}")
        os.utime(source, (1, 1 if has_metadata else number))
        if has_metadata:
            folder = site / "thelib.dist-info"
            folder.mkdir(exist_ok=True)
            (folder / "METADATA").write_text(f"Name: thelib\nVersion: {number}\n")
        found.append(run([sys.executable, "-B", "-c", LIBRARY, str(site), *sys.path]).stdout)
    assert found[0] == found[1] != found[2]
