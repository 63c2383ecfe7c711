"""The proof of a rule: it fires, keeps the values within its class, and comes to an end.

The rules of tracegraph are proved by this in the test suite, a user's rule when it is registered.
"""

# JAX annotates its functions in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import jax
import jax.numpy as jnp
import numpy as np

from compiler.ir.graph import Graph
from compiler.lowering.evaluate import Evaluator
from compiler.lowering.inputs import edge_values, few_numbers, moved, random_arguments
from compiler.lowering.on_host import device_array
from compiler.lowering.rule_cases import (
    Case,
    apply,
    base_case,
    extreme,
    function_of,
    graph_of,
    variants,
)
from compiler.lowering.rule_errors import (
    RuleError,
    broken,
    differs,
    does_not_fire,
    failed,
    place_of,
    where_of,
)
from compiler.lowering.yardstick import Noise, Yardstick
from compiler.rewrite.numerics import Numerics
from compiler.rewrite.rule import Example, Rule

SEEDS: Final = (0, 1)
BATCH: Final = 2


def check_rule(rule: Rule, others: Iterable[Rule] = (), *, thorough: bool = True) -> None:
    """Returns if the rule keeps its word on its examples.

    It must fire on each; the values must agree within its class, where elements are equal or zero
    too, at edge values where the class promises it, and at other sizes and element types; if it is
    transparent, derivatives and batches must agree; it must come to an end, by itself and together
    with the other rules; and it must not fire where it says that it does not.

    Args:
        rule: the rule.
        others: rules that will be applied beside it.
        thorough: whether to go through the other sizes and element types as well.

    Raises:
        RuleError: it does not; the error says how.
    """
    if not rule.examples:
        raise RuleError(
            f"the rule {rule.name} has no example",
            where=place_of(rule),
            expected="examples=(example(function, argument types), ...)",
            found="none",
            hint="give the smallest JAX program on which it fires",
        )
    for example in rule.examples:
        _check_example(rule, example, thorough)
    check_company(rule, others)
    for example in rule.rejects:
        _check_rejection(rule, example)


def _check_example(rule: Rule, example: Example, thorough: bool) -> None:
    case = base_case(example)
    optimized = _fired(rule, case)
    if optimized is None:
        raise does_not_fire(rule, case)
    _check_values(rule, case, optimized)
    if rule.transparent:
        _check_transparency(rule, case, optimized)
    for other in variants(example) if thorough else ():
        changed = _fired(rule, other)
        if changed is not None:
            _check_values(rule, other, changed)


def _fired(rule: Rule, case: Case) -> Graph | None:
    """The graph after the rule; None if it did not fire."""
    outcome = apply(rule, case.captured)
    if outcome.log.failures:
        raise failed(rule, case, outcome.log.failures[0].error)
    return outcome.graph if outcome.log.firings else None


def _check_values(rule: Rule, case: Case, optimized: Graph) -> None:
    for seed in SEEDS:
        arguments = random_arguments(case.captured, seed)
        _compare(rule, case.title, case.captured, optimized, arguments, rule.numerics)
        _compare_at_ties(rule, case.title, case.captured, optimized, arguments, rule.numerics)
    if rule.numerics <= Numerics.ROUNDING:
        arguments = _at_the_edge(random_arguments(case.captured, 2))
        title = f"{case.title}, at edge values"
        _compare(rule, title, case.captured, optimized, arguments, rule.numerics)


def _at_the_edge(arguments: Sequence[Any]) -> list[Any]:
    rng = np.random.default_rng(0)
    edged = [moved(value, edge_values, rng) for value in arguments]
    return [_extreme(value, rng) for value in edged]


def _extreme(value: Any, rng: np.random.Generator) -> Any:
    if not jnp.issubdtype(value.dtype, jnp.integer):
        return value
    return device_array(extreme(np.asarray(value), rng))


def _check_transparency(rule: Rule, case: Case, optimized: Graph) -> None:
    """Compares forward derivatives, backward derivatives and batches of both graphs."""
    numerics = max(rule.numerics, Numerics.ROUNDING)
    arguments = random_arguments(case.captured, 0)
    for title, transform in _TRANSFORMS:
        pair = [_transformed(transform, graph, arguments) for graph in (case.captured, optimized)]
        captured, changed = pair
        if captured is None:
            continue  # the program itself cannot be transformed so
        if changed is None:
            raise broken(rule, f"{case.title}, {title}", "the program can, the rewritten cannot")
        again = random_arguments(captured, 1)
        _compare(rule, f"{case.title}, {title}", captured, changed, again, numerics)
        _compare_at_ties(rule, f"{case.title}, {title}", captured, changed, again, numerics)


def _compare_at_ties(
    rule: Rule,
    title: str,
    captured: Graph,
    optimized: Graph,
    arguments: Sequence[Any],
    numerics: Numerics,
) -> None:
    """Compares where many elements are equal, and where all are zero.

    Rules of the class FINITE are spared negative zeros and zeros alone, as they are edge values.
    """
    strict = numerics < Numerics.FINITE
    tied = [few_numbers(value, negative_zeros=strict) for value in arguments]
    _compare(rule, f"{title}, at ties", captured, optimized, tied, numerics)
    if strict:
        zeros = [_zeros_like(value) for value in arguments]
        _compare(rule, f"{title}, at zero", captured, optimized, zeros, numerics)


def _zeros_like(value: Any) -> Any:
    """Zeros, made on the host: a program for each shape would take longer than the rest."""
    is_key = jnp.issubdtype(value.dtype, jax.dtypes.extended)
    return jnp.zeros_like(value) if is_key else device_array(np.zeros(value.shape, value.dtype))


def _repeated(value: Any) -> Any:
    """The value as a batch, made on the host."""
    is_key = jnp.issubdtype(value.dtype, jax.dtypes.extended)
    many = [value] * BATCH if is_key else [np.asarray(value)] * BATCH
    return jnp.stack(many) if is_key else device_array(np.stack(many))


def _transformed(transform: Any, graph: Graph, arguments: Sequence[Any]) -> Graph | None:
    try:
        function, shapes = transform(function_of(graph), arguments)
        return graph_of(function, shapes)
    except (TypeError, ValueError, NotImplementedError):
        return None


def _forward(function: Any, arguments: Sequence[Any]) -> tuple[Callable[..., Any], list[Any]]:
    places = _differentiable(arguments)

    def derivative(*given: Any) -> Any:
        primals, tangents = given[: len(arguments)], given[len(arguments) :]
        moving = tuple(primals[i] for i in places)
        return jax.jvp(_of_places(function, primals, places), moving, tangents)

    return derivative, [*arguments, *(arguments[i] for i in places)]


def _backward(function: Any, arguments: Sequence[Any]) -> tuple[Callable[..., Any], list[Any]]:
    places = _differentiable(arguments)

    def gradient(*given: Any) -> Any:
        results, pull = jax.vjp(_of_places(function, given, places), *(given[i] for i in places))
        return pull([_cotangent(jnp.asarray(result)) for result in results])

    return gradient, list(arguments)


def _batched(function: Any, arguments: Sequence[Any]) -> tuple[Callable[..., Any], list[Any]]:
    return jax.vmap(function), [_repeated(value) for value in arguments]


_TRANSFORMS: Final = (
    ("forward derivative", _forward),
    ("backward derivative", _backward),
    ("batched", _batched),
)


def _of_places(function: Any, arguments: Sequence[Any], places: Sequence[int]) -> Any:
    """The function of the arguments at some places, the others held fixed."""

    def partial(*moving: Any) -> Any:
        whole = list(arguments)
        for place, value in zip(places, moving, strict=True):
            whole[place] = value
        return function(*whole)

    return partial


def _differentiable(arguments: Sequence[Any]) -> list[int]:
    return [i for i, value in enumerate(arguments) if jnp.issubdtype(value.dtype, jnp.inexact)]


def _cotangent(result: Any) -> Any:
    """A fixed direction, different for each element."""
    if not jnp.issubdtype(result.dtype, jnp.inexact):
        return np.zeros(result.shape, jax.dtypes.float0)
    steps = jnp.arange(result.size, dtype=jnp.float32).reshape(result.shape)
    return jnp.cos(steps).astype(result.dtype)


def _compare(
    rule: Rule,
    title: str,
    captured: Graph,
    optimized: Graph,
    arguments: Sequence[Any],
    numerics: Numerics,
) -> None:
    expected = Evaluator(captured)(*arguments)
    found = Evaluator(optimized)(*arguments)

    def noisy(noise: Noise) -> Sequence[Any]:
        changed = [noise.argument(value, i) for i, value in enumerate(arguments)]
        return Evaluator(captured, bind=noise.bind)(*changed)

    verdicts = Yardstick(captured, noisy, expected).verdicts(found, numerics)
    for index, verdict in enumerate(verdicts):
        if not verdict.ok:
            raise differs(rule, title, index, verdict, captured)


def check_company(rule: Rule, others: Iterable[Rule]) -> None:
    """Returns if a rule and others come to an end together, on the rule's examples.

    Raises:
        RuleError: they undo each other's work for ever.
    """
    company = tuple(others)
    for example in rule.examples:
        _check_company(rule, base_case(example).captured, company)


def _check_company(rule: Rule, captured: Graph, others: Sequence[Rule]) -> None:
    beside = [other for other in others if other is not rule]
    outcome = apply(rule, captured, beside)
    if not outcome.log.failures:
        return
    fired = [firing.rule for firing in outcome.log.firings]
    busy = sorted(set(fired), key=fired.count, reverse=True)[:3]
    raise RuleError(
        f"the rule {rule.name} does not come to an end beside other rules",
        where=where_of(rule, captured),
        expected="rules that lead to one form",
        found=f"these undo each other's work: {', '.join(busy)}",
        hint="add a guard to one of them, or let it lead to the other's normal form",
    )


def _check_rejection(rule: Rule, example: Example) -> None:
    case = base_case(example)
    outcome = apply(rule, case.captured)
    if outcome.log.failures:
        raise failed(rule, case, outcome.log.failures[0].error)
    near = outcome.log.near_misses.get(rule.name)
    reason = near.miss.reason if near else "no op of the pattern was there"
    if not outcome.log.firings and example.reason in reason:
        return
    raise RuleError(
        f"the rule {rule.name} does not refuse a program that it says it refuses",
        where=where_of(rule, case.captured),
        expected=f"no firing, because of: {example.reason or 'any reason'}",
        found="it fired" if outcome.log.firings else f"no firing, because of: {reason}",
        hint="correct the guard, or the example among its rejects",
    )
