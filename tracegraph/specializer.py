"""What stands behind one decorated function: its jit callables and the programs made so far.

Tracing the user's function, importing, optimising and exporting happen inside the functions that
jit traces, so they run when jit has no compiled answer for a signature and never otherwise.
"""

# JAX annotates its functions in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import jax

from compiler.lowering import jax_compat
from compiler.lowering.code_generator import Option
from compiler.lowering.heaps import IN_BLOCKS, keep_freed_memory
from tracegraph.bodies import calling
from tracegraph.capture import Capture
from tracegraph.debug.target import Target
from tracegraph.deprecated import said_before
from tracegraph.donation import Donation
from tracegraph.hoisted import HoistedPrograms
from tracegraph.program import OptimizationWarning, Program, warn_failed
from tracegraph.signatures.table import Signatures
from tracegraph.state.captured import warn_frozen
from tracegraph.trace import Trace
from tracegraph.tuner import Tuned, tune
from tracegraph.tuning import Choice

jax_compat.hide_frames(__file__)

_PLACING: Final = frozenset({"in_shardings", "out_shardings", "device", "backend"})
"""Options of jit's by which a program may be for something else than the CPU of this process."""


class Specializer:
    """What stands behind one decorated function: three jit callables and the programs made so far.

    ``plain`` is the user's function under jit, and does the one trace of the user's Python for all.
    ``full`` runs the optimised graph at the top level. ``transparent`` runs whenever somebody
    outside traces, differentiates or batches: only rewrites that they see through are made there,
    and where none fires it is the plain function's own jaxpr.

    Args:
        capture: the traces of the function; what it knows of the function is known here, too.
    """

    def __init__(self, capture: Capture) -> None:
        self._capture = capture
        self.user, self.is_inner = capture.user, capture.is_inner
        self.fun, self.plain = capture.fun, capture.plain
        self.settings, self.front = capture.settings, capture.front
        self.programs, self.recorder = capture.programs, capture.recorder
        jit = self.settings.jit
        with said_before(jit):  # said once, for ``plain``
            self.full: Any = jax.jit(capture.bodies.optimized, **jit)
            self.transparent: Any = jax.jit(capture.bodies.transparent, **jit)
        self._hoisted = HoistedPrograms(self.plain, jit)
        self._others: dict[tuple[Any, ...], Any] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled by what it was made from: JAX's own copies of ``plain`` cannot trace."""
        return Specializer, (self._capture,)

    @property
    def _compiler_options(self) -> dict[str, Any]:
        """What the user says to XLA."""
        return self.settings.jit.get("compiler_options") or {}

    @property
    def effects(self) -> bool:
        """Whether a trace so far had side effects."""
        return self._capture.effects

    def repeated(self, args: Any, kwargs: Any) -> Any:
        """The trace of a call that is a miss only as each of a program with side effects is.

        None for any other call: its program is new, or C++ would answer it.
        """
        if not self.effects:
            return None
        traced = self.captured(args, kwargs)
        is_so = bool(traced.jaxpr.effects) and self.recorder.has_compiled(traced)
        return traced if is_so else None

    def captured(self, args: Any, kwargs: Any) -> Any:
        """The trace of the user's Python, from jit's cache where it is there already."""
        return self._capture.captured(args, kwargs)

    def prepared(self, args: Any, kwargs: Any) -> Any:
        """The trace of a call, with all that has to be done before it is compiled."""
        traced = self.captured(args, kwargs)
        warn_frozen(jax_compat.jaxpr_constants(traced), traced.fun_name)
        self._tune(traced, args, kwargs)
        self.recorder.check(traced, self.programs.of)
        return traced

    def program(self, args: Any, kwargs: Any) -> Program | None:
        """The optimised program of a call; None where there can be none."""
        return self.programs.of(self.captured(args, kwargs))

    def answering(self, traced: Any, args: Any, kwargs: Any) -> Callable[..., Any] | None:
        """What answers a miss of this trace; None for the callable's own way.

        Programs with large captured arrays, and those that take over arguments, have others.
        """
        program, donated = self.programs.of(traced), self._capture.donations.flags(traced)
        told = self.told(traced, args, kwargs)
        if IN_BLOCKS in told:
            keep_freed_memory()
        chosen = {**dict(told), **self._compiler_options} if told else {}
        hoisted = self._hoisted.answer(traced, program, donated, chosen, args, kwargs)
        if hoisted is not None:
            return hoisted
        jitted = self.optimized(traced, told)
        return None if jitted is self.full else jax_compat.answering(jitted)

    def told(
        self, traced: Any, args: Any, kwargs: Any, *, kept: bool = False
    ) -> tuple[Option, ...]:
        """What XLA is told of a program beyond what the user says to it.

        Args:
            traced: the trace of the call.
            args: the arguments by position.
            kwargs: the arguments by name.
            kept: whether somebody may save what is compiled; XLA saves no program that computes in
                blocks of memory.
        """
        tuned, program = self.programs.tuned(traced), self.programs.of(traced)
        options: tuple[Option, ...] = ()
        if program is not None and not kept and not jax_compat.keeps_executables():
            options = program.heap_options
        if program is not None and tuned is None:
            options = (*options, *program.code_options)
        if options and not self._is_for_the_cpu(args, kwargs):
            options = ()
        if tuned is not None:
            options = (*options, *tuned.choice.options)
        return tuple(one for one in options if one[0] not in self._compiler_options)

    def _is_for_the_cpu(self, args: Any, kwargs: Any) -> bool:
        """Whether a call's arguments and options are for one device, the CPU of this process."""
        if self.settings.jit.keys() & _PLACING:
            return False
        return are_on_the_cpu(jax_compat.traced_arguments(self.plain, args, kwargs))

    def optimized(self, traced: Any, chosen: tuple[Option, ...]) -> Any:
        """The jit callable that runs the optimised graph of a trace, and takes what it replaces."""
        donation = self._capture.donations.of(traced)
        keeps = self._takes_unread(traced)
        key = (donation.positions, donation.names, chosen, keeps)
        if not any(key):
            return self.full
        if key not in self._others:
            options = self._jit_options(donation, chosen, keeps=keeps)
            self._others[key] = jax.jit(self._capture.bodies.optimized, **options)
        return self._others[key]

    def apart(self, args: Any, kwargs: Any) -> Any:
        """A jit callable of its own for the program that a call runs.

        What it compiles is in no cache that a call asks, so the call's own first time comes still.
        """
        traced = self.captured(args, kwargs)
        self._tune(traced, args, kwargs)
        donation, told = self._capture.donations.of(traced), self.told(traced, args, kwargs)
        keeps = self._takes_unread(traced)
        key = ("apart", donation.positions, donation.names, told, keeps)
        if key not in self._others:
            options = self._jit_options(donation, told, keeps=keeps)
            self._others[key] = jax.jit(self._capture.body(), **options)
        return self._others[key]

    def _takes_unread(self, traced: Any) -> bool:
        """Whether an input is given away that the function reads and its optimised form does not.

        jit takes only what is read, so it would leave the caller such an array.
        """
        flags, program = self._capture.donations.flags(traced), self.programs.of(traced)
        if program is None or not any(flags):
            return False
        after = jax_compat.read_inputs(program.jaxpr)
        lost = [given and not read for given, read in zip(flags, after, strict=True)]
        if not any(lost):
            return False
        before = jax_compat.read_inputs(jax_compat.low_jaxpr(traced))
        return any(gone and read for gone, read in zip(lost, before, strict=True))

    def _jit_options(
        self, donation: Donation, chosen: tuple[Option, ...], *, keeps: bool
    ) -> dict[str, Any]:
        changed: dict[str, Any] = {
            "keep_unused": keeps,
            "donate_argnums": donation.positions,
            "donate_argnames": donation.names,
            "compiler_options": {**dict(chosen), **self._compiler_options} if chosen else None,
        }
        return {**self.settings.jit, **{k: v for k, v in changed.items() if v}}

    def donation(self, args: Any, kwargs: Any) -> Donation:
        """What a call gives away because the function replaces it."""
        return self._capture.donations.of(self.captured(args, kwargs))

    def trace(self, args: Any, kwargs: Any) -> Trace:
        """See ``Function.trace``."""
        traced = self.captured(args, kwargs)
        told = self.told(traced, args, kwargs, kept=True)
        trace = jax_compat.method(self.optimized(traced, told), "trace")
        seen_through = jax_compat.method(self.transparent, "trace")
        return Trace(
            self.run(trace, args, kwargs),
            self.programs.of(traced),
            differentiable=lambda: self.run(seen_through, args, kwargs).jaxpr,
        )

    def run(self, run: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Runs a jit callable of ours on a call.

        With ``jax_explain_cache_misses`` JAX tells of every trace why it was made. There is one of
        the user's function to tell of, and not another of what was made of it.
        """
        with calling(self._capture):
            if not getattr(jax.config, "jax_explain_cache_misses"):  # noqa: B009 - not in its types
                return run(*args, **kwargs)
            self.captured(args, kwargs)
            with jax.explain_cache_misses(False):
                return run(*args, **kwargs)

    def signatures(self) -> Signatures:
        """See ``Function.signatures``."""
        return self._capture.signatures()

    def debug_target(self) -> Target:
        """What ``tracegraph.debug`` knows the function by."""
        return Target(self.fun, self.plain, self.settings.jit, self._capture.captured)

    def clear_cache(self) -> None:
        """Forgets every signature."""
        for jitted in (self.full, self.transparent, *self._others.values()):
            jax_compat.method(jitted, "clear_cache")()
        self._hoisted.clear()
        self._capture.clear_cache()

    def _tune(self, traced: Any, args: Any, kwargs: Any) -> None:
        """Chooses by measurement, once for each signature; if it fails, the tables choose."""
        settings = self.settings.autotune
        known = self.programs.tuned(traced) is not None
        if settings is None or known or traced.jaxpr.effects:
            return
        if jax_compat.low_jaxpr(traced) is None:
            return
        leaves = jax_compat.traced_arguments(self.plain, args, kwargs)
        flat = [*jax_compat.traced_consts(traced), *leaves]
        try:
            here = self._is_for_the_cpu(args, kwargs) and not jax_compat.keeps_executables()
            said = self._compiler_options
            tuned = tune(traced, self.settings.pipeline, flat, settings, said, in_blocks=here)
        except OptimizationWarning:  # somebody has made warnings errors
            raise
        except Exception as error:  # an optimisation must never break the user's call
            warn_failed(f"tuning {traced.fun_name}", error)
            tuned = Tuned(Choice())
        if self.programs.choose(traced, tuned):
            jax_compat.method(self.full, "clear_cache")()  # it was traced before it was tuned


def are_on_the_cpu(leaves: Sequence[Any]) -> bool:
    """Whether a program of these arguments is for one device, the CPU of this process."""
    if jax.default_backend() != "cpu" or not jax.sharding.get_abstract_mesh().empty:
        return False
    shardings = [s for s in (getattr(leaf, "sharding", None) for leaf in leaves) if s is not None]
    if any(isinstance(getattr(s, "mesh", None), jax.sharding.AbstractMesh) for s in shardings):
        return False  # of no devices yet
    devices = {device for sharding in shardings for device in sharding.device_set}
    return len(devices) <= 1 and all(device.platform == "cpu" for device in devices)
