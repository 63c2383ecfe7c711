"""The way of calls whose compiled program may be on disk."""

# jax annotates its functions in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import hashlib
import threading
import warnings
from collections.abc import Callable, Hashable
from typing import Any

import jax
import numpy as np

from compiler.ir.printer import print_graph
from compiler.lowering import jax_compat
from tracegraph.program import Program
from tracegraph.userlines import user_level
from tracegraph.warm.cache import CacheWarning, FunctionCache, form_of
from tracegraph.warm.fingerprint import fingerprint

jax_compat.hide_frames(__file__)

Answer = Callable[..., Any]


class WarmRoute:
    """Where calls go whose program is kept on disk.

    Args:
        cache: the function's cache.
        jitted: the jit callable that knows which arguments are static.
        build: traces a call, and compiles it; the reason where its program cannot be kept.
        program_of_call: the optimised program of a call, traced anew.
    """

    def __init__(
        self,
        cache: FunctionCache,
        jitted: Any,
        build: Callable[[Any, Any], tuple[Any, Program | None] | str],
        program_of_call: Callable[[Any, Any], Program | None],
    ) -> None:
        self.cache = cache
        self._jitted, self._build, self._program_of_call = jitted, build, program_of_call
        self._answers: dict[Hashable, Answer] = {}
        self._lock = threading.RLock()

    def answer(self, args: Any, kwargs: Any) -> Any:
        """What to return for a miss; None if the call has to go the ordinary way."""
        if jax_compat.runs_op_by_op():
            return None
        try:
            form = form_of(self._jitted, args, kwargs)
        except TypeError:  # jit says so in its own words
            return None
        with self._lock:
            found = self._answers.get(form) or self._found(form, args, kwargs)
            if found is None:
                return None
            self._answers[form] = found
        positional, named = jax_compat.dynamic_arguments(self._jitted, args, kwargs)
        return found(*positional, **named)

    def clear_cache(self) -> None:
        """Forgets what is in memory; the entries on disk stay."""
        with self._lock:
            self._answers.clear()

    def _found(self, form: Hashable, args: Any, kwargs: Any) -> Answer | None:
        """The program of a form of call that is new to this process: from disk, or made."""
        key = self.cache.key(form)
        if key is None:
            return None
        return self._read(key, args, kwargs) or self._made(key, args, kwargs)

    def _read(self, key: str, args: Any, kwargs: Any) -> Answer | None:
        tree = jax.tree.structure(jax_compat.dynamic_arguments(self._jitted, args, kwargs))
        found = self.cache.read(key, tree)
        if found is None:
            return None
        compiled, digest = found
        if self.cache.settings.verify:
            now = graph_digest(self._program_of_call(args, kwargs))
            if now != digest:
                return self._drop(key)
        return jax_compat.answer_from(compiled)

    def _drop(self, key: str) -> None:
        """Forgets an entry that the function no longer gives, and says so."""
        self.cache.settings.store().drop(key)
        self.cache.hits -= 1
        warnings.warn(
            f"the cache entry of {jax_compat.function_name(self._jitted)} was made from another "
            "graph than the function has now: it depends on something that its fingerprint does "
            "not see. It was dropped, and the function compiled anew.",
            CacheWarning,
            stacklevel=user_level(),
        )

    def _made(self, key: str, args: Any, kwargs: Any) -> Answer | None:
        made = self._build(args, kwargs)
        if isinstance(made, str):
            self.cache.decline(made)
            return None
        compiled, program = made
        self.cache.write(key, compiled, graph_digest(program))
        return jax_compat.answer_from(compiled)


def graph_digest(program: Program | None) -> str:
    """What two traces of a function share if they compute the same."""
    if program is None:
        return ""
    digest = hashlib.sha256(print_graph(program.captured).encode())
    for info in program.captured.parameter_info:  # the text has the types of large ones alone
        if info.handle is not None:
            array = info.handle if isinstance(info.handle, jax.Array) else np.asarray(info.handle)
            digest.update(fingerprint(array).encode())
    return digest.hexdigest()
