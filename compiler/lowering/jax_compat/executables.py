"""Compiled programs: as bytes, back from bytes, and as the answer to a miss of a jit callable."""

# pyright: reportPrivateUsage=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any, Final

import jax
from jax.experimental import serialize_executable
from jaxlib import gpu_solver
from jaxlib.cpu import _lapack

from compiler.lowering.jax_compat.callables import JitFunction, uncached

_LOADS_FASTER: Final = {"xla_cpu_parallel_codegen_split_count": 1}
"""One module of machine code instead of 32: loaded in two thirds of the time (jaxlib 0.10.2)."""


def compile_to_keep(lowered: Any) -> Any:
    """Compiles a lowered function so that it is fast to load again."""
    if jax.default_backend() != "cpu":
        return lowered.compile()
    try:
        return lowered.compile(compiler_options=_LOADS_FASTER)
    except jax.errors.JaxRuntimeError as error:
        if "No such compile option" not in str(error):
            raise
        return lowered.compile()


def keeps_executables() -> bool:
    """Whether JAX keeps what it compiles for later processes, in a folder of its own."""
    names = ("jax_enable_compilation_cache", "jax_compilation_cache_dir")
    return all(getattr(jax.config, name) for name in names)


def device_order(sharding: Any) -> tuple[int, ...]:
    """The numbers of the devices of an array's sharding, in order; its text names none of them."""
    return tuple(device.id for device in sharding._device_assignment)


def executable_bytes(compiled: Any) -> bytes:
    """A compiled function as bytes, for this version of JAX, this platform and these devices.

    Raises:
        Exception: whatever JAX or pickle raises for a program or a tree that they cannot write.
    """
    payload, _, out_tree = serialize_executable.serialize(compiled)
    devices = [device.id for device in compiled.runtime_executable().local_devices()]
    return pickle.dumps((payload, out_tree, devices))


def executable_from(data: bytes, in_tree: Any) -> Any:
    """The compiled function that ``executable_bytes`` wrote.

    Args:
        data: the bytes, which must be trusted.
        in_tree: the tree of its arguments, ``(args, kwargs)`` without static ones.
    """
    payload, out_tree, ids = pickle.loads(data)
    _find_solvers(payload)
    by_id = {device.id: device for device in jax.devices()}
    devices = [by_id[one] for one in ids]
    return serialize_executable.deserialize_and_load(
        payload, in_tree, out_tree, execution_devices=devices
    )


def _find_solvers(payload: bytes) -> None:
    """Looks up the routines of linear algebra that a program calls, which is else a null pointer.

    JAX looks them up where it lowers such a call, and here nothing is lowered. It takes SciPy,
    which takes a tenth of a second to import, so only a program that names them pays for it.
    """
    if b"lapack_" in payload:
        _lapack.initialize()
    if b"hybrid_" in payload:
        gpu_solver.initialize_hybrid_kernels()


def answer_from(compiled: Any) -> Callable[..., Any]:
    """A compiled function as what a jit callable calls on a miss, which then dispatches to it.

    The arguments are those of the call that are not static.
    """
    dispatch = compiled._executable.create_cpp_call(compiled._params)
    if dispatch is None:  # it calls back into Python, or has effects
        return lambda *args, **kwargs: uncached(compiled(*args, **kwargs))
    return dispatch.__getstate__()["cache_miss"]


def is_jit_callable(value: Any) -> bool:
    """Whether a value is what ``jax.jit`` returns."""
    return isinstance(value, _JIT)


_JIT: type[JitFunction] = type(jax.jit(lambda: None))
