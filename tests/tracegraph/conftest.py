"""What tests of the front end share."""

from __future__ import annotations

import jax
import pytest


@pytest.fixture
def options(monkeypatch):
    """The compiler options of each ``jax.jit`` that is made from here on."""
    found, jit = [], jax.jit

    def watched(fun, **kwargs):
        found.append(kwargs.get("compiler_options"))
        return jit(fun, **kwargs)

    monkeypatch.setattr(jax, "jit", watched)
    return found
