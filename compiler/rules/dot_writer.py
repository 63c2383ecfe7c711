"""The ops of a contraction network in a chosen order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import NamedTuple

import numpy as np

from compiler.analysis.constants import uniform
from compiler.rewrite.expression import Expr, Term, constant, dtype, new, shape
from compiler.rules.dot_networks import Network
from compiler.rules.dot_orders import Planner, Tree, mask_of
from compiler.rules.dot_terms import Labels, arrange, dot, reshape, spread, sum_over, transpose


class _Part(NamedTuple):
    """A term with its labels; the key says how it was made, but for the names of its labels."""

    term: Term
    labels: Labels
    key: object


class Writer:
    """Writes the ops of a network in an order; what occurs twice is made once.

    Args:
        network: the network.
        planner: its planner.
    """

    __slots__ = ("_known", "_network", "_planner", "_scaled")

    def __init__(self, network: Network, planner: Planner) -> None:
        self._network = network
        self._planner = planner
        self._known: dict[object, Term] = {}
        self._scaled = -1

    def write(self, tree: Tree) -> Term:
        """The value of the whole network, of the root's shape."""
        network = self._network
        sizes = [self._planner.size(mask) for mask in self._planner.factors]
        made = tuple(
            label for label in network.out if any(label in f.labels for f in network.factors)
        )
        if self._has_scale() and min(sizes) < self._planner.size(mask_of(made)):
            self._scaled = sizes.index(min(sizes))
        part = self._part(tree, made)
        term = part.term if self._scaled >= 0 else self._scale(part.term)
        whole = spread(term, made, network.out, network.sizes)
        return reshape(whole, shape(network.root.result))

    def _part(self, tree: Tree, out: Labels | None = None) -> _Part:
        if isinstance(tree, int):
            part = self._leaf(tree)
            return part if out is None else self._arranged(part, out)
        left, right = self._part(tree[0]), self._part(tree[1])
        labels = self._kept(tree, left, right) if out is None else out
        key = ("pair", left.key, right.key, _pattern(left.labels, right.labels, labels))
        if key not in self._known:
            self._known[key] = self._pair(left, right, labels)
        return _Part(self._known[key], labels, key)

    def _arranged(self, part: _Part, out: Labels) -> _Part:
        if part.labels == out or not isinstance(part.term, Expr):
            return part
        return _Part(arrange(part.term, part.labels, out), out, None)

    def _leaf(self, number: int) -> _Part:
        factor = self._network.factors[number]
        mask = self._planner.factors[number]
        axes = [d for d, label in enumerate(factor.labels) if not mask >> label & 1]
        key = ("leaf", factor.value, tuple(axes), number == self._scaled)
        if key not in self._known:
            sizes = [self._network.sizes[label] for label in factor.labels]
            term = sum_over(reshape(factor.value, sizes), axes)
            self._known[key] = self._scale(term) if number == self._scaled else term
        labels = tuple(label for label in factor.labels if mask >> label & 1)
        return _Part(self._known[key], labels, key)

    def _kept(self, tree: Tree, left: _Part, right: _Part) -> Labels:
        """The labels of a pair that somebody outside of it needs, in the order a dot gives them."""
        inside = set(_numbers(tree))
        outside = [f.labels for i, f in enumerate(self._network.factors) if i not in inside]
        needed = {*self._network.out, *(label for labels in outside for label in labels)}
        both = [n for n in left.labels if n in right.labels]
        order = (*both, *(n for n in (*left.labels, *right.labels) if n not in both))
        if needed.issuperset(order):  # a product and no sum: as the larger has them
            order = max(left.labels, right.labels, key=len) if both else order
            return (*order, *(n for n in (*left.labels, *right.labels) if n not in order))
        return tuple(n for n in order if n in needed)

    def _pair(self, left: _Part, right: _Part, out: Labels) -> Term:
        if set(left.labels) | set(right.labels) != set(out):
            sides = (left.term, left.labels, right.term, right.labels)
            return dot(*sides, out, self._network.model)
        sizes = self._network.sizes
        order = tuple(dict.fromkeys((*left.labels, *right.labels)))
        order = next((p.labels for p in (left, right) if set(p.labels) == set(out)), order)
        one, other = (_spread_sorted(part, order, sizes) for part in (left, right))
        return arrange(new("mul", one, other), order, out)

    def _has_scale(self) -> bool:
        network = self._network
        return bool(network.scalars) or network.is_negative or self._repeats() > 1

    def _repeats(self) -> int:
        """How often equal terms are added up: the sizes of labels that nothing has."""
        network = self._network
        had = mask_of(label for factor in network.factors for label in factor.labels)
        return self._planner.size(mask_of(network.sizes) & ~had & ~mask_of(network.out))

    def _scale(self, term: Term) -> Term:
        network, repeats = self._network, self._repeats()
        kept = [s for s in network.scalars if not _is_one(uniform(s.value))]
        times = [reshape(s.value, ()) for s in kept if not s.divides]
        by = [reshape(s.value, ()) for s in kept if s.divides]
        if repeats > 1:
            times.append(constant(np.asarray(repeats).astype(dtype(term)), like=term))
        if times:
            term = new("mul", term, _product(times))
        if by:
            term = new("div", term, _product(by))
        return new("neg", term) if network.is_negative else term


def _product(terms: Sequence[Term]) -> Term:
    return reduce(lambda one, other: new("mul", one, other), terms)


def _is_one(number: object) -> bool:
    return number is not None and bool(number == 1)


def _spread_sorted(part: _Part, order: Labels, sizes: Mapping[int, int]) -> Term:
    own = tuple(label for label in order if label in part.labels)
    term = part.term
    if own != part.labels:
        term = transpose(term, [part.labels.index(n) for n in own])
    return spread(term, own, order, sizes)


def _numbers(tree: Tree) -> list[int]:
    return [tree] if isinstance(tree, int) else [n for part in tree for n in _numbers(part)]


def _pattern(*labels: Labels) -> tuple[tuple[int, ...], ...]:
    """The labels renamed in the order in which they occur."""
    names: dict[int, int] = {}
    return tuple(tuple(names.setdefault(n, len(names)) for n in part) for part in labels)
