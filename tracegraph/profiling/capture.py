"""Runs a function under JAX's profiler."""

# JAX annotates its functions in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax

from compiler.ir.errors import TracegraphError
from compiler.lowering import jax_compat
from tracegraph.executable.report import KernelReport
from tracegraph.executable.report import of as kernels_of
from tracegraph.profiling.events import read_events
from tracegraph.profiling.report import ProfileReport, profile_report

jax_compat.hide_frames(__file__)


def of(function: Any, /, *args: Any, calls: int = 10, **kwargs: Any) -> ProfileReport:
    """Measures a decorated function on these arguments; see ``Function.profile``."""
    if calls < 1:
        raise TracegraphError(
            "nothing can be measured in no call",
            expected="calls=1 or more",
            found=f"calls={calls}",
            hint="leave calls out for ten of them",
        )
    _check_values(args, kwargs)
    trace = function.trace(*args, **kwargs)
    known = kernels_of(function, *args, **kwargs)
    if any(info.donated for info in trace.optimized.parameter_info):
        args, kwargs = _copies((args, kwargs))
        return _measured(known, lambda: function(*_copies(args), **_copies(kwargs)), calls)
    return _measured(known, lambda: function(*args, **kwargs), calls)


def _check_values(args: Any, kwargs: Any) -> None:
    """Returns if the function can be run on its arguments."""
    shapes = [x for x in jax.tree.leaves((args, kwargs)) if isinstance(x, jax.ShapeDtypeStruct)]
    if shapes:
        raise TracegraphError(
            "nothing can be measured on shapes",
            expected="arrays: the function is run",
            found=", ".join(f"{one.dtype}{list(one.shape)}" for one in shapes[:4]),
            hint="pass arrays of these shapes, such as jnp.zeros(shape, dtype)",
        )


def _measured(known: KernelReport, call: Callable[[], Any], calls: int) -> ProfileReport:
    jax.block_until_ready(call())  # which compiles
    start = time.perf_counter()
    _run(call, calls)  # without the profiler, which takes time itself
    wall = (time.perf_counter() - start) / calls
    with _scratch() as folder:
        _start(folder)
        try:
            _run(call, calls)
        finally:
            jax.profiler.stop_trace()
        return profile_report(known, read_events(Path(folder)), calls, wall)


def _scratch() -> tempfile.TemporaryDirectory[str]:
    try:
        return tempfile.TemporaryDirectory()
    except OSError as error:
        raise TracegraphError(
            "the profile cannot be written",
            expected="a folder for temporary files that may be written to",
            found=str(error),
            hint="set the environment variable TMPDIR to such a folder",
        ) from error


def _run(call: Callable[[], Any], calls: int) -> None:
    for _ in range(calls):
        jax.block_until_ready(call())


def _start(folder: str) -> None:
    options = jax.profiler.ProfileOptions()
    options.python_tracer_level = 0  # Python's own frames are of no use here
    try:
        jax.profiler.start_trace(folder, profiler_options=options)
    except RuntimeError as error:
        raise TracegraphError(
            "the profiler is running already",
            expected="no other profile at the same time",
            found=str(error).partition("\n")[0],
            hint="stop the other profile first",
        ) from error


def _copies(tree: Any) -> Any:
    """The same arguments in arrays of their own, which a call may take away."""

    def copied(leaf: Any) -> Any:
        return leaf.copy() if isinstance(leaf, jax.Array) else leaf

    return jax.tree.map(copied, tree)
