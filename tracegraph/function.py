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
from collections.abc import Callable, Sequence
from typing import Any, ParamSpec, Protocol, TypeVar, overload

from compiler.ir.errors import TracegraphError
from compiler.ir.graph import Graph
from compiler.lowering import jax_compat
from compiler.passes.configure import configured
from compiler.passes.pipeline import DEFAULT_PIPELINE, Pipeline, parse_pipeline
from compiler.rewrite.numerics import Numerics
from tracegraph.boundary import boundary
from tracegraph.explanation import Explanation
from tracegraph.report import Report
from tracegraph.retraces.budgets import Budgets
from tracegraph.retraces.history import Retraces
from tracegraph.rules import Rule, verify_all
from tracegraph.specializer import Specializer
from tracegraph.trace import Trace
from tracegraph.tuner import Autotune
from tracegraph.verification import Verification

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
        """Runs the function: traced once per signature, optimised, compiled by jax.jit."""
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
        numerics: str | None = None,
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

    def report(self, *args: P.args, **kwargs: P.kwargs) -> Report:
        """An interactive report for these arguments: one HTML page, shown or saved.

        The optimised function is compiled for it, and not run. A function that fails to trace has a
        report too: of the error, its line, and what was traced before it.
        """
        ...

    def retraces(self) -> Retraces:
        """Every trace and compilation so far, each with its cause, call site and milliseconds."""
        ...

    def clear_cache(self) -> None:
        """Forgets every signature."""
        ...


@overload
def function(
    fun: Callable[P, R],
    /,
    *,
    passes: str | Pipeline | None = None,
    rules: Sequence[Rule] = (),
    numerics: str | Numerics | None = None,
    autotune: bool | Autotune = False,
    max_traces: int | None = None,
    max_ops: int | None = None,
    max_compile_seconds: float | None = None,
    max_peak_bytes: int | None = None,
    **jit_options: Any,
) -> Function[P, R]: ...
@overload
def function(
    *,
    passes: str | Pipeline | None = None,
    rules: Sequence[Rule] = (),
    numerics: str | Numerics | None = None,
    autotune: bool | Autotune = False,
    max_traces: int | None = None,
    max_ops: int | None = None,
    max_compile_seconds: float | None = None,
    max_peak_bytes: int | None = None,
    **jit_options: Any,
) -> Callable[[Callable[P, R]], Function[P, R]]: ...
@boundary
def function(
    fun: Any = None,
    /,
    *,
    passes: str | Pipeline | None = None,
    rules: Sequence[Rule] = (),
    numerics: str | Numerics | None = None,
    autotune: bool | Autotune = False,
    max_traces: int | None = None,
    max_ops: int | None = None,
    max_compile_seconds: float | None = None,
    max_peak_bytes: int | None = None,
    **jit_options: Any,
) -> Any:
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
            own arguments, between forms that the cost model cannot tell apart: kernels, rules and
            unroll factors. True takes at most about 30 seconds; an ``Autotune`` says otherwise.
            The choice is kept on disk for later processes (``TRACEGRAPH_CACHE_DIR``). A function
            with side effects is not tuned.
        max_traces: how often the function may be traced before a ``BudgetError``.
        max_ops: how many operations its optimized graph may have, bodies included.
        max_compile_seconds: how many seconds XLA may take for a signature.
        max_peak_bytes: how many bytes may be alive at once in its graph, as if nothing were fused.
        **jit_options: every keyword of the installed ``jax.jit``, with the same meaning.

    Returns:
        The function, to be called as before; see ``Function`` for what else it can do.

    Raises:
        TypeError: ``fun`` is not callable, or ``jax.jit`` does not know an option.
        TracegraphError: the pipeline's text does not parse, there is no such level, a rule does not
            keep its word, or ``autotune`` is no setting.
    """
    if fun is None:
        kept = rules if isinstance(rules, Rule) else tuple(rules)  # a generator is read once
        return functools.partial(
            function,
            passes=passes,
            rules=kept,
            numerics=numerics,
            autotune=autotune,
            max_traces=max_traces,
            max_ops=max_ops,
            max_compile_seconds=max_compile_seconds,
            max_peak_bytes=max_peak_bytes,
            **jit_options,
        )
    text = DEFAULT_PIPELINE if passes is None else passes
    pipeline = text if isinstance(text, Pipeline) else parse_pipeline(text)
    if rules or numerics is not None:
        pipeline = configured(pipeline, numerics=numerics, rules=verify_all(rules))
    budgets = Budgets(max_traces, max_ops, max_compile_seconds, max_peak_bytes)
    return Specializer(fun, pipeline, jit_options, _settings(autotune), budgets).callable()


def _settings(autotune: object) -> Autotune | None:
    """How to tune, from what the user wrote."""
    if isinstance(autotune, bool):
        return Autotune() if autotune else None
    if isinstance(autotune, Autotune):
        return autotune
    raise TracegraphError(
        "a function cannot be tuned so",
        expected="autotune=True, or autotune=tg.Autotune(seconds=30)",
        found=repr(autotune),
        hint="leave autotune out to choose by the tables and the cost model",
    )
