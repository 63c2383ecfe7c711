"""Why a function was traced again: what differs between a call and the nearest one before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tracegraph.retraces.described import Described, Leaf
from tracegraph.written import short

ADVICE: Final[Mapping[str, str]] = {
    "shape": "pad the argument to a few sizes, or name the dimension with input_signature",
    "dtype": "convert the argument to one dtype before the call",
    "weak type": "pass an array made by jnp.asarray(value, dtype), not a Python number",
    "static value": "pass the value as an array, if the function can take one",
    "structure": "always pass the same keys, and None where something is missing",
    "attribute": "hold what changes in an nnx.Variable: another value of it costs no trace",
    "passing": "pass the argument by position always, or by name always",
    "sharding": "put the argument on its devices before the first call",
    "function": "decorate the function once, outside the loop or function that calls it",
    "configuration": "set JAX's options once, before the first call",
    "cleared": "do not clear caches between calls",
    "first": "",
}
"""What to do about a cause."""


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between two calls.

    Attributes:
        kind: a key of ``ADVICE``.
        path: the argument's path, the option's name, or empty.
        before: the old value.
        after: the new one.
    """

    kind: str
    path: str = ""
    before: str = ""
    after: str = ""

    def __str__(self) -> str:
        if not self.before and not self.after:
            return _WORDS.get(self.kind, self.kind)
        place = f" of {self.path}" if self.path else ""
        return f"{self.kind}{place}: {self.before} -> {self.after}"


OTHERS: Final = 8
"""So many calls of other function objects of the same code are compared."""

_PLAIN: Final = (int, float, str, bytes)
_WORDS: Final = {
    "first": "the first trace",
    "function": "another function object of the same code",
    "cleared": "the same as before: its compiled form is gone from the cache",
}


def nearest_changes(call: Described, earlier: Sequence[Described]) -> tuple[Change, ...]:
    """What differs from the earlier call that differs least, the latest of these.

    Calls of the same function object come before all others, of which the latest few are compared:
    functions that are made for one line again and again have a history that grows with them.
    """
    if not earlier:
        return (Change("first"),)
    own = [before for before in earlier if before.identity == call.identity]
    found = [tuple(changes(before, call)) for before in reversed(own or earlier[-OTHERS:])]
    return min(found, key=_distance)


def _distance(found: Sequence[Change]) -> int:
    return 0 if found[0].kind == "cleared" else len(found)


def changes(before: Described, after: Described) -> list[Change]:
    """All differences between two calls, that of the function objects first."""
    found = [
        *([Change("function")] if before.identity != after.identity else []),
        *_structure(before, after),
        *_passing(before, after),
        *_leaves(before.leaves, after.leaves),
        *_values("static value", before.static, after.static),
        *_values("configuration", before.settings, after.settings),
    ]
    return found or [Change("cleared")]


def is_needless(before: Described, after: Described) -> bool:
    """Whether another function object is called the same and closes over the very same things."""
    if changes(before, after) != [Change("function")]:
        return False
    return len(before.captured) == len(after.captured) and all(
        a is b or (type(a) is type(b) and isinstance(a, _PLAIN) and a == b)
        for a, b in zip(before.captured, after.captured, strict=True)
    )


def _structure(before: Described, after: Described) -> Iterator[Change]:
    gone = [path for path in before.leaves if path not in after.leaves]
    new = [path for path in after.leaves if path not in before.leaves]
    if gone or new:
        path = _common(gone + new)
        yield Change("structure", path, _list(gone), _list(new))
        return
    for name, tree in after.trees.items():
        if name not in before.trees or before.trees[name] == tree:
            continue
        told = list(_attributes(before.attributes.get(name, {}), after.attributes.get(name, {})))
        yield from told or [Change("structure", name, short(before.trees[name]), short(tree))]


def _attributes(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[Change]:
    """What differs in the nnx objects of an argument, beside their values."""
    for path in dict.fromkeys((*before, *after)):
        old, new = before.get(path, "nothing"), after.get(path, "nothing")
        if old != new:
            yield Change("attribute", path, old, new)


def _passing(before: Described, after: Described) -> Iterator[Change]:
    """The arguments that are there in both calls, by position in one and by name in the other."""
    ways = ("by position", "by name")
    for name in sorted({*before.keywords} ^ {*after.keywords}):
        if all(name in call.trees or name in call.static for call in (before, after)):
            is_named = name in after.keywords
            yield Change("passing", name, ways[not is_named], ways[is_named])


def _common(paths: Sequence[str]) -> str:
    return paths[0].split("[")[0].split(".")[0]


def _list(paths: Sequence[str]) -> str:
    return short(", ".join(paths)) if paths else "nothing"


def _leaves(before: Mapping[str, Leaf], after: Mapping[str, Leaf]) -> Iterator[Change]:
    for path, leaf in after.items():
        old = before.get(path)
        if old is None or old == leaf:
            continue
        pairs = (
            ("shape", old.shape, leaf.shape),
            ("dtype", old.dtype, leaf.dtype),
            ("weak type", old.weak, leaf.weak),
            ("sharding", old.sharding or "anywhere", leaf.sharding or "anywhere"),
        )
        yield from (Change(kind, path, a, b) for kind, a, b in pairs if a != b)


def _values(kind: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    if _equal(before, after):  # as nearly always, and at once
        return
    for name in dict.fromkeys((*before, *after)):
        old, new = before.get(name), after.get(name)
        if old is not new and not _equal(old, new):
            yield Change(kind, name, short(old), short(new))


def _equal(a: Any, b: Any) -> bool:
    try:
        return bool(a == b)
    except Exception:  # whatever an __eq__ of the user's may raise
        return False
