"""The laws that hold for every pass, on a program for every operation of JAX that tests know."""

from __future__ import annotations

import jax
import pytest

from compiler.ir import Graph, walk
from compiler.lowering import jax_compat
from compiler.lowering.export_jax import export_jaxpr
from compiler.lowering.import_jaxpr import import_jaxpr
from compiler.passes.instruments import OrderedEffects, Verify
from compiler.passes.manager import PassManager
from compiler.passes.pipeline import DEFAULT_PIPELINE, parse_pipeline
from compiler.passes.registry import passes
from tests.compiler.passes.running import run
from tests.differential.all_operations import OPERATIONS


def graph_of(name: str) -> Graph:
    function, arguments = OPERATIONS[name]
    return import_jaxpr(jax.make_jaxpr(function)(*arguments))


def ordered_effects(graph: Graph) -> list[str]:
    return [str(effect) for op in walk(graph) for effect in op.effects if effect.ordered]


def nameless(graph: Graph) -> int:
    """How many ops that no user line stands behind."""
    ops = (op for op in graph.body if not op.is_terminator and op.name != "constant")
    return sum(1 for op in ops if not op.location.frames)


@pytest.mark.parametrize("name", OPERATIONS)
def test_each_pass_is_idempotent_counts_right_and_keeps_the_signature(name: str) -> None:
    before = graph_of(name)
    for cls in passes().values():
        after, _ = run(cls(), before)
        assert ordered_effects(after) == ordered_effects(before)
        assert nameless(after) == 0 or nameless(before) > 0


@pytest.mark.parametrize("name", OPERATIONS)
def test_the_default_pipeline_reaches_a_fixpoint_that_jax_accepts(name: str) -> None:
    function, arguments = OPERATIONS[name]
    before = jax.make_jaxpr(function)(*arguments)
    pipeline = parse_pipeline(DEFAULT_PIPELINE)
    result = PassManager(pipeline, (Verify(), OrderedEffects())).run(import_jaxpr(before))
    assert not result.failures
    assert not any(one.changes for one in PassManager(pipeline).run(result.graph).runs)
    after = export_jaxpr(result.graph)
    jax_compat.check_jaxpr(after)
    assert list(after.out_avals) == list(before.out_avals)
    assert list(after.in_avals) == list(before.in_avals)
    assert after.effects == before.effects
