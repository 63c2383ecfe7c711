"""Two compiled programs are the same where names, lines and numbers of ops alone differ."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from benchmarks.suite.same import bare, is_same_program

ADDED = """HloModule jit_one, is_scheduled=true

FileNames
1 "one.py"

ENTRY %main.1 (x.1: f32[8]) -> f32[8] {
  %x.1 = f32[8]{0} parameter(0), metadata={op_name="x"}
  ROOT %add.2 = f32[8]{0} add(%x.1, %x.1), metadata={op_name="jit(one)/{a}" stack_frame_id=3}
}
"""
RENAMED = """HloModule jit_other, is_scheduled=true

ENTRY %main.7 (y: f32[8]) -> f32[8] {
  %y = f32[8]{0} parameter(0)
  ROOT %multiply = f32[8]{0} add(%y, %y)
}
"""


def compiled(function):
    return jax.jit(function).lower(jnp.ones(8), jnp.ones(8)).compile().as_text()


def test_names_lines_and_numbers_do_not_count():
    assert is_same_program(ADDED, RENAMED)
    assert "one" not in bare(ADDED)


def test_ops_and_operands_count():
    assert not is_same_program(ADDED, ADDED.replace("add(", "multiply("))
    assert not is_same_program(RENAMED, RENAMED.replace("add(", "multiply("))
    assert not is_same_program(ADDED, ADDED.replace("f32[8]", "f32[9]"))
    two = "ENTRY %m (a: f32[], b: f32[]) -> f32[] {\n  %a = f32[] parameter(0)\n"
    both = [
        f"{two}  %b = f32[] parameter(1)\n  ROOT %c = f32[] subtract({args})\n}}"
        for args in ("%a, %b", "%b, %a")
    ]
    assert not is_same_program(*both)


def test_what_jax_compiles():
    one = compiled(lambda x, y: jnp.sin(x) * y)
    assert is_same_program(one, compiled(lambda a, b: jnp.sin(a) * b))
    assert not is_same_program(one, compiled(lambda x, y: jnp.cos(x) * y))
    assert not is_same_program(one, compiled(lambda x, y: jnp.sin(y) * x))
