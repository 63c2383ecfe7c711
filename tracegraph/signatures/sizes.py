"""Names of sizes: what numbers they have in one call, and whether the call fits its signature."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
from jax import export

from compiler.ir.errors import TracegraphError
from compiler.lowering import jax_compat
from tracegraph.signatures.signature import Leaf
from tracegraph.signatures.spec import Size, Spec
from tracegraph.userlines import call_site

jax_compat.hide_frames(__file__)

Dims = tuple[int | str, ...]


@dataclass(frozen=True, slots=True)
class BoundLeaf:
    """A leaf with its abstract value, and its sizes as numbers and texts.

    Attributes:
        dims: None where the leaf has no spec.
    """

    aval: Any
    dims: Dims | None


@dataclass(slots=True)
class Bound:
    """The leaves of one call and the numbers of its named sizes.

    Attributes:
        leaves: one by one, in jit's order.
        sizes: the number of each name.
        origins: the axis and the leaf that gave each name its number.
    """

    leaves: list[BoundLeaf] = field(default_factory=list[BoundLeaf])
    sizes: dict[str, int] = field(default_factory=dict[str, int])
    origins: dict[str, tuple[int, Leaf]] = field(default_factory=dict[str, tuple[int, Leaf]])

    def text(self, name: str) -> str:
        """The number of a name, and where it comes from."""
        axis, leaf = self.origins[name]
        return f"{name} = {self.sizes[name]} (axis {axis} of {leaf.path})"

    @property
    def is_exact(self) -> bool:
        """Whether the call has to be traced by itself.

        So it is without named sizes, with a size of zero, and with types that say more than numbers
        and an element type: symbolic sizes of somebody outside, or shardings.
        """
        if not self.sizes or 0 in self.sizes.values():
            return True
        return any(not _is_plain(leaf.aval) for leaf in self.leaves)


class Symbols:
    """The symbolic sizes of one signature.

    Args:
        name: the function's name, for errors.
        specs: all specs of the signature.

    Raises:
        TracegraphError: the text of a size does not parse.
    """

    def __init__(self, name: str, specs: Iterable[Spec]) -> None:
        self._name = name
        self._scope = export.SymbolicScope()
        self._dims: dict[str, Any] = {}
        texts = [size for spec in specs for size in spec.shape if isinstance(size, str)]
        self.names = frozenset(n for text in texts for n in jax_compat.symbol_names(self.dim(text)))

    def dim(self, text: str) -> Any:
        """The symbolic size of a text."""
        if text not in self._dims:
            self._dims[text] = self._parse(text)
        return self._dims[text]

    def bind(self, leaves: Sequence[Leaf]) -> Bound:
        """The numbers of all names in one call.

        Raises:
            TracegraphError: a leaf does not have the rank, the element type or the sizes that its
                spec says.
        """
        bound = Bound()
        later: list[tuple[Leaf, int, str, int]] = []
        for leaf in leaves:
            aval = _aval(leaf)
            if leaf.spec is None:
                bound.leaves.append(BoundLeaf(aval, None))
                continue
            dims = self._dims_of(leaf, leaf.spec, aval)
            bound.leaves.append(BoundLeaf(aval, dims))
            for axis, (dim, size) in enumerate(zip(dims, _shape(aval), strict=True)):
                if isinstance(dim, str) and isinstance(size, int):
                    later.append((leaf, axis, dim, size))
        later.sort(key=lambda item: not item[2].isidentifier())  # plain names before expressions
        for leaf, axis, dim, size in later:
            self._name_size(bound, leaf, axis, dim, size)
        return bound

    def _dims_of(self, leaf: Leaf, spec: Spec, aval: Any) -> Dims:
        shape = _shape(aval)
        if aval is None or len(shape) != len(spec.shape) or not spec.accepts_dtype(aval.dtype):
            raise self._misfit(leaf, spec, aval, _advice(spec, aval))
        for axis, (dim, size) in enumerate(zip(spec.shape, shape, strict=True)):
            if isinstance(dim, int) and isinstance(size, int) and dim != size:
                advice = f"axis {axis} must have size {dim}; write None there if it may vary"
                raise self._misfit(leaf, spec, aval, advice)
        return tuple(self._named(leaf, axis, dim) for axis, dim in enumerate(spec.shape))

    def _named(self, leaf: Leaf, axis: int, dim: Size) -> int | str:
        if dim is not None:
            return dim
        name = f"{re.sub(r'[^0-9a-zA-Z]+', '_', leaf.path).strip('_') or 'arg'}_{axis}"
        return f"{name}_" if name in self.names else name

    def _name_size(self, bound: Bound, leaf: Leaf, axis: int, dim: str, size: int) -> None:
        """Gives the one unknown name of a size its number, or checks the size."""
        known, symbolic = bound.sizes, self.dim(dim)
        if dim.isidentifier() and known.get(dim, size) == size:
            known[dim] = size
            bound.origins.setdefault(dim, (axis, leaf))
            return
        unknown = sorted(jax_compat.symbol_names(symbolic) - known.keys())
        if len(unknown) > 1:
            raise self._unsolvable(leaf, dim, unknown)
        if unknown:
            known[unknown[0]] = _solved(symbolic, unknown[0], known, size)
            bound.origins[unknown[0]] = (axis, leaf)
        if jax_compat.size_at(symbolic, known) == size and min(known.values()) >= 0:
            return
        raise self._conflict(bound, leaf, axis, dim)

    def _parse(self, text: str) -> Any:
        try:
            (dim,) = export.symbolic_shape(text, scope=self._scope)
            if jax_compat.is_symbolic(dim):
                return dim
            problem = "a number"
        except Exception as error:  # JAX's parser raises what it likes
            problem = str(error).partition("\n")[0]
        raise TracegraphError(
            f"the input signature of {self._name} has a size that cannot be read",
            where=call_site(),
            expected='a name such as "batch", or an expression such as "2*n" or "n+1"',
            found=f"{text!r} ({problem})",
            hint="write None for a size without a name",
        )

    def _misfit(self, leaf: Leaf, spec: Spec, aval: Any, advice: str) -> TracegraphError:
        found = f"a {type(leaf.value).__name__}" if aval is None else _text(aval)
        return TracegraphError(
            f"the argument {leaf.path} of {self._name} does not fit the input signature",
            where=call_site(),
            expected=str(spec),
            found=found,
            hint=advice,
        )

    def _conflict(self, bound: Bound, leaf: Leaf, axis: int, dim: str) -> TracegraphError:
        aval = _aval(leaf)
        names = sorted(jax_compat.symbol_names(self.dim(dim)))
        numbers = ", ".join(map(bound.text, names))
        return TracegraphError(
            f"the argument {leaf.path} of {self._name} does not fit the input signature",
            where=call_site(),
            expected=f"size {dim} in axis {axis}, where {numbers}",
            found=f"size {_shape(aval)[axis]}, in {_text(aval)}",
            hint="pass arrays whose sizes agree, or give sizes that differ different names",
        )

    def _unsolvable(self, leaf: Leaf, dim: str, unknown: Sequence[str]) -> TracegraphError:
        return TracegraphError(
            f"the size {dim} of {leaf.path} does not say what {' and '.join(unknown)} are",
            where=call_site(),
            expected="every name by itself in some size of the signature",
            found=str(leaf.spec),
            hint=f'write tg.Spec(("{unknown[0]}", ...)) for an argument that has this size',
        )


def _solved(dim: Any, name: str, known: dict[str, int], size: int) -> int:
    """The number at which a linear expression has that size; the caller checks it."""
    at_one, at_two = (jax_compat.size_at(dim, {**known, name: number}) for number in (1, 2))
    slope = at_two - at_one
    return 1 + (size - at_one) // slope if slope else 1


def _is_plain(aval: Any) -> bool:
    """Whether a type says numbers and an element type and no more."""
    if not jax_compat.is_shaped(aval):
        return True
    symbolic = any(not isinstance(size, int) for size in aval.shape)
    return not symbolic and not jax_compat.aval_sharding_text(aval)


def _aval(leaf: Leaf) -> Any:
    known = getattr(leaf.value, "aval", None)  # quicker than to ask, and there may be many
    if known is not None:
        return known
    try:
        return jax.typeof(leaf.value)
    except TypeError:
        return None


def _shape(aval: Any) -> tuple[Any, ...]:
    return tuple(getattr(aval, "shape", ()))


def _text(aval: Any) -> str:
    return f"{aval.dtype}[{', '.join(map(str, aval.shape))}]"


def _advice(spec: Spec, aval: Any) -> str:
    if aval is None:
        return "pass an array there, or write None in the signature to say nothing of it"
    if len(_shape(aval)) != len(spec.shape):
        return f"pass an array with {len(spec.shape)} dimensions"
    return f"convert it: x.astype({spec.dtypes[0]!r})"
