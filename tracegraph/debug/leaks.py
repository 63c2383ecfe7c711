"""Values that escaped from a trace: which line made them, and what still holds them."""

# jax annotates its functions in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import functools
import gc
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, ParamSpec, TypeVar, cast

import jax

from compiler.ir.errors import TracegraphError
from compiler.ir.locations import UNKNOWN, Location
from compiler.lowering import jax_compat
from compiler.lowering.import_locations import LocationReader
from tracegraph.boundary import boundary
from tracegraph.debug.reach import getattr_or_none, reachable
from tracegraph.debug.target import target_of

P = ParamSpec("P")
R = TypeVar("R")

jax_compat.hide_frames(__file__)

_CREATED: Final = re.compile(r"value was created on line ([^\n]+?)\. *$", re.MULTILINE)
_HINT: Final = (
    "return the value instead of storing it in a global, an attribute or a list of the outside; "
    "tg.debug.check_leaks(step, *args) names such a line before the value is used"
)


@dataclass(frozen=True, slots=True)
class Leak:
    """A value that outlived its trace.

    Attributes:
        type: its shape and element type.
        location: the user's line that made it.
        holder: the words for what still holds it, such as ``cache['h']``; empty if not found.
    """

    type: str
    location: Location
    holder: str

    def __str__(self) -> str:
        held = f", held by {self.holder}" if self.holder else ""
        return f"{self.type} made at {self.location}{held}"


def explain_leaks(function: Callable[..., Any], call: Callable[P, R], /) -> Callable[P, R]:
    """The call, whose ``UnexpectedTracerError`` also says where the value escaped.

    The error stays JAX's own; it gets a note.

    Args:
        function: the user's function, where to look for what holds the value.
        call: what may raise.
    """

    @functools.wraps(call)
    def explained(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return call(*args, **kwargs)
        except jax.errors.UnexpectedTracerError as error:
            _annotate(error, function)
            raise

    return explained


def _annotate(error: BaseException, function: Callable[..., Any]) -> None:
    """Adds the note, once: a function of ours may have called another."""
    if any("the value escaped" in note for note in getattr(error, "__notes__", ())):
        return
    leaks = _leaks(jax_compat.tracers_in(error), function)
    where = "\n  ".join(map(str, leaks)) or _from_message(error)
    if where:
        error.add_note(f"tracegraph: the value escaped from its trace\n  {where}\n  {_HINT}")


def _from_message(error: BaseException) -> str:
    found = _CREATED.search(str(error))
    return f"it was made at {found[1]}" if found else ""


@boundary
def check_leaks(step: Callable[..., Any], /, *args: Any, **kwargs: Any) -> None:
    """Traces a function anew and sees to it that no value of the trace outlives it.

    What the function calls under ``jax.jit`` and has called before is in JAX's cache and not traced
    anew: ``jax.clear_caches()`` changes that.

    Args:
        step: a decorated function, or any other.
        *args: the function's arguments; nothing is run.
        **kwargs: its keyword arguments.

    Raises:
        TracegraphError: a value is still held by something outside; the error names the line that
            made it and, where that can be found, what holds it.
    """
    target = target_of(step)

    @functools.wraps(target.fun)
    def fresh(*args: Any, **kwargs: Any) -> Any:
        return target.fun(*args, **kwargs)

    try:
        with jax.checking_leaks():
            jax.jit(fresh, **target.options).trace(*args, **kwargs)
    except Exception as error:
        leaks = _leaks(jax_compat.tracers_in(error), target.fun)
        if not leaks or isinstance(
            error, jax.errors.JAXTypeError | jax.errors.UnexpectedTracerError
        ):
            raise
        raise _leaked(getattr(target.fun, "__name__", "the function"), leaks) from None


def _leaked(name: str, leaks: Sequence[Leak]) -> TracegraphError:
    return TracegraphError(
        f"{name} lets {'a value' if len(leaks) == 1 else f'{len(leaks)} values'} escape from its "
        "trace",
        where="\n".join(str(leak.location) for leak in leaks),
        expected="values that leave the function by its return alone",
        found="\n".join(map(str, leaks)),
        hint="return the value instead of storing it in a global, an attribute or a list of the "
        "outside",
    )


def _leaks(tracers: Sequence[Any], function: Callable[..., Any]) -> list[Leak]:
    """What is known of each tracer; those whose holder is found, if there are any."""
    words = {id(value): name for name, value in reachable(function)} if tracers else {}
    reader = LocationReader()
    found: dict[tuple[Location, str], Leak] = {}
    for tracer in tracers:
        source = jax_compat.tracer_source(tracer)
        location = UNKNOWN if source is None else reader.read(source)
        holder = words.get(id(tracer)) or _holder(tracer)
        found.setdefault((location, holder), Leak(jax_compat.tracer_type(tracer), location, holder))
    return [leak for leak in found.values() if leak.holder] or list(found.values())


def _holder(value: object) -> str:
    """The words for a global or an attribute that holds a value, itself or in a container."""
    for referrer in gc.get_referrers(value):
        if isinstance(referrer, dict):
            name = _in_dict(cast(dict[object, object], referrer), value)
        elif isinstance(referrer, list):
            name = _in_list(cast(list[object], referrer), value)
        else:
            name = _in_object(referrer, value)
        if name:
            return name
    return ""


def _in_dict(found: dict[object, object], value: object) -> str:
    key = next((key for key, item in list(found.items()) if item is value), None)
    owner = _owner(found)
    if owner:
        return f"{owner}.{key}"
    name = _global(found)
    return f"{name}[{key!r}]" if name else ""


def _in_list(found: list[object], value: object) -> str:
    place = next((i for i, item in enumerate(found) if item is value), None)
    name = _global(found) or _attribute(found)
    return f"{name}[{place}]" if name else ""


def _in_object(found: object, value: object) -> str:
    """The attribute of an instance, which Python may keep without a dictionary."""
    if type(found).__module__.partition(".")[0] in ("jax", "jaxlib", "builtins", "tracegraph"):
        return ""
    entries = getattr_or_none(found, "__dict__")
    items = cast(dict[str, object], entries).items() if isinstance(entries, dict) else ()
    key = next((key for key, item in items if item is value), None)
    return f"the attribute {key} of a {type(found).__name__}" if key else ""


def _attribute(container: object) -> str:
    names = (
        _in_object(one, container)
        for one in gc.get_referrers(container)
        if not isinstance(one, dict | list)
    )
    return next((name for name in names if name), "")


def _owner(entries: dict[object, object]) -> str:
    """The module whose globals a dictionary is."""
    return next((name for name, found in _users_globals() if found is entries), "")


def _global(value: object) -> str:
    """The module and name of a global variable."""
    for owner, entries in _users_globals():
        key = next((key for key, item in list(entries.items()) if item is value), None)
        if key is not None:
            return f"{owner}.{key}"
    return ""


def _users_globals() -> Iterator[tuple[str, dict[str, object]]]:
    """The globals of every module but JAX's and tracegraph's, by name."""
    for name, module in list(sys.modules.items()):
        entries = getattr_or_none(module, "__dict__")
        if isinstance(entries, dict) and not name.startswith(("jax", "tracegraph")):
            yield name, cast(dict[str, object], entries)
