"""Running a graph again and again harms nobody."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.experimental import io_callback

from compiler.ir import Graph, TracegraphError
from compiler.lowering.import_jaxpr import import_jaxpr
from compiler.lowering.quiet import check_repeatable, prints, run_quietly
from tests.differential.test_effects import new_ref

X = jnp.arange(4.0)


def captured(function: Any, *arguments: Any) -> Graph:
    return import_jaxpr(jax.make_jaxpr(function)(*arguments)).freeze()


def printing(x: Any) -> Any:
    jax.debug.print("once {x}", x=x.sum(), ordered=True)
    lax.fori_loop(0, 2, lambda i, _: jax.debug.print("{i}", i=i, ordered=True), None)
    jax.debug.print("unordered")
    return x * 2


def test_debug_calls_are_kept_and_not_made(capfd: pytest.CaptureFixture[str]) -> None:
    graph = captured(printing, X)
    check_repeatable(graph)
    outcome = run_quietly(graph, [X])
    jax.effects_barrier()
    assert capfd.readouterr().out == ""
    assert [np.asarray(value).tolist() for value in outcome.printed] == [6.0, 0, 1]
    assert outcome.results[0].tolist() == [0, 2, 4, 6]


def test_who_prints() -> None:
    assert prints(captured(printing, X))
    assert not prints(captured(jnp.sin, X))


def test_mutable_arrays_are_copied_and_their_contents_are_results() -> None:
    ref = new_ref(X)

    def f(r: Any, y: Any) -> Any:
        r[0] = r[0] + y
        return r[0]

    graph = captured(f, ref, 5.0)
    check_repeatable(graph)
    for _ in range(2):
        outcome = run_quietly(graph, [ref, 5.0])
        assert [np.asarray(value).tolist() for value in outcome.results] == [5, [5, 1, 2, 3]]
    assert ref[...].tolist() == [0, 1, 2, 3]


def test_a_binder_does_not_see_debug_calls() -> None:
    seen: list[str] = []

    def bind(op: Any, operands: Any, run: Any) -> Any:
        seen.append(op.name)
        return run(operands)

    run_quietly(captured(printing, X), [X], bind)
    assert {"reduce_sum", "mul"} <= set(seen)
    assert not any("debug" in name for name in seen)


def test_output_of_its_own_is_refused() -> None:
    def f(x: Any) -> Any:
        return io_callback(lambda v: v, jax.ShapeDtypeStruct((4,), x.dtype), x)

    with pytest.raises(TracegraphError, match="@function cannot be run again and again") as caught:
        check_repeatable(captured(lambda x: lax.cond(x[0] > 0, f, lambda y: y, x), X))
    assert "test_quiet.py" in caught.value.where
    assert caught.value.found == "IO"


def test_a_pure_callback_may_be_called() -> None:
    def f(x: Any) -> Any:
        return jax.pure_callback(np.sin, jax.ShapeDtypeStruct((4,), x.dtype), x)

    graph = captured(f, X)
    check_repeatable(graph)
    assert run_quietly(graph, [X]).results[0].tolist() == np.sin(X).tolist()
