"""One trace of the user's Python for all sizes of its signature.

``SignedFunction`` stands in front of the user's function, behind jit. When jit traces it at some
sizes, it traces the user's Python once with symbolic ones, and gives jit what that trace is at the
sizes asked for.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import jax

from compiler.ir.errors import TracegraphError
from compiler.ir.graph import Graph
from compiler.lowering import jax_compat
from compiler.lowering.import_jaxpr import import_jaxpr
from compiler.lowering.sizes import jaxpr_at
from tracegraph.signatures.signature import Signature, Static
from tracegraph.signatures.sizes import Bound, BoundLeaf, Symbols
from tracegraph.state import nnx_objects
from tracegraph.userlines import call_site, line_of

jax_compat.hide_frames(__file__)


@dataclass(frozen=True, eq=False)
class Capture:
    """The user's function as it was traced once with symbolic sizes."""

    traced: Any
    jaxpr: Any

    @functools.cached_property
    def graph(self) -> Graph:
        """The frozen graph, its sizes named."""
        return import_jaxpr(self.jaxpr, name=self.traced.fun_name).freeze()

    def at(self, bound: Bound, leaves: Sequence[Any]) -> Any:
        """The function's result at the sizes of a call, in the trace that is running."""
        jaxpr = jaxpr_at(self.jaxpr, bound.sizes)
        flat = [*jax_compat.traced_consts(self.traced), *leaves]
        results = jax_compat.splice(jaxpr, flat)
        return jax.tree.unflatten(jax_compat.traced_out_tree(self.traced), results)


class SignedFunction:
    """A function whose calls are checked against a signature, and traced once for all sizes.

    Sizes of zero are traced by themselves: JAX takes a symbolic size for one or more.

    Args:
        fun: the user's function.
        signature: what its arguments must be.
        static: the positions and names of the arguments that jit takes as static.

    Attributes:
        runs: how often the user's Python ran.
    """

    # What is ours is not in the dict: jit copies that for the user to see.
    __slots__ = (
        "__dict__",
        "__weakref__",
        "_captures",
        "_static",
        "fun",
        "runs",
        "signature",
        "symbols",
    )

    def __init__(
        self,
        fun: Callable[..., Any],
        signature: Signature,
        static: Static = (frozenset(), frozenset()),
    ) -> None:
        functools.update_wrapper(self, fun)
        self.fun = fun
        self.signature = signature
        self.symbols = Symbols(signature.name, signature.specs())
        self._static = static
        self._captures: dict[Hashable, Capture] = {}
        self.runs = 0

    def __repr__(self) -> str:
        return repr(self.fun)  # JAX's errors name the function so

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled by what it was made from: symbolic sizes belong to this process."""
        return SignedFunction, (self.fun, self.signature, self._static)

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """The function's result; a call that does not fit the signature is refused."""
        bound = self.bind(args, kwargs)
        has_state = bool(nnx_objects.stateful_leaves((args, kwargs)))  # which it may change
        if bound.is_exact or has_state or not jax_compat.is_tracing_for_jit():
            self.runs += 1
            return self.fun(*args, **kwargs)
        return self.capture(bound, args, kwargs).at(bound, self._dynamic(args, kwargs))

    def bind(self, args: Any, kwargs: Any) -> Bound:
        """The numbers of the named sizes in a call, checked."""
        return self.symbols.bind(self.signature.leaves(args, kwargs, self._static_names(args)))

    def capture(self, bound: Bound, args: Any, kwargs: Any) -> Capture:
        """The trace of the user's Python for all calls of this form.

        Raises:
            TracegraphError: the Python asks which of two symbolic sizes is larger.
        """
        key = self._key(bound, args, kwargs)
        found = self._captures.get(key)
        if found is not None:
            return found
        self.runs += 1
        made = self._trace(bound, args, kwargs)
        if jax_compat.traced_consts(made.traced):
            return made  # it belongs to a trace outside, and ends with it
        return self._captures.setdefault(key, made)

    def forget(self) -> None:
        """Forgets every trace."""
        self._captures.clear()

    def _static_names(self, args: Sequence[Any]) -> frozenset[str]:
        return self.signature.static_names(len(args), self._static)

    def _split(self, args: Any, kwargs: Any) -> tuple[tuple[Any, Any], dict[str, Any]]:
        """The arguments with None for every static one, and the static ones by their names."""
        static = self._static_names(args)
        labels = [self.signature.label(i) for i in range(len(args))]
        fixed = {**dict(zip(labels, args, strict=True)), **kwargs}
        kept = tuple(None if n in static else v for n, v in zip(labels, args, strict=True))
        named = {n: None if n in static else v for n, v in kwargs.items()}
        return (kept, named), {n: fixed[n] for n in sorted(static) if n in fixed}

    def _dynamic(self, args: Any, kwargs: Any) -> list[Any]:
        return jax.tree.leaves(self._split(args, kwargs)[0])

    def _key(self, bound: Bound, args: Any, kwargs: Any) -> Hashable:
        dynamic, static = self._split(args, kwargs)
        leaves = tuple(_type_key(leaf) for leaf in bound.leaves)
        fixed = tuple((name, type(value), value) for name, value in static.items())
        return jax.tree.structure(dynamic), leaves, fixed, jax_compat.trace_settings()

    def _trace(self, bound: Bound, args: Any, kwargs: Any) -> Capture:
        (kept, named), static = self._split(args, kwargs)
        tree = jax.tree.structure((kept, named))
        labels = [self.signature.label(i) for i in range(len(args))]

        def rebuilt(*leaves: Any) -> Any:
            values, by_name = jax.tree.unflatten(tree, leaves)
            pairs = zip(labels, values, strict=True)
            positional = [static.get(name, value) for name, value in pairs]
            return self.fun(*positional, **{n: static.get(n, v) for n, v in by_name.items()})

        rebuilt.__name__ = self.signature.name
        traced = self._trace_all_sizes(rebuilt, bound)
        jaxpr = jax_compat.low_jaxpr(traced)
        if jaxpr is None:
            raise _unsupported(self.signature.name)
        return Capture(traced, jaxpr)

    def _trace_all_sizes(self, rebuilt: Callable[..., Any], bound: Bound) -> Any:
        """The trace with symbolic sizes, or an error that says whether these are to blame."""
        types = [self._symbolic_type(leaf) for leaf in bound.leaves]
        try:
            return jax.jit(rebuilt).trace(*types)
        except jax_compat.InconclusiveSize as error:
            raise _varies(self.signature.name, error) from None
        except Exception as error:
            found = error
        # With numbers for sizes, an error of the user's own comes again, and is the one of jit.
        jax.jit(rebuilt).trace(*(_type(leaf.aval.shape, leaf.aval) for leaf in bound.leaves))
        raise _varies(self.signature.name, found) from found

    def _symbolic_type(self, leaf: BoundLeaf) -> Any:
        dims = leaf.dims if leaf.dims is not None else leaf.aval.shape
        shape = tuple(self.symbols.dim(dim) if isinstance(dim, str) else dim for dim in dims)
        return _type(shape, leaf.aval)


def _type_key(leaf: BoundLeaf) -> Hashable:
    dims = leaf.aval.shape if leaf.dims is None else leaf.dims
    return dims, leaf.aval.dtype, _is_weak(leaf.aval)


def _type(shape: tuple[Any, ...], aval: Any) -> Any:
    return jax.ShapeDtypeStruct(shape, aval.dtype, weak_type=_is_weak(aval))


def _is_weak(aval: Any) -> bool:
    return bool(getattr(aval, "weak_type", False))


def _varies(name: str, error: Exception) -> TracegraphError:
    kind = "" if isinstance(error, jax_compat.InconclusiveSize) else f"{type(error).__name__}: "
    return TracegraphError(
        f"{name} cannot be traced once for all sizes: it needs to know a size that varies",
        where=line_of(error),
        expected="Python that does the same for every size that the signature allows",
        found=kind + str(error).partition("\n")[0],
        hint="write a number for this size in the signature, give sizes that are always equal the "
        "same name, or keep the size out of Python's decisions, indices and ranges (jnp.where, "
        "jax.lax.cond, jax.lax.fori_loop); without input_signature each size is traced by itself",
    )


def _unsupported(name: str) -> TracegraphError:
    return TracegraphError(
        f"{name} cannot be traced once for all sizes",
        where=call_site(),
        expected="arguments and results that are arrays",
        found="values of JAX's high-level types",
        hint="leave input_signature out, or write numbers for all sizes",
    )
