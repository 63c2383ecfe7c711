"""Kernels: other ways to compute an op, each for the platforms on which it was measured to pay.

A kernel changes how an op is computed, never what. It is put beside the op in a branch on the
platform, so that a program lowered for several carries each platform's own.
"""

# JAX annotates its functions in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import reduce
from importlib.metadata import version
from typing import Any, Final, TypeAlias

import jax.numpy as jnp
import numpy as np
from jax import lax

from compiler.analysis.constants import is_constant
from compiler.ir.attributes import attribute_key
from compiler.ir.graph import Graph, Operation, Value
from compiler.ir.types import ArrayType
from compiler.lowering import jax_compat
from compiler.lowering.export_jax import export_jaxpr, primitive_and_params
from compiler.ops.host import host
from compiler.ops.parameters import array_type, integers
from compiler.rewrite.expression import spliced
from compiler.rewrite.match import Match
from compiler.rewrite.numerics import Numerics
from compiler.rewrite.pattern import Pattern
from compiler.rewrite.regions import graph_between
from compiler.rewrite.rule import Example, Guard, Refusal, Replacement, Rule

CPU: Final = ("cpu",)

Form: TypeAlias = "Callable[[Match], Callable[..., Any] | Refusal]"
"""From a match, a JAX function of what ``inputs_of`` names, or the reason why there is none."""


def is_between(since: tuple[int, ...], until: tuple[int, ...] | None) -> bool:
    """Whether the installed jaxlib is one of these versions, the last one left out."""
    installed = tuple(map(int, re.findall(r"\d+", version("jaxlib"))[:3]))
    return since <= installed and (until is None or installed < until)


SINCE_0_10: Final = (0, 10, 0)
IS_EARLY: Final = not is_between(SINCE_0_10, None)
"""Whether jaxlib is older than 0.10, whose loops over running ops, searches and windows leave less
to gain: measured with 0.7.2, which Colab has."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """A program on which a kernel was measured.

    Attributes:
        program: the program, at the sizes that were measured.
        ratio: plain jit's time over the kernel's.
        jaxlib: the version it was measured with.
        early: whether it is faster before jaxlib 0.10, too.
    """

    program: Example
    ratio: float
    jaxlib: str = "0.10.2"
    early: bool = True


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Kernel:
    """Another way to compute what a pattern matches.

    Attributes:
        name: in lower case with hyphens.
        law: what it computes, and how.
        pattern: the op, or the ops, that it stands in for.
        form: gives the JAX function, which takes the root's operands where the root is all that is
            matched, else what ``inputs_of`` names. It returns an array, or a tuple of one for each
            result of the root.
        reads: what it reads where it stands in for more ops than are matched; ``form`` gets these.
        context: what of the ops around the root decides on the form, where types and attributes do
            not say it all.
        needs: ops without which it fires nowhere in a graph, where the root alone does not say so.
        numerics: what it does to the numbers.
        guards: what has to hold for it to be right.
        pays: why it would not pay here, if it would not; asked after the guards.
        platforms: where it is used.
        since: the first jaxlib for which it is used.
        until: the first jaxlib for which it is no longer used; None while there is none.
        examples: programs that it is proved on, at small sizes.
        rejects: programs on which a guard refuses it.
        evidence: where it was measured, and what it gave.
    """

    name: str
    law: str
    pattern: Pattern
    form: Form
    reads: Callable[[Match], Sequence[Value]] | None = None
    context: Callable[[Match], Hashable] = lambda _: None
    needs: tuple[str, ...] = ()
    numerics: Numerics = Numerics.EXACT
    guards: tuple[Guard, ...] = ()
    pays: Guard
    platforms: tuple[str, ...] = CPU
    since: tuple[int, ...] = (0, 7, 2)
    until: tuple[int, ...] | None = None
    examples: tuple[Example, ...]
    rejects: tuple[Example, ...] = ()
    evidence: tuple[Evidence, ...]

    @property
    def is_current(self) -> bool:
        """Whether it is used with the installed jaxlib."""
        return is_between(self.since, self.until)

    @property
    def current_evidence(self) -> tuple[Evidence, ...]:
        """What holds for the installed jaxlib."""
        found = self.evidence if self.is_current else ()
        return tuple(one for one in found if one.early or not IS_EARLY)

    def rule(self, *, always: bool = False) -> Rule:
        """The rule that puts the kernel beside the op.

        Args:
            always: whether to do so where it does not pay as well, to prove that it is right.
        """
        costs = () if always else (self.pays,)
        return Rule(
            name=self.name,
            law=self.law,
            pattern=self.pattern,
            replace=self._beside,
            numerics=self.numerics,
            guards=(has_known_sizes, is_not_chosen_yet, *self.guards, *costs),
            normal_form="the form that is measured to be faster on the platform",
            examples=self.examples,
            rejects=self.rejects,
        )

    def _beside(self, m: Match) -> Replacement:
        inputs = list(self.reads(m)) if self.reads is not None else inputs_of(m)
        key = self._key(m, inputs)
        known = _made.get(key) if key is not None else None
        if known is None:
            known = self._graph(m, inputs)
            if isinstance(known, Refusal):
                return known
            if key is not None and len(_made) < MAX_MADE:
                _made[key] = known
        return spliced(known, *inputs)

    def _key(self, m: Match, inputs: Sequence[Value]) -> object:
        """Equal for matches that get the same graph; None where more than the types decides."""
        op = m.root
        if (
            self.reads is not None
            or len(m.ops) > 1
            or op.regions
            or any(is_constant(value) for value in inputs)
        ):
            return None
        attributes = tuple((k, attribute_key(v)) for k, v in sorted(op.attributes.items()))
        slots = tuple(inputs.index(value) for value in op.operands)
        settings = jax_compat.trace_settings()
        types = tuple(v.type for v in inputs)
        return (self, op.name, attributes, slots, types, settings, self.context(m))

    def _graph(self, m: Match, inputs: Sequence[Value]) -> Graph | Refusal:
        """The branch on the platform, of the kernel and the op."""
        form = self.form(m)
        if isinstance(form, Refusal):
            return form
        original = jax_compat.jaxpr_function(export_jaxpr(graph_between(inputs, m.root.results)))
        single = len(m.root.results) == 1

        def default(*operands: Any) -> Any:
            results = original(*operands)
            return results[0] if single else tuple(results)

        by_slot = self.reads is None and len(m.ops) == 1
        slots = [inputs.index(v) for v in m.root.operands] if by_slot else None

        def kernel(*operands: Any) -> Any:
            return form(*(operands if slots is None else [operands[slot] for slot in slots]))

        def chosen(*operands: Any) -> Any:
            kernels = dict.fromkeys(self.platforms, kernel)
            return lax.platform_dependent(*operands, **kernels, default=default)

        return host().trace(chosen, [value.type for value in inputs])


_made: Final[dict[object, Graph]] = {}
MAX_MADE: Final = 256
"""So many graphs are kept; a program of many layers uses few, each many times."""


def inputs_of(m: Match) -> list[Value]:
    """What the matched ops read from outside, each once, in the order of their places.

    The operands of the root come first, those of an inner op in the place where its result is read.
    """
    found: list[Value] = []
    inner = {op for op in m.ops if op is not m.root}
    pending = [*reversed(m.root.operands)]
    while pending:
        value = pending.pop()
        if value.producer in inner:
            pending += reversed(value.producer.operands)
        elif value not in found:
            found.append(value)
    return found


def has_known_sizes(m: Match) -> str | None:
    """Whether the guards that follow may ask for sizes and compare them."""
    values = [value for op in m.ops for value in (*op.operands, *op.results)]
    known = all(isinstance(v.type, ArrayType) and v.type.is_static for v in values)
    return None if known else "it has sizes that are no numbers"


def lies_in_rows(m: Match) -> str | None:
    """Whether what the op reads is no transposed array, whose rows are columns in memory.

    A kernel that reads an array several times then goes through the columns as often.
    """
    maker = m.root.operands[0].producer
    if maker is None or maker.name != "transpose":
        return None
    order = integers(maker, "permutation")
    return None if order[-1] == len(order) - 1 else "it reads a transposed array"


def is_not_chosen_yet(m: Match) -> str | None:
    """Whether the op still stands in the open, not in a branch on the platform."""
    region = m.root.parent
    while region is not None and isinstance(region.owner, Operation):
        if region.owner.attributes.get("branches_platforms") is not None:
            return "it is in a branch on the platform already"
        region = region.owner.parent
    return None


def function_of(op: Operation) -> Callable[..., Any]:
    """An op without regions as a function of its operands, which may have other shapes."""
    return function_with(op)


def function_with(op: Operation, **changed: Any) -> Callable[..., Any]:
    """The same, with some of the primitive's parameters changed."""
    primitive, params = primitive_and_params(op)
    return lambda *operands: primitive.bind(*operands, **{**params, **changed})


def is_emulated(value: Value) -> bool:
    """Whether XLA's CPU backend computes an array's numbers in wider ones.

    So it does with floats of at most 16 bits but half precision; what only moves them is converted
    with them, element by element.
    """
    dtype = array_type(value).dtype
    if not isinstance(dtype, np.dtype) or not jnp.issubdtype(dtype, jnp.floating):
        return False
    return dtype.itemsize <= 2 and dtype != np.float16


def product(sizes: Sequence[int]) -> int:
    """The product of sizes."""
    return reduce(operator.mul, sizes, 1)
