"""While loops: those that can be counted become scans; what does not change leaves the loop."""

# JAX annotates its functions in part only.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import jax.numpy as jnp
from jax import lax

from compiler.analysis.constants import trip_count, uniform
from compiler.analysis.cost import nbytes
from compiler.ir.graph import Region, Value
from compiler.rewrite.expression import Term
from compiler.rewrite.match import Match
from compiler.rewrite.pattern import op
from compiler.rewrite.regions import Draft, Outside, depending, ops_behind
from compiler.rewrite.rule import Refusal, Replacement, Rule, example
from compiler.rewrite.twins import frontier, twins
from compiler.rewrite.whiles import Fill, While, counted
from compiler.rules.work import MAX_GROWN_BYTES, is_dear, is_work

ANY_WHILE: Final = op["while"].any()


def _counted(m: Match) -> Replacement:
    """A loop that runs never or once is no loop; one that runs a known number of times a scan."""
    loop = While(m.root)
    goes_on = uniform(loop.test.outputs[0])
    count = 0 if goes_on is not None and not goes_on else trip_count(m.root)
    if count is None:
        return Refusal("how often it runs is not known")
    if count == 0:
        return list(loop.first)
    if count == 1:
        carried: dict[Value, Term] = dict(zip(loop.carries, loop.first, strict=True))
        return Outside({**loop.known(loop.body), **carried}).terms(loop.following)
    return counted(loop, count) or Refusal("JAX is set to trace a scan as something else")


def _unchanged(m: Match) -> Replacement:
    """A carry that no run changes is a constant."""
    loop = While(m.root)
    triples = zip(loop.carries, loop.following, loop.first, strict=True)
    same = [i for i, (a, b, first) in enumerate(triples) if a is b and a.type == first.type]
    if not same:
        return Refusal("each carry changes")
    keep = [slot for slot in range(len(loop.carries)) if slot not in same]
    if not keep:
        return Refusal("no carry changes: the loop runs never or for ever")
    constants = [loop.first[slot] for slot in same]

    def fill_test(draft: Draft, more: Sequence[Value], _: Sequence[Value]) -> Sequence[Value]:
        _bind(draft, [loop.test_carries[slot] for slot in same], more)
        return draft.copy(loop.test.outputs)

    def fill_body(draft: Draft, more: Sequence[Value], _: Sequence[Value]) -> Sequence[Value]:
        _bind(draft, [loop.carries[slot] for slot in same], more)
        return draft.copy([loop.following[slot] for slot in keep])

    results = loop.remade(keep, fill_test, fill_body, for_test=constants, for_body=constants)
    return [
        loop.first[slot] if slot in same else results[keep.index(slot)]
        for slot in range(len(loop.carries))
    ]


def _bind(draft: Draft, olds: Sequence[Value], values: Sequence[Value]) -> None:
    for old, value in zip(olds, values, strict=True):
        draft.bind(old, value)


def _invariants(m: Match) -> Replacement:
    """What depends on constants only is computed once, before the loop."""
    loop = While(m.root)
    in_test = _invariant(loop, loop.test, loop.test_carries)
    in_body = _invariant(loop, loop.body, loop.carries)
    if not in_test and not in_body:
        return Refusal("nothing in the loop that is worth it depends on constants only")
    return loop.remade(
        range(len(loop.carries)),
        _with(loop.test, in_test),
        _with(loop.body, in_body),
        for_test=Outside(loop.known(loop.test)).terms(in_test),
        for_body=Outside(loop.known(loop.body)).terms(in_body),
    )


def _with(region: Region, values: Sequence[Value]) -> Fill:
    def fill(draft: Draft, more: Sequence[Value], _: Sequence[Value]) -> Sequence[Value]:
        _bind(draft, values, more)
        return draft.copy(region.outputs)

    return fill


def _invariant(loop: While, region: Region, carries: Sequence[Value]) -> list[Value]:
    changing = depending(region, carries)
    same = [v for inner in region for v in inner.results if v not in changing]
    known = loop.known(region)

    def is_worth_it(value: Value) -> bool:
        producer = value.producer
        if producer is None or not (producer.name == "transpose" or is_work(producer)):
            return False
        read = {v for inner in ops_behind([value], known) for v in inner.operands if v in known}
        return nbytes(value) <= max(MAX_GROWN_BYTES, sum(map(nbytes, read)))

    return frontier(region, same, is_worth_it)


def _shared_with_test(m: Match) -> Replacement:
    """What the test computes is handed to the body, where that computes it again."""
    loop = While(m.root)
    shared = _computed_twice(loop)
    if not shared:
        return Refusal("the body computes nothing costly that the test does")
    in_test, in_body = list(shared.values()), list(shared)
    slots = range(len(loop.carries))
    carried: dict[Value, Term] = dict(zip(loop.test_carries, loop.first, strict=True))
    first = Outside({**loop.known(loop.test), **carried}).terms(in_test)
    by_outer = {loop.outer(value): value for value in loop.constants}
    constants = [loop.outer(value) for value in loop.test_constants]
    missing = [value for value in constants if value not in by_outer]

    def fill_test(draft: Draft, _: Sequence[Value], carries: Sequence[Value]) -> Sequence[Value]:
        _bind(draft, in_test, carries)
        return draft.copy(loop.test.outputs)

    def fill_body(draft: Draft, more: Sequence[Value], carries: Sequence[Value]) -> Sequence[Value]:
        _bind(draft, in_body, carries)
        following = draft.copy(loop.following)
        inside = dict(zip(missing, more, strict=True))
        for old, outer in zip(loop.test_constants, constants, strict=True):
            (value,) = draft.copy([by_outer[outer]]) if outer in by_outer else (inside[outer],)
            draft.bind(old, value)
        _bind(draft, loop.test_carries, following)
        return [*following, *draft.copy(in_test)]

    results = loop.remade(slots, fill_test, fill_body, for_body=missing, carries=first)
    return results[: len(loop.carries)]


def _computed_twice(loop: While) -> dict[Value, Value]:
    """Costly values of the body that the test has computed, with their twins there."""
    outer = {loop.outer(value): value for value in loop.test_constants}
    known = dict(zip(loop.carries, loop.test_carries, strict=True))
    for value in loop.constants:
        if loop.outer(value) in outer:
            known[value] = outer[loop.outer(value)]
    found = twins(loop.test, loop.body, known)
    changing = depending(loop.body, loop.carries)
    common = [value for value in found if value in changing]
    return {value: found[value] for value in frontier(loop.body, common, _is_dear)}


def _is_dear(value: Value) -> bool:
    return value.producer is not None and is_dear(value.producer)


def _until(test: Any, body: Any) -> Any:
    """A program that runs ``body(x, c)`` while ``test(x, c)`` holds, but 9 times at most."""

    def program(x: Any, c: Any) -> Any:
        return lax.while_loop(
            lambda s: (s[0] < 9) & test(s[1], c), lambda s: (s[0] + 1, body(s[1], c)), (0, x)
        )

    return program


RULES: Final = (
    Rule(
        name="while-counted",
        law="while(i < n) body = scan(body, length=n - i)",
        pattern=ANY_WHILE,
        replace=_counted,
        normal_form="a loop that can be counted is a scan",
        examples=(
            example(
                lambda x: lax.while_loop(
                    lambda s: s[0] < 10, lambda s: (s[0] + 3, jnp.tanh(s[1]) * 1.1), (0, x)
                ),
                "f32[n]",
            ),
            example(
                lambda x: lax.while_loop(
                    lambda s: s[0] <= 0, lambda s: (s[0] + 1, s[1] * s[2], s[2]), (0, x, x)
                ),
                "f32[n]",
            ),
            example(
                lambda x: lax.while_loop(
                    lambda s: s[0] < 0, lambda s: (s[0] + 1, jnp.tanh(s[1])), (0, x)
                ),
                "f32[n]",
            ),
        ),
        rejects=(
            example(
                lambda x: lax.while_loop(lambda s: s.sum() < 3.0, lambda s: s + 1.0, x),
                "f32[n]",
                reason="not known",
            ),
        ),
        elsewhere="Enzyme-JAX: WhileSimplify; XLA: while-loop simplifier, trip count analysis",
    ),
    Rule(
        name="while-unchanged-carry",
        law="a carry that the body hands on as it is = a constant of the loop",
        pattern=ANY_WHILE,
        replace=_unchanged,
        transparent=True,
        normal_form="what no run of a loop changes is one of its constants",
        examples=(
            example(
                lambda x, y: lax.while_loop(
                    lambda s: (s[0] < 9) & (s[1].sum() < s[2].sum()),
                    lambda s: (s[0] + 1, s[1] + jnp.sin(s[2]), s[2]),
                    (0, x, y),
                ),
                "f32[n]",
                "f32[n]",
            ),
        ),
        elsewhere="Enzyme-JAX: WhileSimplify; XLA: while-loop simplifier",
    ),
    Rule(
        name="while-invariants-out",
        law="while(p(c), f(g(c), s)) = while(p, f(h, s)) with h = g(c) before",
        pattern=ANY_WHILE,
        replace=_invariants,
        transparent=True,
        normal_form="what no run of a loop changes is one of its constants",
        examples=(
            example(
                _until(lambda x, w: x[0] < jnp.exp(w).sum(), lambda x, w: w.T @ x),
                "f32[n]",
                "f32[n,n]",
            ),
        ),
        elsewhere="Enzyme-JAX: WhileLICM, TransposeLICM; XLA: invariant code motion, which leaves "
        "single transposes inside",
    ),
    Rule(
        name="while-test-shares-work",
        law="while(p(f(s)), g(f(s), s)) carries f(s)",
        pattern=ANY_WHILE,
        replace=_shared_with_test,
        transparent=True,
        normal_form="what is computed once is not computed in the loop again",
        examples=(
            example(
                _until(lambda x, a: (a @ x).max() > 1e-3, lambda x, a: x - 0.125 * (a @ x)),
                "f32[n]",
                "f32[n,n]",
            ),
        ),
    ),
)
