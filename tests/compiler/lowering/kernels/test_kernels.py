"""Every kernel from its table: it is right, and it is used where it was measured."""

from __future__ import annotations

import pytest

from compiler.lowering.check_rule import check_rule
from compiler.lowering.kernels import GROUPS, KERNELS, processor
from compiler.lowering.rule_cases import apply, base_case
from compiler.passes.manager import PassManager
from compiler.passes.pipeline import parse_pipeline
from compiler.rewrite.rule import guard_name

CURRENT = {name: kernel for name, kernel in KERNELS.items() if kernel.is_current}
EVIDENCE = [
    pytest.param(kernel, evidence, id=f"{name}-{index}")
    for name, kernel in CURRENT.items()
    for index, evidence in enumerate(kernel.current_evidence)
]


@pytest.mark.parametrize("name", KERNELS)
def test_the_kernel_computes_what_the_op_computes(name):
    check_rule(KERNELS[name].rule(always=True))


@pytest.mark.parametrize("name", [name for name, kernel in KERNELS.items() if kernel.guards])
def test_each_guard_has_a_program_that_it_rejects(name):
    kernel = KERNELS[name]
    reasons = [reason_against(kernel, program) for program in kernel.rejects]
    for guard in kernel.guards:
        assert any(r.startswith(f"{guard_name(guard)}:") for r in reasons), (guard, reasons)


def reason_against(kernel, program):
    log = apply(kernel.rule(always=True), base_case(program).captured).log
    return log.near_misses[kernel.name].miss.reason


@pytest.mark.parametrize(("kernel", "evidence"), EVIDENCE)
def test_the_kernel_is_used_where_it_was_measured(kernel, evidence, monkeypatch):
    monkeypatch.setattr(processor, "has_wide_vectors", lambda: True)
    captured = base_case(evidence.program).captured
    pipeline = parse_pipeline("lower-platform{numerics=fast}")
    run = PassManager(pipeline).run(captured)
    assert not run.failures
    fired = [firing.rule for firing in run.runs[0].log.firings]
    assert kernel.name in fired
    again = PassManager(pipeline).run(run.graph)
    assert not again.runs[0].changes


def test_every_table_is_about_something():
    assert all(GROUPS.values())
    assert all(kernel.evidence for kernel in KERNELS.values())


@pytest.mark.parametrize("name", CURRENT)
def test_small_programs_are_left_to_xla(name):
    """Some of the examples are too small to be worth the kernel."""
    kernel = KERNELS[name]
    logs = [apply(kernel.rule(), base_case(program).captured).log for program in kernel.examples]
    assert not all(log.firings for log in logs)
