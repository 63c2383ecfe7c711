"""Leaves that are no arrays, as part of a call's signature instead of its data.

Such a leaf is put into a pytree node without leaves before jit sees it. The containers around it,
and so everything that jit is told by argument position, stay as they are.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, final

import jax

from compiler.ir.errors import TracegraphError
from compiler.lowering import jax_compat
from tracegraph.signatures.signature import Signature, Static
from tracegraph.userlines import call_site

jax_compat.hide_frames(__file__)

_NUMBERS = (bool, int, float, complex)
_NO_DATA = frozenset("OSUMm")
"""Kinds of numpy's element types that JAX has none for: objects, texts, dates."""


@final
@jax.tree_util.register_static
class StaticLeaf:
    """A value that belongs to the structure of its tree; two are one if nothing tells them apart.

    Python's own equality will not do: ``1 == 1.0 == True``, ``0.0 == -0.0``, and nan differs from
    itself.
    """

    __slots__ = ("_key", "value")

    def __init__(self, value: Any) -> None:
        self.value = value
        self._key = (type(value), repr(value) if type(value) in _NUMBERS else value)
        hash(self._key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StaticLeaf) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    def __repr__(self) -> str:
        return repr(self.value)


class StaticLeaves:
    """Finds the leaves of a call that are no arrays.

    Args:
        signature: knows the names of the arguments.
    """

    def __init__(self, signature: Signature) -> None:
        self._signature = signature

    def fixed(
        self, args: Sequence[Any], kwargs: dict[str, Any], jit_static: Static
    ) -> tuple[Any, Any] | None:
        """The arguments with every such leaf made static; None where there is no such leaf.

        Args:
            args: by position.
            kwargs: by name.
            jit_static: the arguments that jit takes as static itself.

        Raises:
            TracegraphError: such a leaf is not hashable.
        """
        static = self._signature.static_names(len(args), jit_static)
        labels = [self._signature.label(i) for i in range(len(args))]
        dynamic = [v for n, v in zip(labels, args, strict=True) if n not in static]
        dynamic += [v for n, v in kwargs.items() if n not in static]
        if all(map(is_array, jax.tree.leaves(dynamic))):
            return None
        fix = functools.partial(self._fix, static)
        fixed_args = tuple(fix(name, arg) for name, arg in zip(labels, args, strict=True))
        return fixed_args, {name: fix(name, arg) for name, arg in kwargs.items()}

    def _fix(self, static: frozenset[str], name: str, arg: Any) -> Any:
        if name in static:
            return arg
        return jax.tree_util.tree_map_with_path(functools.partial(self._leaf, name), arg)

    def _leaf(self, name: str, path: Any, leaf: Any) -> Any:
        if is_array(leaf):
            return leaf
        try:
            return StaticLeaf(leaf)
        except TypeError as error:
            raise self._unhashable(name + jax.tree_util.keystr(path), leaf) from error

    def _unhashable(self, path: str, leaf: Any) -> TracegraphError:
        return TracegraphError(
            f"the argument {path} of {self._signature.name} is neither an array nor hashable",
            where=call_site(),
            expected="arrays, and values with __hash__ and __eq__ such as a frozen dataclass",
            found=f"a {type(leaf).__name__}",
            hint="freeze the class, or register it with jax.tree_util.register_dataclass if it "
            "holds arrays",
        )


class UnwrappingFunction:
    """The user's function, called with the values of static leaves.

    Args:
        fun: the user's function.
    """

    __slots__ = ("__dict__", "__weakref__", "fun")  # the dict is for the user's own attributes

    def __init__(self, fun: Callable[..., Any]) -> None:
        functools.update_wrapper(self, fun)
        self.fun = fun

    def __reduce__(self) -> tuple[Any, ...]:
        return UnwrappingFunction, (self.fun,)

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """The function's result."""
        plain_args, plain_kwargs = jax.tree.map(_value, (args, kwargs), is_leaf=_is_static)
        return self.fun(*plain_args, **plain_kwargs)


def is_array(leaf: Any) -> bool:
    """Whether jit can take the leaf as data; Python's numbers are not meant."""
    shaped = hasattr(leaf, "shape") and hasattr(leaf, "dtype")
    is_data = shaped and getattr(leaf.dtype, "kind", "") not in _NO_DATA
    return is_data or hasattr(leaf, "__jax_array__")


def _is_static(value: object) -> bool:
    return isinstance(value, StaticLeaf)


def _value(leaf: Any) -> Any:
    return leaf.value if isinstance(leaf, StaticLeaf) else leaf
