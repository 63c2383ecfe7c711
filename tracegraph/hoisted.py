"""Calls whose function captures large arrays: the compiled program takes them as hidden arguments.

An array that jit finds in a closure is written into the program that XLA compiles. Here it is an
input in front of the caller's, which the C++ cache passes by itself: a hit runs no Python.
"""

# JAX annotates its functions in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import jax

from compiler.lowering import jax_compat
from compiler.lowering.hoisting import Hoisted, hoist_constants
from tracegraph.program import Program, warn_failed

jax_compat.hide_frames(__file__)

_CARRIED: Final = frozenset({"keep_unused", "compiler_options"})
"""Options of jit's that the hidden program has too."""

_SEEN_BEFORE: Final = frozenset(
    {"static_argnums", "static_argnames", "donate_argnums", "donate_argnames", "inline"}
)
"""Options that a trace has in it, or that mean nothing at the top level."""


class _Compiled(NamedTuple):
    """The jit callable of a program, and the arrays that it takes first."""

    run: Any
    arrays: Sequence[jax.Array]


class HoistedPrograms:
    """The programs of one function that take its large captured arrays as hidden arguments.

    Args:
        plain: the jit callable of the user's function, which knows what is static.
        options: the options of ``jax.jit``.
    """

    def __init__(self, plain: Any, options: dict[str, Any]) -> None:
        self._plain = plain
        self._options = {name: options[name] for name in _CARRIED & options.keys()}
        self._serves = options.keys() <= _CARRIED | _SEEN_BEFORE
        self._made: weakref.WeakKeyDictionary[Any, _Compiled | None] = weakref.WeakKeyDictionary()
        self._lock = threading.RLock()

    def answer(
        self,
        traced: Any,
        program: Program | None,
        donated: Sequence[bool],
        chosen: dict[str, Any],
        args: Any,
        kwargs: Any,
    ) -> Callable[..., Any] | None:
        """What answers a miss of this trace; None where the program is to be jit's own.

        Args:
            traced: the plain function's trace.
            program: what was made of it.
            donated: which of its inputs are given away.
            chosen: compiler options that were chosen for it by measurement.
            args: the arguments by position.
            kwargs: the arguments by name.
        """
        if not self._serves or program is None or jax_compat.traced_consts(traced):
            return None
        if jax_compat.runs_op_by_op():
            return None
        with self._lock:
            if traced.jaxpr not in self._made:
                self._made[traced.jaxpr] = self._make(traced, program, donated, chosen)
            made = self._made[traced.jaxpr]
        if made is None:
            return None
        leaves = jax_compat.traced_arguments(self._plain, args, kwargs)
        return self._answering(made) if _on_one_device([*made.arrays, *leaves]) else None

    def clear(self) -> None:
        """Forgets all."""
        with self._lock:
            self._made.clear()

    def _make(
        self, traced: Any, program: Program, donated: Sequence[bool], chosen: dict[str, Any]
    ) -> _Compiled | None:
        try:
            hoisted = hoist_constants(program.jaxpr)
        except Exception as error:  # an optimisation must never break the user's call
            warn_failed(f"hoisting the constants of {traced.fun_name}", error)
            return None
        if hoisted is None:
            return None
        count = len(hoisted.arrays)
        places = [count + i for i, flag in enumerate(donated) if flag]
        body = _body(hoisted, jax_compat.traced_out_tree(traced), traced.fun_name)
        options: dict[str, Any] = dict(self._options)
        if chosen:
            options["compiler_options"] = chosen
        return _Compiled(jax.jit(body, donate_argnums=places, **options), hoisted.arrays)

    def _answering(self, made: _Compiled) -> Callable[..., Any]:
        def answer(*args: Any, **kwargs: Any) -> Any:
            leaves = jax_compat.traced_arguments(self._plain, args, kwargs)
            return jax_compat.answer_with_hidden(made.run, made.arrays, leaves)

        return answer


def _body(hoisted: Hoisted, out_tree: Any, name: str) -> Callable[..., Any]:
    """What jit traces: the program on the arrays and the leaves of a call."""
    count = len(hoisted.arrays)

    def body(*values: Any) -> Any:
        inputs = [values[place] for place in hoisted.places]
        results = jax_compat.splice(hoisted.jaxpr, [*inputs, *values[count:]])
        return jax.tree.unflatten(out_tree, results)

    body.__name__ = body.__qualname__ = name
    return body


def _on_one_device(values: Sequence[Any]) -> bool:
    """Whether all arrays are on the same device, under no mesh."""
    shardings = {value.sharding for value in values if isinstance(value, jax.Array)}
    devices = {device for sharding in shardings for device in sharding.device_set}
    return len(devices) == 1 and jax.sharding.get_abstract_mesh().empty
