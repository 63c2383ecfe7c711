"""Calls of many sizes served by the executables of a few: padded, run, cut back."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import jax

from compiler.analysis.rows import check_rows
from compiler.ir.errors import TracegraphError
from compiler.lowering import jax_compat
from tracegraph.signatures.padding import cut_to, pad_to
from tracegraph.signatures.sizes import Bound, Dims
from tracegraph.signatures.symbolic import Capture, SignedFunction
from tracegraph.userlines import call_site

jax_compat.hide_frames(__file__)


@dataclass(frozen=True)
class Padded:
    """A call at the sizes of a bucket, and the way back to its own.

    Attributes:
        leaves: the arguments, in jit's order, padded.
        cut: the results of the padded call at the sizes of the call itself.
    """

    leaves: Sequence[Any]
    cut: Callable[[Any], Any]


class Buckets:
    """The sizes at which a function may be compiled, by the name of the dimension.

    Args:
        signed: the function with its signature.
        sizes: what the user wrote.

    Raises:
        TracegraphError: a name is in no spec of the signature, or its sizes are none.
    """

    def __init__(self, signed: SignedFunction, sizes: object) -> None:
        self._signed = signed
        self.sizes = _checked(signed, sizes)
        self._proved: weakref.WeakKeyDictionary[Capture, bool] = weakref.WeakKeyDictionary()

    def __reduce__(self) -> tuple[Any, ...]:
        return Buckets, (self._signed, self.sizes)

    def padded(self, args: Any, kwargs: Any, leaves: Sequence[Any]) -> Padded | None:
        """The call at the sizes of its bucket; None where it has exactly those, or a size is zero.

        Raises:
            TracegraphError: the call is larger than the largest bucket, or it is not proved that
                what is added changes nothing of what is kept.
        """
        bound = self._signed.bind(args, kwargs)
        chosen = {name: self._bucket(name, bound) for name in self.sizes if name in bound.sizes}
        larger = {**bound.sizes, **chosen}
        if larger == bound.sizes or 0 in bound.sizes.values():
            return None
        capture = self._signed.capture(bound, args, kwargs)
        self._prove(capture, chosen)
        pairs = zip(leaves, bound.leaves, strict=True)
        made = [
            value if leaf.dims is None else pad_to(value, self._shape(leaf.dims, larger))
            for value, leaf in pairs
        ]
        avals = [jax_compat.aval_at(aval, bound.sizes) for aval in capture.jaxpr.out_avals]
        return Padded(made, lambda result: _cut(result, avals))

    def names_of(self, bound: Bound) -> str:
        """The buckets that a call's sizes are, in words; empty for none."""
        sizes = bound.sizes
        hits = [name for name, known in self.sizes.items() if sizes.get(name) in known]
        return ", ".join(f"{name} = {sizes[name]}" for name in hits)

    def _bucket(self, name: str, bound: Bound) -> int:
        size = bound.sizes[name]
        fits = [bucket for bucket in self.sizes[name] if bucket >= size]
        if fits:
            return fits[0]
        raise TracegraphError(
            f"a call of {self._signed.signature.name} is larger than every bucket",
            where=call_site(),
            expected=f"{name} up to {self.sizes[name][-1]}",
            found=bound.text(name),
            hint="add a larger bucket, or call it on parts",
        )

    def _prove(self, capture: Capture, names: Iterable[str]) -> None:
        if self._proved.get(capture):
            return
        for name in names:
            check_rows(capture.graph, name)
        self._proved[capture] = True

    def _shape(self, dims: Dims, sizes: Mapping[str, int]) -> tuple[int, ...]:
        symbols = self._signed.symbols
        return tuple(
            dim if isinstance(dim, int) else jax_compat.size_at(symbols.dim(dim), sizes)
            for dim in dims
        )


def _cut(result: Any, avals: Sequence[Any]) -> Any:
    leaves, tree = jax.tree.flatten(result)
    pairs = zip(leaves, avals, strict=True)
    return jax.tree.unflatten(tree, [cut_to(leaf, tuple(aval.shape)) for leaf, aval in pairs])


def _checked(signed: SignedFunction, sizes: object) -> dict[str, tuple[int, ...]]:
    if not isinstance(sizes, Mapping) or not sizes:
        raise _no_buckets('buckets={"batch": (8, 32, 128)}', repr(sizes), "write a dict by name")
    found: dict[str, tuple[int, ...]] = {}
    for name, listed in cast("Mapping[Any, Any]", sizes).items():
        if name not in signed.symbols.names:
            known = ", ".join(sorted(signed.symbols.names)) or "none has a name"
            hint = f'name the size in its spec: tg.Spec(({name!r}, 784), "float32")'
            raise _no_buckets(f"a named size of the signature: {known}", repr(name), hint)
        found[str(name)] = _ordered(name, listed)
    return found


def _ordered(name: Any, listed: Any) -> tuple[int, ...]:
    numbers = (listed,) if isinstance(listed, int) else tuple(listed)
    if numbers and all(isinstance(n, int) and not isinstance(n, bool) and n > 0 for n in numbers):
        return tuple(sorted(set(numbers)))
    raise _no_buckets("whole numbers from 1 on", f"{name!r}: {listed!r}", "write the sizes there")


def _no_buckets(expected: str, found: str, hint: str) -> TracegraphError:
    return TracegraphError(
        "a function cannot have these buckets",
        where=call_site(),
        expected=expected,
        found=found,
        hint=hint,
    )
