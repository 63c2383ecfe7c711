"""The decorator: ``jax.jit`` with a graph in the middle.

The object that ``function`` returns is a jit callable of JAX's own. Tracing the user's function,
importing, optimising and exporting happen inside the function that jit traces, so they run when jit
has no compiled answer for a signature and never otherwise.
"""

# JAX annotates its functions in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Final, ParamSpec, Protocol, TypeVar, Unpack, overload

from compiler.ir.graph import Graph
from compiler.lowering import jax_compat
from compiler.rewrite.numerics import Numerics
from tracegraph.boundary import boundary
from tracegraph.capture import Capture
from tracegraph.costs.devices import DeviceSpec
from tracegraph.costs.report import CostReport
from tracegraph.dispatch import Dispatcher
from tracegraph.doors import Doors
from tracegraph.executable.report import KernelReport
from tracegraph.explanation import Explanation
from tracegraph.options import Options, kept, naming_misspelt, settings_of, signature
from tracegraph.profiling.report import ProfileReport
from tracegraph.report import Report
from tracegraph.retraces.history import Retraces
from tracegraph.signatures.table import Signatures
from tracegraph.specializer import Specializer
from tracegraph.trace import Trace
from tracegraph.verification import Verification
from tracegraph.warm.cache import CacheInfo

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)

jax_compat.hide_frames(__file__)


class Function(Protocol[P, R_co]):
    """A decorated function: called like the plain one, optimised and compiled per signature.

    The object behind this protocol is a ``jax.jit`` callable and has all its methods.
    """

    __wrapped__: Callable[..., Any]

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Runs the function: traced once per signature, optimised, compiled by jax.jit.

        Raises:
            CheckError: the function was decorated with ``check=``, and an op went bad.
        """
        ...

    def graph(self, *args: P.args, **kwargs: P.kwargs) -> Graph:
        """The optimised graph for these arguments; ``print`` shows it as text."""
        ...

    def trace(self, *args: P.args, **kwargs: P.kwargs) -> Trace:
        """The function traced and optimised for these arguments, the graph after each pass."""
        ...

    def lower(self, *args: P.args, **kwargs: P.kwargs) -> Any:
        """The optimised function lowered for these arguments, as ``jax.jit(f).lower``."""
        ...

    def eval_shape(self, *args: P.args, **kwargs: P.kwargs) -> Any:
        """Shapes and dtypes of the results for these arguments; nothing is optimised or run."""
        ...

    def verify(
        self,
        *args: Any,
        seeds: int = 2,
        edge_values: bool = False,
        numerics: str | Numerics | None = None,
        **kwargs: Any,
    ) -> Verification:
        """Audits the optimised function on these arguments and on others near them.

        An argument of the function's own by one of the names below has to be passed by position.

        Args:
            *args: the function's arguments; none of them is donated or changed.
            seeds: how many times the floating-point arguments are moved, by a few units in the last
                place and by up to one percent each.
            edge_values: whether to put nans, infinities and negative zeros into them as well.
            numerics: what the rewrites may do to the numbers; None for what the rules that fired
                may do: without such rules every bit must be the same.
            **kwargs: the function's keyword arguments.

        Returns:
            A row per output, and the first rewrite that broke it if one did.

        Raises:
            TracegraphError: an argument is no value, or the function has side effects that somebody
                would see again.
        """
        ...

    def explain(self, *args: P.args, **kwargs: P.kwargs) -> Explanation:
        """What fired for these arguments, what it was worth, and what a freer level would add."""
        ...

    def cost(
        self,
        *args: Any,
        device: str | DeviceSpec | None = None,
        xla: bool = True,
        **kwargs: Any,
    ) -> CostReport:
        """What one run costs for these arguments, by op, line and module; nothing is run.

        An argument of the function's own by one of the names below has to be passed by position.

        Args:
            *args: the function's arguments.
            device: for the least times: ``"cpu"`` for this machine, a name such as ``"TPU v5e"`` or
                ``"H100"``, or a ``DeviceSpec``; None for none.
            xla: whether to compile the function and put XLA's own figures beside.
            **kwargs: the function's keyword arguments.

        Raises:
            TracegraphError: there is no device of that name.
        """
        ...

    def kernels(self, *args: P.args, **kwargs: P.kwargs) -> KernelReport:
        """What XLA made of it for these arguments: each kernel, with its ops and lines."""
        ...

    def profile(self, *args: Any, calls: int = 10, **kwargs: Any) -> ProfileReport:
        """Runs it under JAX's profiler: measured time on kernels, ops and lines.

        Args:
            *args: the function's arguments; those it donates are copied for each call.
            calls: how many calls to measure. An argument of the function's own by this name has to
                be passed by position.
            **kwargs: the function's keyword arguments.

        Raises:
            TracegraphError: another profile is running, or ``calls`` is less than one.
        """
        ...

    def report(
        self,
        *args: Any,
        profile: bool = False,
        device: str | DeviceSpec | None = None,
        **kwargs: Any,
    ) -> Report:
        """An interactive report for these arguments: one HTML page, shown or saved.

        The optimised function is compiled for it, and not run. A function that fails to trace has a
        report too: of the error, its line, and what was traced before it. An argument of the
        function's own by one of the names below has to be passed by position.

        Args:
            *args: the function's arguments.
            profile: whether to run the function as ``profile`` does, and show the measured time of
                ops, lines and kernels.
            device: for the least times of ops and lines, as ``cost`` takes it; None for none.
            **kwargs: the function's keyword arguments.

        Raises:
            TracegraphError: there is no device of that name, or nothing can be measured.
        """
        ...

    def signatures(self) -> Signatures:
        """What is compiled and alive: a row per form of call, with its static values and bucket."""
        ...

    def retraces(self) -> Retraces:
        """Every trace and compilation so far, each with its cause, call site and milliseconds."""
        ...

    def cache_info(self) -> CacheInfo:
        """What the cache on disk did for this function, and what it declined."""
        ...

    def clear_cache(self) -> None:
        """Forgets every signature."""
        ...


_UNSAID: Final = object()
"""The function where the decorator is written with options: None would be a mistake."""


@overload
def function(fun: Callable[P, R], /, **options: Unpack[Options]) -> Function[P, R]: ...
@overload
def function(**options: Unpack[Options]) -> Callable[[Callable[P, R]], Function[P, R]]: ...
@boundary
def function(fun: Any = _UNSAID, /, **options: Any) -> Any:
    """A drop-in for ``jax.jit`` that captures the function as a graph and optimises it.

    Args:
        fun: the function; left out when the decorator is written with options.
        passes: the pipeline to run, as text (``"inline,cse,dce"``) or as a ``Pipeline``; None for
            the default one, the empty text for none.
        rules: rules of the user's own, proved and then tried before all others; see
            ``tracegraph.rules``.
        numerics: what the rewrites may do to the numbers: ``"exact"``, ``"rounding"`` (what a
            pipeline without a word about it does), ``"reassociate"`` or ``"fast"``. It wins over
            what the pipeline's text says; None leaves that as it is.
        autotune: whether to choose by measurement, at the first call of each signature and on its
            own arguments, between forms that the cost model cannot tell apart: kernels, rules,
            unroll factors and some options of XLA's. True takes at most about 30 seconds; an
            ``Autotune`` says otherwise. The choice is kept on disk for later processes
            (``TRACEGRAPH_CACHE_DIR``). A function with side effects is not tuned.
        roll_layers: whether equal layers that a Python loop wrote out become one ``scan``, which
            XLA compiles once. The layers' parameters are stacked by a copy at every call;
            ``explain`` says beforehand what it would do. Without it layers are rolled only where
            ``max_compile_seconds`` would probably be broken.
        donate_replaced: whether arguments are given away for which a part of the result has the
            same tree, shapes and element types, as a training step's parameters. They are gone
            after the call; ``explain`` says which.
        max_traces: how often the function may be traced before a ``BudgetError``.
        max_ops: how many operations its optimized graph may have, bodies included.
        max_compile_seconds: how many seconds XLA may take for a signature.
        max_peak_bytes: how many bytes may be alive at once in its graph, as if nothing were fused.
        autograph: whether ``if``, ``while`` and ``for`` on traced values become JAX's control
            flow; see ``tracegraph.autograph``. It needs ``pip install "tracegraph[autograph]"``.
        input_signature: what the arguments must be: a ``Spec``, a pytree of them or None for each
            positional one, or a dict by name, or ``"annotations"`` to read jaxtyping's. Sizes that
            may vary are traced once for all.
        buckets: the sizes to compile for, by name. Smaller calls are padded, and their results cut
            back, if it is proved that the function does not mix rows.
        static_nonarrays: whether leaves that are no arrays (strings, enums, functions, Python's
            numbers) are part of the signature instead of its data.
        check: what to look for in every op while the function runs: ``"nan"``, ``"inf"``,
            ``"index"`` (out of bounds), ``"div"`` (by zero), or several. For debugging: it costs
            time at every call, nothing is donated, and under somebody else's trace nobody looks.
        cache: whether to keep compiled programs on disk, so that a later process reaches its
            first result without running Python here: True, ``"verify"`` to trace all the same and
            compare, or a ``Cache``. None for yes if TRACEGRAPH_CACHE_DIR is set. What cannot be
            fingerprinted is not kept; ``cache_info`` says why.
        **options: by name, any of the above, and every keyword of the installed ``jax.jit``, with
            the same meaning.

    Returns:
        The function, to be called as before; see ``Function`` for what else it can do.

    Raises:
        TypeError: ``fun`` is not callable, or ``jax.jit`` does not know an option.
        TracegraphError: the pipeline's text does not parse, there is no such level, a rule does not
            keep its word, the function cannot be converted, or an option means nothing.
    """
    if fun is _UNSAID:
        return functools.partial(function, **kept(options))
    with naming_misspelt(options):
        specializer = Specializer(Capture(fun, settings_of(options)))
    return Doors(specializer, Dispatcher(specializer)).open()


function.__signature__ = signature()  # pyright: ignore[reportFunctionMemberAccess]
