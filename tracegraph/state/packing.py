"""Packing nnx objects: their values as leaves of a call, their structure beside them.

A ``Plan`` remembers how some objects were packed, so that the next call reads each value where it
lies instead of walking the objects. It holds as long as nothing but values changes in them.
"""

# jax and flax annotate their functions in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from operator import getitem, is_
from typing import Any, Final

import jax

from compiler.lowering import jax_compat
from tracegraph.retraces.attributes import attributes_of
from tracegraph.state import nnx_objects

jax_compat.hide_frames(__file__)


@dataclass(frozen=True, eq=False, slots=True)
class Structure:
    """What objects are but for their values; one object for each structure of a function.

    Attributes:
        graphdef: nnx's own description, shared references included.
        tree: the tree of the state's leaves.
        owners: for each leaf, which of the packed objects it hangs on first.
        paths: for each leaf, where in the object it lies, such as ``layer.kernel``.
        count: how many objects there are.
        in_context: whether they were split in nnx's update context.
        number: counts the structures of a function.
        attributes: for each object, what it says beside its values, to name what has changed.
    """

    graphdef: Any = field(repr=False)
    tree: Any = field(repr=False)
    owners: tuple[int, ...] = field(repr=False)
    paths: tuple[str, ...] = field(repr=False)
    count: int
    in_context: bool
    number: int
    attributes: tuple[dict[str, str], ...] = field(repr=False)


class Packed:
    """The values of one object, in a call's arguments or results, in the place of the object.

    Attributes:
        values: the leaves that hang on this object first.
        key: which object of which structure.
    """

    __slots__ = ("key", "values")

    def __init__(self, values: Sequence[Any], key: tuple[Any, int]) -> None:
        self.values = values
        self.key = key


def _with_paths(packed: Packed) -> tuple[Any, Any]:
    """The values by the paths at which they lie in the object."""
    structure, place = packed.key
    if structure is None:
        return [], packed.key
    own = [
        path
        for owner, path in zip(structure.owners, structure.paths, strict=True)
        if owner == place
    ]
    keys = [jax.tree_util.GetAttrKey(path) for path in own]
    return list(zip(keys, packed.values, strict=True)), packed.key


jax.tree_util.register_pytree_with_keys(
    Packed,
    _with_paths,
    lambda key, values: Packed(tuple(values), key),
    lambda packed: (packed.values, packed.key),
)


@dataclass(frozen=True, slots=True)
class Plan:
    """How to read the values of some objects, and how to see whether that still holds.

    Attributes:
        structure: theirs.
        variables: where each leaf lies.
        metadata: a copy of what each variable says of its value.
        watched: containers that the objects consist of, each with a copy of what was in it.
        parts: variables and containers in them: in which they lie, under which keys, and they.
    """

    structure: Structure
    variables: tuple[Any, ...]
    metadata: list[dict[str, Any]]
    watched: tuple[tuple[Any, Any], ...]
    parts: tuple[Sequence[Any], Sequence[Any], Sequence[Any]]

    def holds(self) -> bool:
        """Whether nothing but the values of variables has changed since the plan was made."""
        try:
            return (
                list(map(nnx_objects.metadata, self.variables)) == self.metadata
                and all(live == copy or _is_renewed(live, copy) for live, copy in self.watched)
                and self._holds_the_same()
            )
        except (ValueError, TypeError):  # an array was exchanged for another: no yes or no
            return False

    def _holds_the_same(self) -> bool:
        """Whether no variable was exchanged for one of equal value, which counts as equal."""
        containers, keys, parts = self.parts
        return all(map(is_, map(getitem, containers, keys), parts))

    def values(self) -> list[Any]:
        """The value of each leaf now."""
        return list(map(nnx_objects.raw_reader(), self.variables))


class Plans:
    """The plans of a function, each for as long as all of its objects live."""

    LIMIT: Final = 64
    """So many are kept; the oldest goes first."""

    def __init__(self) -> None:
        self._structures: dict[Any, list[Structure]] = {}
        self._plans: dict[tuple[int, ...], tuple[Sequence[Any], Plan]] = {}

    def pack(self, objects: Sequence[Any]) -> tuple[Structure, list[Any], Plan | None]:
        """The structure of some objects and their values; the plan by which they were read."""
        key = tuple(map(id, objects))
        known = self._plans.get(key)
        if known is not None and _are(known[0], objects) and known[1].holds():
            return known[1].structure, known[1].values(), known[1]
        graphdef, state = nnx_objects.split(objects)
        structure, values = self._structure(graphdef, state, objects, in_context=False)
        plan = _plan(structure, objects, state)
        self._keep(key, objects, plan)
        return structure, values, plan

    def pack_in_context(self, objects: Sequence[Any]) -> tuple[Structure, list[Any]]:
        """The structure and values of some objects, split in nnx's open update context."""
        graphdef, state = nnx_objects.split_in_context(objects)
        return self._structure(graphdef, state, objects, in_context=True)

    def clear(self) -> None:
        """Forgets every structure and plan."""
        self._structures.clear()
        self._plans.clear()

    def _structure(
        self, graphdef: Any, state: Any, objects: Sequence[Any], *, in_context: bool
    ) -> tuple[Structure, list[Any]]:
        values, tree = jax.tree.flatten(state)
        alike = self._structures.setdefault((_hash_of(graphdef), tree, in_context), [])
        for known in alike:
            if known.graphdef == graphdef:
                return known, values
        places = nnx_objects.places(state)
        owners = tuple(path[0] for path in places)
        paths = tuple(".".join(map(str, path[1:])) for path in places)
        number, said = sum(map(len, self._structures.values())), attributes_of(objects)
        known = Structure(graphdef, tree, owners, paths, len(objects), in_context, number, said)
        alike.append(known)
        return known, values

    def _keep(self, key: tuple[int, ...], objects: Sequence[Any], plan: Plan | None) -> None:
        self._plans.pop(key, None)
        if plan is None:
            return
        while len(self._plans) >= self.LIMIT:
            self._plans.pop(next(iter(self._plans)))
        living = [weakref.ref(one, lambda _: self._plans.pop(key, None)) for one in objects]
        self._plans[key] = (living, plan)


def _are(living: Sequence[Any], objects: Sequence[Any]) -> bool:
    """Whether weak references lead to these objects; another may have come to an id of one."""
    return all(one() is other for one, other in zip(living, objects, strict=True))


def _hash_of(graphdef: Any) -> int:
    """Equal for equal graphdefs; nnx lets an attribute that is no value be one without a hash."""
    try:
        return hash(graphdef)
    except TypeError:
        return 0


def packed(structure: Structure, values: Sequence[Any]) -> list[Packed]:
    """The values in the places of the objects that they hang on."""
    own: list[list[Any]] = [[] for _ in range(structure.count)]
    for owner, value in zip(structure.owners, values, strict=True):
        own[owner].append(value)
    return [Packed(mine, (structure, place)) for place, mine in enumerate(own)]


def unpacked(packs: Sequence[Packed]) -> tuple[Structure, list[Any]]:
    """The structure of packed objects, and all their values in its order."""
    structure: Structure = packs[0].key[0]
    fresh = [iter(pack.values) for pack in packs]
    return structure, [next(fresh[owner]) for owner in structure.owners]


def _plan(structure: Structure, objects: Sequence[Any], state: Any) -> Plan | None:
    """How to read these objects again; None where a walk is needed each time."""
    found = dict(nnx_objects.nodes(objects))
    variables = tuple(found.get(path) for path in nnx_objects.places(state))
    if nnx_objects.is_variable(objects[0]) or not all(map(nnx_objects.is_variable, variables)):
        return None
    held = map(nnx_objects.raw_reader(), filter(nnx_objects.is_variable, found.values()))
    if not jax.tree_util.all_leaves(held):  # of a tree there is no one value to read
        return None
    inner = {path[:-1] for path in found if path}
    containers = [
        _contents(node)
        for path, node in found.items()
        if path in inner and path and not nnx_objects.is_variable(node)
    ]
    if any(container is None for container in containers):
        return None
    metadata = [nnx_objects.metadata(variable).copy() for variable in variables]
    watched = tuple(map(_snapshot, containers))
    return Plan(structure, variables, metadata, watched, _parts_of(containers))


def _parts_of(containers: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Any], Sequence[Any]]:
    """Where the variables and the inner containers of some containers lie, and they themselves."""
    found = [
        (container, key, part)
        for container in containers
        for key, part in (
            container.items() if isinstance(container, dict) else enumerate(container)
        )
        if nnx_objects.is_variable(part) or isinstance(part, (dict, list, tuple))
    ]
    return tuple(zip(*found, strict=True)) if found else ((), (), ())  # pyright: ignore[reportReturnType]


def _contents(node: Any) -> Any:
    """The container in which an object's parts lie, live; None if it is of an unknown kind."""
    if nnx_objects.is_object(node):
        return vars(node)
    if isinstance(node, (dict, list, tuple)):
        return node
    mapping = getattr(node, "raw_mapping", None)
    return mapping if isinstance(mapping, dict) else None


def _snapshot(container: Any) -> tuple[Any, Any]:
    """A container and a copy of it; what cannot change is its own copy."""
    return container, container.copy() if isinstance(container, (dict, list)) else container


def _is_renewed(live: Any, copy: Any) -> bool:
    """Whether an object differs by nnx's mark on it alone; the copy then has the new mark.

    Every call of ``nnx.jit`` marks the objects that it updates afresh.
    """
    if not (isinstance(live, dict) and nnx_objects.MARK in live and nnx_objects.MARK in copy):
        return False
    mark = live[nnx_objects.MARK]
    if live != {**copy, nnx_objects.MARK: mark}:
        return False
    copy[nnx_objects.MARK] = mark
    return True


def replaced(tree: Any, fresh: Sequence[Any], stop: Callable[[Any], bool]) -> Any:
    """A tree with other things in the places of those at which ``stop`` holds, in order."""
    rest = iter(fresh)

    def exchange(leaf: Any) -> Any:
        return next(rest) if stop(leaf) else leaf

    return jax.tree.map(exchange, tree, is_leaf=lambda leaf: stop(leaf) or is_end(leaf))


def is_packed(value: Any) -> bool:
    """Whether a value stands in the place of an nnx object."""
    return isinstance(value, Packed)


def is_end(value: Any) -> bool:
    """Whether a tree is not searched below a value."""
    return nnx_objects.is_boundary(value)
