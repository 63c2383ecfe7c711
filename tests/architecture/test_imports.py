"""Imports go downward only, and jax's unstable names stay in one module (see ARCHITECTURE.md)."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.architecture.sources import ROOT, Import, Module, imports, modules

# From the bottom up. `analysis` may ask `ops`, never the other way round.
LAYERS = (
    "compiler",  # its __init__ alone, which runs before any part of the compiler
    "compiler.ir",
    "compiler.ops",
    "compiler.analysis",
    "compiler.rewrite",
    "compiler.rules",
    "compiler.passes",
    "compiler.lowering",
    "tracegraph",
)
JAX_FREE = ("compiler", "compiler.ir")
JAX_LIBRARIES = ("jax", "jaxlib", "flax", "optax")
UNSTABLE = ("jax._src", "jax.extend", "jax.interpreters", "jaxlib")
UNSTABLE_ALLOWED_IN = "compiler.lowering.jax_compat"

MODULES = modules()


def layer_of(name: str) -> str:
    """The layer of a module or of a name in one: at most two components, one for tracegraph."""
    top, *rest = name.split(".")
    return top if top == "tracegraph" or not rest else f"{top}.{rest[0]}"


def upward(module: Module) -> list[Import]:
    """The imports of a module that reach above its layer, or that hide what they reach."""
    home = layer_of(module.name)
    reach = [found for found in imports(module) if found.is_within("compiler", "tracegraph")]
    return [found for found in reach if not _is_below(layer_of(found.target), home)]


def _is_below(layer: str, home: str) -> bool:
    if layer == "compiler" and home != "tracegraph":
        return False  # a bare `import compiler` could reach any layer
    if layer not in LAYERS:
        return False
    return LAYERS.index(layer) <= LAYERS.index(home)


def jax_in_jax_free(module: Module) -> list[Import]:
    """The imports of jax, or of what brings it, in a layer that must not know it."""
    if layer_of(module.name) not in JAX_FREE:
        return []
    return [found for found in imports(module) if found.is_within(*JAX_LIBRARIES)]


def unstable_outside_compat(module: Module) -> list[Import]:
    """The uses of jax's unstable modules anywhere but in the one module that owns them."""
    if Import(module.name, 0).is_within(UNSTABLE_ALLOWED_IN):
        return []
    return [found for found in imports(module) if found.is_within(*UNSTABLE)]


def private_across_packages(module: Module) -> list[Import]:
    """The private names of the compiler that the front end reaches for."""
    if layer_of(module.name) != "tracegraph":
        return []
    reach = [found for found in imports(module) if found.is_within("compiler")]
    return [found for found in reach if any(map(_is_private, found.target.split(".")))]


def _is_private(component: str) -> bool:
    is_dunder = component.startswith("__") and component.endswith("__")
    return component.startswith("_") and not is_dunder


LAWS = (upward, jax_in_jax_free, unstable_outside_compat, private_across_packages)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_no_module_breaks_the_law(law):
    broken = [f"{module.name}:{found.line} reaches {found.target}"
              for module in MODULES for found in law(module)]  # fmt: skip
    assert not broken, "\n".join([law.__doc__, *broken])


def test_both_packages_are_read():
    assert {module.name.split(".")[0] for module in MODULES} == {"compiler", "tracegraph"}


def test_every_module_has_a_layer():
    strangers = [module.name for module in MODULES if layer_of(module.name) not in LAYERS]
    assert not strangers, f"in no layer of this test's table: {strangers}"


@pytest.mark.parametrize(
    ("law", "name", "text"),
    [
        (upward, "compiler.ir.graph", "from compiler.rewrite import Rewriter"),
        (upward, "compiler.ir.graph", "def f():\n    import compiler.lowering.export_jax"),
        (upward, "compiler.ir.graph", "from ..passes import manager"),
        (upward, "compiler.ir.graph", "if TYPE_CHECKING:\n    from compiler import ops"),
        (upward, "compiler.ops.control", "from compiler.analysis import liveness"),
        (upward, "compiler.passes.cse", "import compiler"),
        (upward, "compiler.passes.cse", "from compiler import *"),
        (upward, "compiler.lowering.export_jax", "import tracegraph"),
        (upward, "compiler.lowering.export_jax", "importlib.import_module('tracegraph.cli')"),
        (jax_in_jax_free, "compiler.ir.types", "def f():\n    import jax.numpy as jnp"),
        (jax_in_jax_free, "compiler.ir.types", "from optax import adam"),
        (unstable_outside_compat, "tracegraph.api", "from jax._src import core"),
        (unstable_outside_compat, "tracegraph.api", "from jax.extend.core import Jaxpr"),
        (unstable_outside_compat, "tracegraph.api", "import jax\njax.interpreters.mlir.lower"),
        (unstable_outside_compat, "compiler.lowering.jax_compatible", "import jaxlib"),
        (private_across_packages, "tracegraph.api", "from compiler.ir import _secret"),
        (private_across_packages, "tracegraph.api", "from compiler._hidden import name"),
    ],
)
def test_the_law_catches(law, name, text):
    assert law(Module(name, text))


@pytest.mark.parametrize(
    ("law", "name", "text"),
    [
        (upward, "compiler.analysis.cost", "from compiler.ops import definition"),
        (upward, "compiler.passes.cse", "from compiler.passes.manager import Pass"),
        (upward, "compiler.lowering.kernels.attention", "from ..jax_compat import core"),
        (upward, "tracegraph.cli.demo", "import compiler\nfrom compiler.ir import Graph"),
        (jax_in_jax_free, "compiler.ir.types", "import numpy, ml_dtypes"),
        (jax_in_jax_free, "compiler.ops.control", "import jax"),
        (unstable_outside_compat, "compiler.lowering.jax_compat", "from jax._src import core"),
        (unstable_outside_compat, "compiler.lowering.jax_compat.core", "import jaxlib"),
        (unstable_outside_compat, "tracegraph.api", "import jax\njax.lax.add(1, 2)"),
        (private_across_packages, "tracegraph.api", "from compiler import __file__ as found"),
        (private_across_packages, "compiler.passes.cse", "from compiler.passes._x import y"),
    ],
)
def test_the_law_permits(law, name, text):
    assert not law(Module(name, text))


def test_no_test_folder_is_a_package():
    """As a package, tests/compiler would be imported in place of compiler."""
    assert list((ROOT / "tests").rglob("__init__.py")) == []


def test_importing_the_ir_does_not_import_jax():
    code = f"import sys, compiler.ir; print(*sys.modules.keys() & set({JAX_LIBRARIES!r}))"
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == []
