"""The methods of a decorated function: what a user may ask of it beside calling it."""

# JAX annotates its functions in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, Concatenate, NamedTuple, ParamSpec, TypeVar

from compiler.ir.graph import Graph
from compiler.lowering import jax_compat
from compiler.rewrite.numerics import Numerics, parse_level
from tracegraph.boundary import boundary
from tracegraph.costs import report as costs
from tracegraph.costs.devices import DeviceSpec
from tracegraph.costs.report import CostReport
from tracegraph.debug.target import DEBUG_TARGET
from tracegraph.dispatch import Dispatcher
from tracegraph.executable import report as kernels
from tracegraph.executable.report import KernelReport
from tracegraph.explain import explain_program
from tracegraph.explanation import Explanation
from tracegraph.profiling import capture as profile
from tracegraph.profiling.report import ProfileReport
from tracegraph.report import Extras, Report, report_call
from tracegraph.retraces.history import Retraces
from tracegraph.runs import Call
from tracegraph.signatures.table import Signatures
from tracegraph.specializer import Specializer
from tracegraph.state.stateful import IsFunctional, StructureChanged
from tracegraph.trace import Trace
from tracegraph.verification import Verification
from tracegraph.verify import level_of, verify_call
from tracegraph.warm.cache import NO_CACHE, CacheInfo

P = ParamSpec("P")
R = TypeVar("R")

jax_compat.hide_frames(__file__)


class Asked(NamedTuple):
    """A call as that function takes it which is asked about it.

    Attributes:
        behind: what stands behind that function.
        args: the arguments by position.
        kwargs: the arguments by name.
        packed: whether nnx objects are packed in them.
    """

    behind: Specializer
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    packed: bool


def _asked_again(method: Callable[Concatenate[Any, P], R]) -> Callable[Concatenate[Any, P], R]:
    """The method, which asks once more if a trace shows that the call goes another way.

    That is so if the function changes the structure of nnx objects, or takes them as trees.
    """

    @functools.wraps(method)
    def asking(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return method(self, *args, **kwargs)
        except (StructureChanged, IsFunctional):
            return method(self, *args, **kwargs)

    return asking


class Doors:
    """The methods of one decorated function.

    Args:
        specializer: what stands behind it.
        dispatcher: the ways that its calls take.
    """

    def __init__(self, specializer: Specializer, dispatcher: Dispatcher) -> None:
        self._specializer = specializer
        self._dispatcher = dispatcher
        self._opened: weakref.ref[Any] | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled by what it was made from, as weak references cannot be."""
        return Doors, (self._specializer, self._dispatcher)

    @property
    def _user(self) -> Any:
        """The callable with its methods; a new one if the user holds nothing but a method of it."""
        alive = None if self._opened is None else self._opened()
        return self.open() if alive is None else alive

    def open(self) -> Any:
        """The callable that the user holds, with its attributes and methods."""
        user, plain = self._dispatcher.user, self._specializer.plain
        for name, value in vars(plain).items():
            is_jits_own = name.startswith("_") and not name.startswith("__") and name in vars(user)
            if not is_jits_own:
                vars(user)[name] = value  # not setattr: the type has a __signature__, too
        user.__wrapped__ = self._specializer.user
        names = ("graph", "trace", "lower", "verify", "explain", "eval_shape", "signatures")
        names += ("cost", "kernels", "profile", "report", "retraces", "cache_info", "clear_cache")
        methods = {name: boundary(getattr(self, name)) for name in names}
        methods[DEBUG_TARGET] = self._specializer.debug_target
        jax_compat.attach_methods(user, methods)
        self._opened = weakref.ref(user)
        return user

    @contextmanager
    def _asked(self, args: Any, kwargs: Any) -> Generator[Asked]:
        """The call in the form in which it is traced."""
        front, state = self._specializer.front, self._dispatcher.state
        if front is not None:
            args, kwargs = front.arguments(args, kwargs)
        concerned = None if state is None else state.concerned(args, kwargs)
        if state is None or concerned is None or state.is_functional:
            yield Asked(self._specializer, args, kwargs, packed=False)
            return
        with state.opened(args, kwargs, concerned) as prepared:
            yield Asked(state.specializer, prepared.args, prepared.kwargs, packed=True)

    def graph(self, /, *args: Any, **kwargs: Any) -> Graph:
        """See ``Function.graph``."""
        return self.trace(*args, **kwargs).optimized

    @_asked_again
    def trace(self, /, *args: Any, **kwargs: Any) -> Trace:
        """See ``Function.trace``."""
        with self._asked(args, kwargs) as asked:
            found = asked.behind.trace(asked.args, asked.kwargs)
        state = self._dispatcher.state
        return found.with_objects(state.serve) if asked.packed and state is not None else found

    def lower(self, /, *args: Any, **kwargs: Any) -> Any:
        """See ``Function.lower``."""
        return self.trace(*args, **kwargs).lower()

    @_asked_again
    def eval_shape(self, /, *args: Any, **kwargs: Any) -> Any:
        """See ``Function.eval_shape``."""
        with self._asked(args, kwargs) as asked:
            plain = jax_compat.method(asked.behind.plain, "eval_shape")
            found = plain(*asked.args, **asked.kwargs)
        return found[0] if asked.packed else found

    @_asked_again
    def verify(
        self,
        /,
        *args: Any,
        seeds: int = 2,
        edge_values: bool = False,
        numerics: str | Numerics | None = None,
        **kwargs: Any,
    ) -> Verification:
        """See ``Function.verify``."""
        with self._asked(args, kwargs) as asked:
            behind = asked.behind
            traced = behind.captured(asked.args, asked.kwargs)
            consts = jax_compat.traced_consts(traced)
            full = behind.apart(asked.args, asked.kwargs)
            call = Call(behind.plain, full, asked.args, asked.kwargs, consts)
            program = behind.trace(asked.args, asked.kwargs).program
            level = level_of(program) if numerics is None else parse_level(numerics)
            return verify_call(call, program, level, seeds=seeds, edges=edge_values)

    @_asked_again
    def explain(self, /, *args: Any, **kwargs: Any) -> Explanation:
        """See ``Function.explain``."""
        with self._asked(args, kwargs) as asked:
            behind = asked.behind
            traced = behind.captured(asked.args, asked.kwargs)
            tuned = behind.programs.tuned(traced)
            told = behind.told(traced, asked.args, asked.kwargs)
            program = behind.trace(asked.args, asked.kwargs).program
            donated = str(behind.donation(asked.args, asked.kwargs))
        pipeline = behind.settings.pipeline
        if tuned is None:
            return explain_program(program, pipeline, donated=donated, told=told)
        chosen = tuned.choice.applied(pipeline)
        others = [option for option in told if option not in tuned.choice.options]
        return explain_program(program, chosen, str(tuned), donated, others)

    def cost(self, /, *args: Any, **kwargs: Any) -> CostReport:
        """See ``Function.cost``."""
        return costs.of(self, *args, **kwargs)

    def kernels(self, /, *args: Any, **kwargs: Any) -> KernelReport:
        """See ``Function.kernels``."""
        return kernels.of(self, *args, **kwargs)

    def profile(self, /, *args: Any, **kwargs: Any) -> ProfileReport:
        """See ``Function.profile``."""
        return profile.of(self._user, *args, **kwargs)

    def report(
        self,
        /,
        *args: Any,
        profile: bool = False,
        device: str | DeviceSpec | None = None,
        **kwargs: Any,
    ) -> Report:
        """See ``Function.report``."""
        behind = self._specializer
        measure = functools.partial(self.profile, *args, **kwargs) if profile else None
        extras = Extras(device, measure)
        return report_call(self.trace, behind.fun, behind.settings.jit, args, kwargs, extras)

    def signatures(self) -> Signatures:
        """See ``Function.signatures``."""
        state = self._dispatcher.state
        rows = list(self._specializer.signatures())
        if state is not None and state.is_open:
            rows += state.specializer.signatures()
        return Signatures(rows)

    def retraces(self) -> Retraces:
        """See ``Function.retraces``."""
        return self._specializer.recorder.rows()

    def cache_info(self) -> CacheInfo:
        """See ``Function.cache_info``."""
        state = self._dispatcher.state
        inner = state.dispatcher.warm if state is not None and state.is_open else None
        warm = inner or self._dispatcher.warm
        return NO_CACHE if warm is None else warm.cache.info()

    def clear_cache(self) -> None:
        """See ``Function.clear_cache``."""
        self._specializer.clear_cache()
        self._dispatcher.clear_cache()
