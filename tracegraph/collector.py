"""Keeps Python's garbage collector out of the way while graphs are made."""

from __future__ import annotations

import gc
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def paused_collector() -> Generator[None]:
    """No collection of cyclic garbage runs within it; afterwards things are as they were.

    Import, passes and export make objects by the ten thousand and hardly any garbage. Collections
    that their number sets off would look at every object of the process, JAX's included, to free
    nothing: for a large program that took longer than all passes together.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
