"""The report of a function that fails to trace: the error, its line, and what came before it."""

# JAX annotates its functions in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import contextlib
import functools
import inspect
import traceback
from collections.abc import Callable
from types import CodeType
from typing import Any, Final

import jax

from compiler.ir.errors import TracegraphError
from compiler.ir.graph import Graph
from compiler.lowering import jax_compat
from compiler.lowering.import_jaxpr import import_jaxpr
from compiler.passes.pipeline import Pipeline
from tracegraph.report.content import Content, content_of
from tracegraph.report.document import Report
from tracegraph.report.sources import Sources
from tracegraph.report.subject import graph_subject
from tracegraph.userlines import is_own_file

jax_compat.hide_frames(__file__)

NO_PASSES: Final = Pipeline(())
_UNTIL_THEN: Final = "The graph holds what was traced before the error."
_NOTHING_KNOWN: Final = "Of the operations traced until then nothing is known."


def failed_report(
    fun: Callable[..., Any], options: dict[str, Any], args: Any, kwargs: Any, error: Exception
) -> Report:
    """The report of a call that raised while it was traced.

    Args:
        fun: the user's function.
        options: those of ``jax.jit``.
        args: the positional arguments of the call.
        kwargs: its keyword arguments.
        error: what it raised.
    """
    name = str(getattr(fun, "__name__", type(fun).__name__))
    graph = _graph_so_far(fun, options, args, kwargs, name)
    subject = graph_subject(graph or import_jaxpr(_empty(), name=name).freeze(), NO_PASSES)
    content = content_of(
        subject, compiled=_never, error=lambda sources: _error(fun, error, sources)
    )
    content["kernels_problem"] = "the function failed to trace, so XLA was never asked"
    content["notes"].append(_NOTHING_KNOWN if graph is None else _UNTIL_THEN)
    return Report(content, error)


def _never() -> str:
    return ""


def _empty() -> Any:
    return jax.make_jaxpr(lambda: ())()


def _graph_so_far(
    fun: Callable[..., Any], options: dict[str, Any], args: Any, kwargs: Any, name: str
) -> Graph | None:
    """What the function gives rise to until it raises, found by tracing it once more."""
    found: list[Graph] = []

    @functools.wraps(fun)
    def watched(*args: Any, **kwargs: Any) -> Any:
        try:
            return fun(*args, **kwargs)
        except Exception:
            with contextlib.suppress(Exception):  # the error of the user is the one to show
                jaxpr = jax_compat.traced_so_far()
                if jaxpr is not None:
                    found.append(import_jaxpr(jaxpr, name=name).freeze())
            raise

    with contextlib.suppress(Exception):  # it is known to raise
        jax_compat.method(jax.jit(watched, **options), "trace")(*args, **kwargs)
    return found[-1] if found else None


def _error(fun: Callable[..., Any], error: Exception, sources: Sources) -> Content:
    """The error in its four parts; those of JAX and of Python have what and where."""
    frames = _user_frames(error) or _definition(fun)
    lines = [(sources.add(file, line), line) for file, line, _ in frames]
    ours = isinstance(error, TracegraphError)
    where = f"{frames[0][0]}:{frames[0][1]}" if frames else ""
    return {
        "kind": type(error).__name__,
        "what": error.what if ours else str(error),
        "where": (error.where if ours else "") or where,
        "expected": error.expected if ours else "",
        "found": error.found if ours else "",
        "hint": error.hint if ours else "",
        "lines": lines,
        "functions": [function for _, _, function in frames],
    }


def _user_frames(error: BaseException) -> list[tuple[str, int, str]]:
    """The user's frames on the way to the error, the innermost first: file, line, function."""
    stack = traceback.extract_tb(error.__traceback__)
    frames = [frame for frame in reversed(stack) if not is_own_file(frame.filename)]
    return [(frame.filename, frame.lineno or 0, frame.name) for frame in frames]


def _definition(fun: Callable[..., Any]) -> list[tuple[str, int, str]]:
    """Where the function begins."""
    code = getattr(inspect.unwrap(fun), "__code__", None)
    if not isinstance(code, CodeType):
        return []
    return [(code.co_filename, code.co_firstlineno, code.co_name)]
