"""The rewritings by hand give what their workloads give, at the workloads' own sizes."""

from __future__ import annotations

import jax
import pytest

from benchmarks.suite.measure import LARGEST_DIFFERENCE, _apart
from benchmarks.suite.workloads import GROUPS

WRITTEN = [one for group in GROUPS.values() for one in group if one.by_hand is not None]


@pytest.mark.parametrize("workload", WRITTEN, ids=lambda one: one.name)
def test_a_rewriting_gives_what_its_workload_gives(workload):
    call = workload.make()
    written = workload.by_hand.call(call)
    expected = workload.by_hand.kept(jax.jit(call.function)(*call.arguments))
    found = jax.jit(written.function)(*written.arguments)
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    assert jax.tree.map(lambda x: (x.shape, x.dtype), found) == jax.tree.map(
        lambda x: (x.shape, x.dtype), expected
    )
    assert max(_apart(expected, found)) <= LARGEST_DIFFERENCE


def test_every_lead_has_a_rewriting_that_is_measured_here():
    leads = [one.name for group in GROUPS.values() for one in group if one.lead]
    assert leads == [one.name for one in WRITTEN]


def test_adam_by_hand_keeps_vectors():
    call = next(one for one in WRITTEN if one.name == "Adam over 200 leaves").make()
    written = WRITTEN[0].by_hand.call(call)
    sizes = sorted(leaf.size for leaf in jax.tree.leaves(written.arguments))
    assert sizes == [1] + [200 * 64 * 64] * 4
