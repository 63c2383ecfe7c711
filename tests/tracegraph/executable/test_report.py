"""``step.kernels``: what XLA made, traced back to ops and lines."""

# ruff: noqa: E501 XLA writes long lines

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax

import tracegraph as tg
from tracegraph.executable.report import kernel_report


def ones(*shape):
    return jax.ShapeDtypeStruct(shape, jnp.float32)


def line_of(function, offset):
    return (__file__, function.__code__.co_firstlineno + offset)


def lines(kernel):
    return {(frame.file, frame.line) for frame in kernel.lines}


def two_products(x, w):
    y = x @ w
    return jnp.tanh(y) @ w


def test_products_are_traced_back_to_their_lines():
    report = tg.function(two_products).kernels(ones(32, 64), ones(64, 64))
    dots = [one for one in report.kernels if any(op.name == "dot_general" for op in one.ops)]
    products = 2 * 2 * 32 * 64 * 64  # XLA may make one kernel of both
    assert products <= sum(one.flops for one in dots) < 1.1 * products
    found = set().union(*map(lines, dots))
    assert found >= {line_of(two_products, 1), line_of(two_products, 2)}
    assert sum(one.transcendentals for one in report.kernels) >= 32 * 64


def test_a_loop_says_how_often_its_kernels_run():
    def loop(x, w):
        return lax.scan(lambda c, _: (jnp.tanh(c @ w), None), x, None, length=9)[0]

    report = tg.function(loop).kernels(ones(16, 16), ones(16, 16))
    (dot,) = [one for one in report.kernels if any(op.name == "dot_general" for op in one.ops)]
    assert dot.times == 9


def test_ops_of_one_name_on_one_line_are_told_apart_by_their_scope():
    def scoped(x):
        out = []
        for name in ("first", "second"):
            with jax.named_scope(name):
                out.append(x @ x)
                x = x + 1
        return out

    report = tg.function(scoped).kernels(ones(64, 64))
    dots = [one for one in report.kernels if any(op.name == "dot_general" for op in one.ops)]
    stacks = [op.location.name_stack for one in dots for op in one.ops if op.name == "dot_general"]
    assert sorted(stacks) == ["first", "second"]


def test_weights_of_a_kernel_sum_to_one():
    report = tg.function(lambda x: jnp.exp(x - 1.0) * jnp.tanh(x)).kernels(ones(256))
    mapped = [one for one in report.kernels if one.ops]
    assert mapped
    assert all(abs(sum(one.weights) - 1) < 1e-9 for one in mapped)


def test_a_copy_for_a_layout_is_named():
    report = tg.function(lambda x: x.T).kernels(ones(600, 700))
    moves = [one for one in report.kernels if one.written == 4 * 600 * 700]
    assert moves
    assert all(one.is_copy or any(op.name == "transpose" for op in one.ops) for one in moves)


def test_large_results_that_are_read_again_are_named():
    report = tg.function(lambda x, w: jnp.tanh(x @ w) @ w).kernels(ones(512, 512), ones(512, 512))
    assert report.intermediates
    assert all(one.written >= 1 << 20 and not one.is_output for one in report.intermediates)
    assert "written and read again: 1.05 MB" in str(report)


def test_predicted_groups_have_a_fate():
    report = tg.function(lambda x: jnp.sum(jnp.tanh(x) * 2.0 + 1.0)).kernels(ones(4096))
    assert report.groups
    assert {one.verdict for one in report.groups} <= {"one kernel", "split", "merged", "not seen"}
    assert any(one.kernels for one in report.groups)
    assert "groups were predicted" in str(report)


HLO = """\
HloModule jit_f

%first (p: f32[8]) -> f32[8] {
  %p = f32[8]{0} parameter(0)
  ROOT %e = f32[8]{0} exponential(%p), metadata={op_name="jit(f)/exp"}
}

%second (q: f32[8]) -> f32[] {
  %q = f32[8]{0} parameter(0)
  %e.1 = f32[8]{0} exponential(%q), metadata={op_name="jit(f)/exp"}
  %z = f32[] constant(0)
  ROOT %r = f32[] reduce(%e.1, %z), dimensions={0}, to_apply=%sum, metadata={op_name="jit(f)/reduce_sum"}
}

ENTRY %main (x: f32[8]) -> (f32[8], f32[]) {
  %x = f32[8]{0} parameter(0)
  %a = f32[8]{0} fusion(%x), kind=kLoop, calls=%first
  %b = f32[] fusion(%x), kind=kInput, calls=%second
  %c = f32[8]{0} copy(%a)
  ROOT %t = (f32[8]{0}, f32[]) tuple(%c, %b)
}
"""


def test_an_op_in_two_kernels_is_computed_again():
    graph = tg.function(lambda x: (jnp.exp(x), jnp.sum(jnp.exp(x)))).graph(ones(8))
    report = kernel_report(graph, HLO)
    (again,) = report.recomputed
    assert (again.name, again.kernels, again.elements) == ("exp", ("a", "b"), 8)
    assert "computed again: exp" in str(report)
    assert [one.name for one in report.copies] == ["c"]
    assert [one.is_output for one in report.kernels] == [False, True, True]


def test_two_ops_that_are_alike_are_not_computed_again():
    graph = tg.function(lambda x: (jnp.exp(x), jnp.sum(jnp.exp(x))), passes="").graph(ones(8))
    assert kernel_report(graph, HLO).recomputed == ()


def test_where_there_is_no_text_it_is_said():
    graph = tg.function(lambda x: x + 1).graph(ones(8))
    report = kernel_report(graph, "")
    assert report.kernels == ()
    assert "shows no text" in str(report)


def test_what_a_branch_hands_on_is_a_result():
    def either(flag, x):
        return jax.lax.cond(flag, lambda x: jnp.tanh(x) * 2, lambda x: x + 1, x)

    report = tg.function(either).kernels(jnp.array(True), ones(512, 512))
    large = [one for one in report.kernels if one.written >= 1 << 20]
    assert len(large) >= 2
    assert all(one.is_output for one in large)
    assert not report.intermediates


def test_what_a_loop_hands_on_to_itself_is_read_again():
    def loop(x):
        return jax.lax.fori_loop(0, 5, lambda _, x: jnp.sin(x) @ x, x)

    report = tg.function(loop).kernels(ones(512, 512))
    assert report.intermediates
