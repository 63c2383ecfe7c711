"""The keywords of the decorator: what each is called, and what is made of them."""

from __future__ import annotations

import difflib
import math
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from inspect import Parameter, Signature
from typing import Any, Final, Literal, TypedDict, cast

from compiler.ir.errors import TracegraphError
from compiler.passes.configure import configured, rolling
from compiler.passes.pipeline import DEFAULT_PIPELINE, Pipeline, parse_pipeline
from compiler.rewrite.numerics import Numerics
from tracegraph.debug.check import parse_checks
from tracegraph.donation import refuse_both
from tracegraph.retraces.budgets import NO_BUDGETS, Budgets
from tracegraph.rules import Rule, verify_all
from tracegraph.signatures.front import NOTHING_SAID, SignatureOptions
from tracegraph.tuner import Autotune
from tracegraph.warm.cache import Cache, cache_settings


class Options(TypedDict, total=False):
    """What ``tracegraph.function`` takes beside the function; the second half is ``jax.jit``'s."""

    passes: str | Pipeline | None
    rules: Sequence[Rule]
    numerics: str | Numerics | None
    autotune: bool | Autotune
    roll_layers: bool
    donate_replaced: bool
    autograph: bool
    input_signature: object
    buckets: Mapping[str, Sequence[int]] | None
    static_nonarrays: bool
    check: str | Sequence[str] | None
    cache: bool | Literal["verify"] | Cache | None
    max_traces: int | None
    max_ops: int | None
    max_compile_seconds: float | None
    max_peak_bytes: int | None

    in_shardings: Any
    out_shardings: Any
    static_argnums: int | Sequence[int] | None
    static_argnames: str | Sequence[str] | None
    donate_argnums: int | Sequence[int] | None
    donate_argnames: str | Sequence[str] | None
    keep_unused: bool
    device: Any
    backend: str | None
    inline: bool
    compiler_options: dict[str, Any] | None


@dataclass(frozen=True)
class Settings:
    """How one function is traced, optimised, compiled and watched.

    Attributes:
        pipeline: the passes at the top level.
        jit: the options of ``jax.jit``.
        autotune: how to choose by measurement at the first call of a signature; None not to.
        autograph: whether the function's control flow on traced values is converted.
        signature: what was said of the arguments.
        checks: what is looked for in every op at the top level.
        budgets: what the function may cost.
        cache: how compiled programs are kept for later processes; None not to.
        donates: whether arguments that the function replaces are given away.
    """

    pipeline: Pipeline
    jit: dict[str, Any]
    autotune: Autotune | None = None
    autograph: bool = False
    signature: SignatureOptions = NOTHING_SAID
    checks: tuple[str, ...] = ()
    budgets: Budgets = NO_BUDGETS
    cache: Cache | None = None
    donates: bool = False

    @property
    def of_program(self) -> Settings:
        """What of them a compiled program depends on."""
        return replace(self, cache=None, budgets=NO_BUDGETS)

    @property
    def is_shared(self) -> bool:
        """Whether decorations with equal passes and options of jit's have one compiled program."""
        return self == Settings(self.pipeline, self.jit)

    def of_values(self, jit: dict[str, Any]) -> Settings:
        """The settings of a function that stands behind this one, with other options of jit's."""
        return replace(self, jit=jit, autograph=False, signature=NOTHING_SAID, donates=False)


DEFAULTS: Final[Mapping[str, Any]] = {
    "passes": None,
    "rules": (),
    "numerics": None,
    "autotune": False,
    "roll_layers": False,
    "donate_replaced": False,
    "autograph": False,
    "input_signature": None,
    "buckets": None,
    "static_nonarrays": False,
    "check": None,
    "cache": None,
    "max_traces": None,
    "max_ops": None,
    "max_compile_seconds": None,
    "max_peak_bytes": None,
}
"""What a keyword of ours means where it is left out; all others are ``jax.jit``'s."""

_LISTS: Final = frozenset(
    {"rules", "static_argnums", "static_argnames", "donate_argnums", "donate_argnames"}
)
"""Keywords that take any iterable, an iterator too."""


def signature() -> Signature:
    """The signature that ``help`` shows of the decorator."""
    fun = Parameter("fun", Parameter.POSITIONAL_ONLY, default=None)
    named = [Parameter(n, Parameter.KEYWORD_ONLY, default=value) for n, value in DEFAULTS.items()]
    return Signature([fun, *named, Parameter("jit_options", Parameter.VAR_KEYWORD)])


def settings_of(options: Mapping[str, Any]) -> Settings:
    """What a user's keywords mean; those that are not ours are ``jax.jit``'s.

    Raises:
        TracegraphError: one of ours has a value that means nothing.
    """
    ours = {name: options.get(name, default) for name, default in DEFAULTS.items()}
    jit = {name: _kept(name, value) for name, value in options.items() if name not in DEFAULTS}
    return Settings(
        pipeline=_rolled(_pipeline(ours["passes"], ours["rules"], ours["numerics"]), ours),
        jit=jit,
        autotune=_autotune(ours["autotune"]),
        autograph=_switch("autograph", ours["autograph"]),
        signature=SignatureOptions(
            ours["input_signature"],
            ours["buckets"],
            _switch("static_nonarrays", ours["static_nonarrays"]),
        ),
        checks=parse_checks(ours["check"]),
        budgets=Budgets(**{one.name: ours[one.name] for one in fields(Budgets)}),
        cache=cache_settings(ours["cache"]),
        donates=_donates(ours["donate_replaced"], jit),
    )


@contextmanager
def naming_misspelt(options: Mapping[str, Any]) -> Generator[None]:
    """Adds a note to jit's ``TypeError`` about a keyword that is like one that is known."""
    try:
        yield
    except TypeError as error:
        for name in options:
            near = difflib.get_close_matches(name, Options.__annotations__, n=1)
            if name not in Options.__annotations__ and near and repr(name) in str(error):
                error.add_note(f"tracegraph: did you mean {near[0]}?")
        raise


def _switch(name: str, value: object) -> bool:
    """What is on or off."""
    if isinstance(value, bool):
        return value
    raise TracegraphError(
        f"{name} is on or off",
        expected=f"{name}=True or {name}=False",
        found=repr(value),
        hint=f"write {name}=True to have it",
    )


def kept(options: Mapping[str, Any]) -> dict[str, Any]:
    """Keywords that can be read more than once: what is used up by reading is read here.

    Raises:
        TypeError: the function is among them.
    """
    if "fun" in options:
        raise TypeError("function() takes its function by position, not by the keyword fun")
    return {name: _kept(name, value) for name, value in options.items()}


def _kept(name: str, value: Any) -> Any:
    """A keyword's value as it is now: several jits are made from it, some of them later."""
    if name == "compiler_options" and isinstance(value, Mapping):
        return dict(cast("Mapping[str, Any]", value))
    return _read(value) if name in _LISTS and not isinstance(value, str | Rule) else value


def _read(values: Any) -> Any:
    try:
        iter(values)
    except TypeError:
        return values  # whoever asks for the values in it says what it is not
    return tuple(values)


def _pipeline(
    passes: str | Pipeline | None, rules: Sequence[Rule], numerics: str | Numerics | None
) -> Pipeline:
    """The passes to run."""
    text: Any = DEFAULT_PIPELINE if passes is None else passes
    if not isinstance(text, str | Pipeline):
        raise TracegraphError(
            "passes is one text, or a Pipeline",
            expected='a text such as "inline,cse,dce"',
            found=repr(text),
            hint="join the names of the passes by commas",
        )
    pipeline = text if isinstance(text, Pipeline) else parse_pipeline(text)
    if not rules and numerics is None:
        return pipeline
    return configured(pipeline, numerics=numerics, rules=verify_all(rules))


def _rolled(pipeline: Pipeline, ours: Mapping[str, Any]) -> Pipeline:
    """The passes with layers rolled where that was asked for, or where the budget would break."""
    if _switch("roll_layers", ours["roll_layers"]):
        return rolling(pipeline)
    seconds = ours["max_compile_seconds"]
    is_budget = isinstance(seconds, (int, float)) and 0 < seconds < math.inf
    return rolling(pipeline, over_ms=max(1, int(seconds * 1e3))) if is_budget else pipeline


def _donates(donate_replaced: object, jit: Mapping[str, Any]) -> bool:
    """Whether arguments that the function replaces are given away."""
    donates = _switch("donate_replaced", donate_replaced)
    if donates:
        refuse_both(jit)
    return donates


def _autotune(autotune: object) -> Autotune | None:
    """How to tune."""
    if isinstance(autotune, bool):
        return Autotune() if autotune else None
    if isinstance(autotune, Autotune):
        return autotune
    raise TracegraphError(
        "a function cannot be tuned so",
        expected="autotune=True, or autotune=tg.Autotune(seconds=30)",
        found=repr(autotune),
        hint="leave autotune out to choose by the tables and the cost model",
    )
