"""What stands between a call and jit: static leaves, the signature's checks, and buckets.

A function without one of these options has no front, and pays nothing.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import jax

from compiler.ir.errors import TracegraphError
from compiler.lowering import jax_compat
from tracegraph.deprecated import said_before
from tracegraph.signatures.annotations import ANNOTATIONS, annotated_specs
from tracegraph.signatures.buckets import Buckets
from tracegraph.signatures.signature import Signature
from tracegraph.signatures.static_leaves import StaticLeaves, UnwrappingFunction
from tracegraph.signatures.symbolic import SignedFunction
from tracegraph.userlines import call_site

jax_compat.hide_frames(__file__)


@dataclass(frozen=True)
class SignatureOptions:
    """What a user may say of the arguments; see ``tracegraph.function``."""

    input_signature: object = None
    buckets: object = None
    static_nonarrays: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether nothing is said."""
        return self.input_signature is None and self.buckets is None and not self.static_nonarrays


NOTHING_SAID: Final = SignatureOptions()


def _as_it_is(result: Any) -> Any:
    return result


@dataclass(frozen=True)
class OtherForm:
    """A call of the decorated function that answers another one.

    Attributes:
        args: the arguments by position.
        kwargs: the arguments by name.
        finish: makes the answer of its result.
    """

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    finish: Callable[[Any], Any] = _as_it_is


class Front:
    """The way of a call to jit.

    Args:
        user: the user's function.
        options: what the user said of its arguments.
        jit_options: those of ``jax.jit``.

    Attributes:
        fun: the function to give to jit.
        buckets: the sizes to compile for; None where every size is.
    """

    def __init__(
        self, user: Callable[..., Any], options: SignatureOptions, jit_options: Mapping[str, Any]
    ) -> None:
        self._made_from = (user, options, dict(jit_options))
        self._user = user
        self._plain = _plain_jit(user, jit_options)
        fun: Callable[..., Any] = user
        if options.static_nonarrays:
            fun = UnwrappingFunction(fun)
        self._static = StaticLeaves(Signature(user, ())) if options.static_nonarrays else None
        self._signed = self._sign(fun, options)
        self.fun = fun if self._signed is None else self._signed
        self.buckets = self._bucketed(options)

    def __reduce__(self) -> tuple[Any, ...]:
        return Front, self._made_from

    def arguments(self, args: Any, kwargs: Any) -> tuple[Any, Any]:
        """The arguments as jit takes them: leaves that are no arrays are static if asked for."""
        return self._fixed(args, kwargs) or (args, kwargs)

    def other_form(self, args: Any, kwargs: Any) -> OtherForm | None:
        """The form in which a call goes to jit; None if that is the form in which it is.

        Raises:
            TracegraphError: the call does not fit the signature or the buckets.
        """
        fixed = self._fixed(args, kwargs)
        if fixed is not None:
            return OtherForm(*fixed)
        if self.buckets is None or not jax_compat.at_top_level():
            return None
        leaves = jax_compat.traced_arguments(self._plain, args, kwargs)
        padded = self.buckets.padded(args, kwargs, leaves)
        if padded is None:
            return None
        made = jax_compat.with_traced_arguments(self._plain, args, kwargs, padded.leaves)
        return OtherForm(*made, padded.cut)

    def bucket_of(self, args: Any, kwargs: Any) -> str:
        """The buckets that a call's sizes are, in words."""
        if self.buckets is None or self._signed is None:
            return ""
        return self.buckets.names_of(self._signed.bind(args, kwargs))

    @property
    def runs(self) -> int | None:
        """How often the user's Python ran; None where it runs for each trace of jit's."""
        return None if self._signed is None else self._signed.runs

    def forget(self) -> None:
        """Forgets what was traced."""
        if self._signed is not None:
            self._signed.forget()

    def _fixed(self, args: Any, kwargs: Any) -> tuple[Any, Any] | None:
        if self._static is None:
            return None
        return self._static.fixed(args, kwargs, jax_compat.static_positions(self._plain))

    def _sign(self, fun: Callable[..., Any], options: SignatureOptions) -> SignedFunction | None:
        if options.input_signature is None:
            return None
        text = isinstance(options.input_signature, str)
        read = text and options.input_signature == ANNOTATIONS
        specs = annotated_specs(self._user) if read else options.input_signature
        static = jax_compat.static_positions(self._plain)
        return SignedFunction(fun, Signature(self._user, specs), static)

    def _bucketed(self, options: SignatureOptions) -> Buckets | None:
        if options.buckets is None:
            return None
        if self._signed is not None:
            return Buckets(self._signed, options.buckets)
        raise TracegraphError(
            "a function cannot have buckets without an input signature",
            where=call_site(),
            expected="a signature that names the size of each bucket",
            found=f"buckets={options.buckets!r}",
            hint='add input_signature=[tg.Spec(("batch", 784), "float32")]',
        )


def front_of(
    user: Callable[..., Any], options: SignatureOptions, jit_options: Mapping[str, Any]
) -> Front | None:
    """The front that these options ask for; None if they ask for nothing."""
    return None if options.is_empty else Front(user, options, jit_options)


def _plain_jit(user: Callable[..., Any], options: Mapping[str, Any]) -> Any:
    """A jit that is never called: it knows which arguments are static."""
    with said_before(options):
        return jax.jit(user, **options)
