"""The text of compiled modules: both ways in which XLA writes lines, and what else it may hold."""

# ruff: noqa: E501 XLA writes long lines

from __future__ import annotations

import jax
import jax.numpy as jnp
import pytest

from tracegraph.executable.hlo import Shape, parse_module
from tracegraph.executable.work import Work, work_of

NEW = """\
HloModule jit_f, is_scheduled=true, entry_computation_layout={(f32[8]{0})->f32[8]{0}}

FileNames
1 "model.py"
2 "other file.py"

FunctionNames
1 "f"

FileLocations
1 {file_name_id=1 function_name_id=1 line=7 end_line=7 column=4 end_column=9}
2 {file_name_id=2 function_name_id=1 line=9 end_line=9 column=4 end_column=9}

StackFrames
1 {file_location_id=1 parent_frame_id=1}
2 {file_location_id=2 parent_frame_id=2}


%fused (p.1: f32[8]) -> f32[8] {
  %p.1 = f32[8]{0} parameter(0)
  ROOT %exp.1 = f32[8]{0} exponential(%p.1), metadata={op_name="jit(f)/a \\"b\\"/exp" stack_frame_id=2}
}

ENTRY %main.1 (x.1: f32[8]) -> (f32[8], s32[]) {
  %x.1 = f32[8]{0} parameter(0), metadata={op_name="x"}
  %f.1 = f32[8]{0} fusion(%x.1), kind=kLoop, calls=%fused, metadata={op_name="jit(f)/exp" stack_frame_id=1}
  %w.1 = (f32[8]{0}, /*index=1*/s32[]) while(%f.1), condition=%c, body=%b, backend_config={"known_trip_count":{"n":"12"}}
  %n.1 = pred[] custom-call(), custom_call_target="a(b"
  ROOT %t.1 = (f32[8]{0}, s32[]) tuple(%f.1, %n.1)
}
"""

OLD = """\
HloModule jit_f

ENTRY main.1 {
  x.1 = f32[2,3]{1,0} parameter(0)
  ROOT dot.2 = bf16[2,2]{1,0} dot(%x.1, %x.1), lhs_contracting_dims={1}, rhs_contracting_dims={1}, metadata={op_name="jit(f)/dot_general" source_file="/a b/model.py" source_line=12 source_end_line=12}
}
"""


def test_tables_of_frames():
    module = parse_module(NEW)
    assert (module.name, module.entry) == ("jit_f", "main.1")
    fusion = module.computations["main.1"][1]
    assert (fusion.file, fusion.line) == ("model.py", 7)
    assert fusion.called == (("calls", "fused"),)
    (_, exp) = module.computations["fused"]
    assert (exp.file, exp.line, exp.is_root) == ("other file.py", 9, True)
    assert exp.path == 'jit(f)/a \\"b\\"/exp'


def test_lines_in_the_metadata():
    module = parse_module(OLD)
    (_, dot) = module.computations["main.1"]
    assert (dot.file, dot.line) == ("/a b/model.py", 12)
    assert dot.operands == ("x.1", "x.1")
    assert dot.shapes == (Shape("bf16", (2, 2), "1,0"),)
    assert dot.nbytes == 8
    known = {one.name: one for one in module.computations["main.1"]}
    assert work_of(dot, known) == Work(2 * 2 * 2 * 3)


def test_loops_and_tuples():
    loop = parse_module(NEW).computations["main.1"][2]
    assert loop.trip_count == 12
    assert loop.called == (("condition", "c"), ("body", "b"))
    assert [shape.nbytes for shape in loop.shapes] == [32, 4]
    assert parse_module(NEW).computations["main.1"][3].trip_count is None


@pytest.mark.parametrize(
    "text", ["", "not a module", "HloModule x\n\nENTRY %m () -> f32[] {\n  %a\n}\n"]
)
def test_what_is_no_module_gives_nothing(text):
    assert sum(len(body) for body in parse_module(text).computations.values()) == 0


def test_a_module_of_the_installed_xla():
    def f(x, k):
        y = jax.lax.conv_general_dilated(
            x, k, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        y = jax.lax.cond(y.sum() > 0, jnp.sin, jnp.cos, y)
        return jnp.sort(y, axis=1), y.argmax()

    text = jax.jit(f).lower(jnp.ones((1, 8, 8, 2)), jnp.ones((3, 3, 2, 4))).compile().as_text()
    module = parse_module(text)
    assert module.entry in module.computations
    called = {name for body in module.computations.values() for i in body for _, name in i.called}
    assert called <= module.computations.keys()
    assert all(i.opcode and i.shapes for body in module.computations.values() for i in body)
