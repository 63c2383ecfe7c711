"""A user's project in a folder of its own, and the command line called from there."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tracegraph.cli import main

MODULE = "user_project"
SOURCE = """\
import functools
import jax, jax.numpy as jnp
import tracegraph

@tracegraph.function
def step(x, w, scale=2.0):
    dead = jnp.sin(x)
    return {"y": jnp.tanh(x @ w) * scale, "s": x.sum()}

@functools.partial(tracegraph.function, donate_argnums=0)
def donating(x):
    return x + 1

def plain(x, n):
    for _ in range(n):
        x = x * 2
    return x

def keys(key):
    return jax.random.split(key), jax.random.normal(key, (3,))

def raising(x):
    raise RuntimeError("the user's own mistake")

class Model:
    @staticmethod
    def forward(x):
        return x > 0

value = 3
"""

Cli = Callable[..., Result]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current folder, with the module in it; what a command imports is forgotten after it."""
    (tmp_path / f"{MODULE}.py").write_text(SOURCE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    modules = dict(sys.modules)
    yield tmp_path
    for name in sys.modules.keys() - modules.keys():
        if name.startswith(("user_", "__tracegraph")):
            del sys.modules[name]


@pytest.fixture
def cli(project: Path) -> Cli:
    """Calls the command line with some words, and standard input if given."""

    def call(*words: str, stdin: str | None = None) -> Result:
        return CliRunner().invoke(main, words, input=stdin, prog_name="tracegraph")

    return call
