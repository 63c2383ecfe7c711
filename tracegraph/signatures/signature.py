"""The input signature of one function: which spec each argument's leaves must keep."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import jax

from compiler.ir.errors import TracegraphError
from compiler.lowering import jax_compat
from tracegraph.signatures.spec import Spec
from tracegraph.userlines import call_site

jax_compat.hide_frames(__file__)

Static = tuple[frozenset[int], frozenset[str]]
"""Static arguments by position and by name, as jit resolved them."""

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


@dataclass(frozen=True, slots=True)
class Leaf:
    """One leaf of a call that is not static, and what the signature says of it.

    Attributes:
        name: of the argument.
        keys: the way to it inside; left out where anything is taken.
        value: the leaf.
        spec: None where anything is taken.
    """

    name: str
    keys: tuple[Any, ...]
    value: Any
    spec: Spec | None

    @property
    def path(self) -> str:
        """How the user would write it, such as ``x[0]['w']``."""
        return self.name + jax.tree_util.keystr(self.keys)


class Signature:
    """The specs of a function's arguments.

    Args:
        fun: the user's function.
        specs: one entry per positional argument, or a mapping from names to entries. An entry is a
            ``Spec``, a pytree of them whose leaves may stand for whole subtrees, or None for an
            argument of which nothing is said.

    Raises:
        TracegraphError: an entry is no spec, or is for no argument of the function.
    """

    def __init__(self, fun: Callable[..., Any], specs: object) -> None:
        self.name = getattr(fun, "__name__", type(fun).__name__)
        self._parameters = _parameters(fun)
        self.entries: Mapping[str, Any] = self._by_name(specs)
        for name, entry in self.entries.items():
            _check_entry(name, entry)

    def specs(self) -> Iterator[Spec]:
        """Every spec of the signature."""
        for entry in self.entries.values():
            leaves = jax.tree.leaves(entry, is_leaf=_is_entry)
            yield from (leaf for leaf in leaves if leaf is not None)

    def label(self, position: int) -> str:
        """The name of the argument at a position."""
        names = [p.name for p in self._parameters if p.kind in _POSITIONAL]
        if position < len(names):
            return names[position]
        rest = [p.name for p in self._parameters if p.kind is inspect.Parameter.VAR_POSITIONAL]
        return f"{rest[0] if rest else 'args'}[{position - len(names)}]"

    def static_names(self, count: int, static: Static) -> frozenset[str]:
        """The names of the static arguments in a call with so many positional ones."""
        positions, names = static
        places = {p if p >= 0 else p + count for p in positions}
        return names | {self.label(p) for p in places if p < count}

    def leaves(
        self, args: Sequence[Any], kwargs: Mapping[str, Any], static: frozenset[str] = frozenset()
    ) -> list[Leaf]:
        """The leaves of a call in jit's order, each with its spec; those of static ones left out.

        Raises:
            TracegraphError: an argument's containers are not those of the signature.
        """
        named = [(self.label(i), arg) for i, arg in enumerate(args)]
        named += sorted(kwargs.items())
        found: list[Leaf] = []
        for name, arg in named:
            if name not in static:
                found += self._spread(name, arg)
        return found

    def _spread(self, name: str, arg: Any) -> list[Leaf]:
        entry = self.entries.get(name)
        if entry is None:  # the usual case of parameters: many leaves, of which nothing is said
            return [Leaf(name, (), leaf, None) for leaf in jax.tree.leaves(arg)]
        flat, _ = jax.tree_util.tree_flatten_with_path(arg)
        if isinstance(entry, Spec):
            return [Leaf(name, keys, leaf, entry) for keys, leaf in flat]
        tops, tree = jax.tree.flatten(entry, is_leaf=_is_entry)
        specs = self._repeated(name, tops, tree, arg)
        pairs = zip(flat, specs, strict=True)
        return [Leaf(name, keys, leaf, spec) for (keys, leaf), spec in pairs]

    def _repeated(self, name: str, tops: Sequence[Any], tree: Any, arg: Any) -> list[Any]:
        """The specs of an argument's leaves, each repeated for the subtree that it stands for."""
        try:
            below = tree.flatten_up_to(arg)
        except (ValueError, TypeError, KeyError) as error:
            raise TracegraphError(
                f"the argument {name} of {self.name} is not built as the input signature says",
                where=call_site(),
                expected=str(jax.tree.unflatten(tree, [str(top) for top in tops])),
                found=str(jax.tree.structure(arg)),
                hint="pass the same containers, or write one tg.Spec for all leaves of the "
                "argument, or None to say nothing of it",
            ) from error
        pairs = zip(tops, below, strict=True)
        return [top for top, part in pairs for _ in jax.tree.leaves(part)]

    def _by_name(self, specs: object) -> Mapping[str, Any]:
        if isinstance(specs, Mapping):
            entries = dict(cast("Mapping[str, Any]", specs))
        elif isinstance(specs, list | tuple):
            listed = cast("Sequence[Any]", specs)
            entries = {self.label(i): entry for i, entry in enumerate(listed)}
        else:
            raise _no_signature(specs)
        unknown = [name for name in entries if not self._takes(name)]
        if not unknown:
            return entries
        raise TracegraphError(
            f"the input signature of {self.name} is for arguments that it does not have",
            where=call_site(),
            expected=", ".join(p.name for p in self._parameters) or "no argument",
            found=", ".join(map(str, unknown)),
            hint="write one entry for each argument, in their order, or a dict by name",
        )

    def _takes(self, name: str) -> bool:
        kinds = {p.kind for p in self._parameters}
        if name in {p.name for p in self._parameters} or not self._parameters:
            return bool(self._parameters)
        if inspect.Parameter.VAR_KEYWORD in kinds and name.isidentifier():
            return True
        return inspect.Parameter.VAR_POSITIONAL in kinds and name.endswith("]")


def _parameters(fun: Callable[..., Any]) -> Sequence[inspect.Parameter]:
    try:
        return tuple(inspect.signature(fun).parameters.values())
    except (ValueError, TypeError):  # a builtin without a signature takes what it likes
        kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        return tuple(map(inspect.Parameter, ("args", "kwargs"), kinds))


def _is_entry(value: object) -> bool:
    return value is None or isinstance(value, Spec)


def _check_entry(name: str, entry: Any) -> None:
    for path, leaf in jax.tree_util.tree_flatten_with_path(entry, is_leaf=_is_entry)[0]:
        if not _is_entry(leaf):
            raise TracegraphError(
                f"the input signature of {name}{jax.tree_util.keystr(path)} is no spec",
                where=call_site(),
                expected='tg.Spec((None, 784), "float32"), a pytree of such, or None',
                found=repr(leaf),
                hint="write tg.Spec(shape, dtype) there",
            )


def _no_signature(specs: object) -> TracegraphError:
    return TracegraphError(
        "this is no input signature",
        where=call_site(),
        expected='a list with one tg.Spec per argument, a dict by name, or "annotations"',
        found=repr(specs),
        hint='write input_signature=[tg.Spec((None, 784), "float32")]',
    )
