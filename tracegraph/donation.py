"""Which arguments a function replaces by its own results, so that their memory may be theirs."""

# JAX annotates its functions in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import weakref
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import jax

from compiler.ir.errors import TracegraphError
from compiler.lowering import jax_compat


@dataclass(frozen=True, slots=True)
class Donation:
    """The arguments of one signature that are given away.

    Attributes:
        flags: for each input of the trace, whether it is.
        positions: the arguments that are, of those that were given by position.
        names: those that were given by name.
        reasons: for each argument what became of it, and why, in words.
    """

    flags: Sequence[bool] = ()
    positions: tuple[int, ...] = ()
    names: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "; ".join(self.reasons)


NO_DONATION: Final = Donation()


class Donations:
    """What was found for each trace of one function."""

    def __init__(self) -> None:
        self._found: weakref.WeakKeyDictionary[Any, Donation] = weakref.WeakKeyDictionary()

    def learn(self, jitted: Any, traced: Any, args: Any, kwargs: Any) -> None:
        """Looks for what a trace replaces, once."""
        if traced.jaxpr not in self._found:
            self._found[traced.jaxpr] = replaced_arguments(jitted, traced, args, kwargs)

    def of(self, traced: Any) -> Donation:
        """What was found for a trace; nothing where nobody looked."""
        return self._found.get(traced.jaxpr, NO_DONATION)

    def flags(self, traced: Any) -> Sequence[bool]:
        """Which inputs of a trace are given away, here or by the options of jit."""
        return self.of(traced).flags or jax_compat.donated_inputs(traced)


class _Part(NamedTuple):
    """An argument, or a part of the result.

    Attributes:
        place: its position or name; of a part of the result where it stands.
        kind: what two parts have in common that may take each other's memory.
        variables: its variables in the trace.
        is_array: whether it is one array and no tree.
    """

    place: Any
    kind: Hashable
    variables: tuple[Any, ...]
    is_array: bool


def replaced_arguments(jitted: Any, traced: Any, args: Any, kwargs: Any) -> Donation:
    """The arguments whose place a part of the result takes: of the same tree, shapes and dtypes.

    Where fewer parts fit than there are arguments of a kind, none of these is given away. A single
    array is only if no argument before it stays: what comes later is rather data than state.

    Args:
        jitted: the plain jit callable.
        traced: its trace of the call.
        args: the arguments by position.
        kwargs: the arguments by name.
    """
    parts = jax_compat.split_jaxpr(traced.jaxpr)
    skipped = len(jax_compat.traced_consts(traced))
    given = list(_arguments(jitted, args, kwargs, parts.invars[skipped:]))
    kinds = Counter(one.kind for one in given)
    fitting = _fitting(jax_compat.traced_out_tree(traced), parts.outvars, kinds)
    places: list[int | str] = []
    donated: set[Any] = set()
    reasons: list[str] = []
    stays = False
    for one in given:
        reason = _refusal(one, fitting[one.kind], kinds[one.kind], stays)
        if reason:
            reasons, stays = [*reasons, f"{_words(one.place)} stays: {reason}"], True
        if reason and not _is_returned(one, fitting[one.kind]):
            continue
        kinds[one.kind] -= 1
        new = fitting[one.kind].pop(0)
        if reason:
            continue
        reasons.append(f"{_words(one.place)} is given away to {new.place}")
        places.append(one.place)
        donated.update(one.variables)
    return Donation(
        tuple(var in donated for var in parts.invars),
        tuple(place for place in places if isinstance(place, int)),
        tuple(place for place in places if isinstance(place, str)),
        tuple(reasons),
    )


def _refusal(one: _Part, fitting: Sequence[_Part], rivals: int, stays: bool) -> str:
    """Why an argument is not given away; empty if it is."""
    if not fitting:
        return "no part of the result is like it"
    if len(fitting) < rivals:
        return f"{rivals} arguments are like {len(fitting)} of the results"
    if _is_returned(one, fitting):
        return "it is returned as it is"
    if one.is_array and stays:
        return "it is one array, behind an argument that stays"
    return ""


def _is_returned(one: _Part, fitting: Sequence[_Part]) -> bool:
    return bool(fitting) and one.variables == fitting[0].variables


def _arguments(jitted: Any, args: Any, kwargs: Any, variables: Sequence[Any]) -> Iterator[_Part]:
    """The arguments that are not static, with their variables."""
    fixed = set(jax_compat.static_arguments(jitted, args, kwargs))
    positions: list[int | str] = [i for i in range(len(args)) if i not in fixed]
    dynamic, named = jax_compat.dynamic_arguments(jitted, args, kwargs)
    start = 0
    for place, value in [*zip(positions, dynamic, strict=True), *sorted(named.items())]:
        tree = jax.tree.structure(value)
        part = _part(place, tree, variables[start : start + tree.num_leaves])
        start += tree.num_leaves
        if part is not None:
            yield part


def _fitting(
    tree: Any, variables: Sequence[Any], kinds: Counter[Hashable]
) -> dict[Hashable, list[_Part]]:
    """The parts of the result that are like an argument, the outermost, in their order."""
    found: dict[Hashable, list[_Part]] = defaultdict(list)
    pending = [("the result", tree, 0)]
    while pending:
        words, node, start = pending.pop()
        part = _part(words, node, variables[start : start + node.num_leaves])
        if part is not None and kinds[part.kind]:
            found[part.kind].append(part)
            continue
        ends = start + node.num_leaves
        for i, child in reversed(list(enumerate(node.children()))):
            ends -= child.num_leaves
            pending.append((f"{words}[{i}]", child, ends))
    return found


def _part(place: Any, tree: Any, variables: Sequence[Any]) -> _Part | None:
    """A part; None if it has no arrays, or something else among them."""
    avals = [var.aval for var in variables]
    if not avals or not all(map(jax_compat.is_shaped, avals)):
        return None
    types = tuple((aval.shape, aval.dtype) for aval in avals)
    is_array = not tree.children() and tree.num_leaves == 1
    return _Part(place, (tree, types), tuple(map(_identity, variables)), is_array)


def _identity(atom: Any) -> Any:
    return id(atom) if jax_compat.is_literal(atom) else atom


def _words(place: int | str) -> str:
    return f"argument {place}" if isinstance(place, int) else place


def refuse_both(jit: Any) -> None:
    """Raises if the caller also says by himself what is given away.

    Raises:
        TracegraphError: an option of jit's says it.
    """
    said = [name for name in ("donate_argnums", "donate_argnames") if _is_said(jit.get(name))]
    if said:
        raise TracegraphError(
            f"donate_replaced finds out what {said[0]} says",
            expected="one of the two",
            found=f"donate_replaced=True and {said[0]}={jit[said[0]]!r}",
            hint="leave one of them out",
        )


def _is_said(donated: Any) -> bool:
    """Whether an option of jit's gives something away."""
    return donated is not None and (not isinstance(donated, tuple) or bool(donated))
