"""The reference evaluator: runs a graph one op at a time.

Every op is an XLA program of its own, or computed on the host where its bits are fixed, so nothing
is fused across ops, no rounding depends on what stands around an op, and every intermediate value
can be seen. Calls, branches and loops are
interpreted here, so that the ops of a loop's body run one by one as well; every other op with
regions, and every op that nobody defined, runs whole through its primitive.

Not a way to run anything fast: each op pays for its own dispatch, and for a compilation when it is
the first of its kind and shapes.
"""

# jax annotates its functions in part only.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from compiler.ir.errors import TracegraphError
from compiler.ir.graph import CONSTANT, Graph, Operation, Region, Value
from compiler.lowering import jax_compat
from compiler.lowering.arguments import Values, arguments_of, check_value, numeric_dtype
from compiler.lowering.check_types import type_settings
from compiler.lowering.convert_types import to_aval
from compiler.lowering.export_jax import constant_value, primitive_and_params, source_info
from compiler.lowering.on_host import device_array, host_runner
from compiler.ops.parameters import integer
from compiler.passes.inline import CALLS, DERIVATIVES

Runner = Callable[[Values], Values]
"""From an op's operands to its results."""

Observer = Callable[[Operation, Values], None]
"""Told of an op's results each time it has run: ops in regions first, then the op they are in."""

Binder = Callable[[Operation, Values, Runner], Values]
"""Stands between an op that is not interpreted and its primitive: gives the op's results."""

_INTERPRETED_CALLS: Final = CALLS | DERIVATIVES


def evaluate(graph: Graph, *arrays: Any, observe: Observer | None = None) -> tuple[Any, ...]:
    """The results of a graph, each op run by itself in program order.

    Args:
        graph: what to run; side effects happen.
        arrays: a value for each parameter that is not captured, or for each parameter.
        observe: told of every op's results.

    Raises:
        TracegraphError: the values do not fit the parameters, or an op cannot run.
    """
    return Evaluator(graph, observe=observe)(*arrays)


class Evaluator:
    """A graph made ready to be evaluated any number of times.

    Args:
        graph: what to run.
        observe: told of every op's results.
        bind: runs the ops that are not interpreted; None to run each as it is.
    """

    def __init__(
        self, graph: Graph, *, observe: Observer | None = None, bind: Binder | None = None
    ) -> None:
        self.graph = graph
        self._observe = observe
        self._bind = bind
        self._prepared: dict[Region, Sequence[_Step]] = {}

    def __call__(self, *arrays: Any) -> tuple[Any, ...]:
        """The graph's results; see ``evaluate``."""
        with type_settings(self.graph):
            return tuple(self._region(self.graph.body, arguments_of(self.graph, arrays)))

    def _region(self, region: Region, arguments: Values) -> list[Any]:
        values: dict[Value, Any] = dict(zip(region.parameters, arguments, strict=True))
        for step in self._steps(region):
            results = step.run([values[value] for value in step.op.operands])
            if self._observe is not None:
                self._observe(step.op, results)
            values.update(zip(step.op.results, results, strict=True))
            for value in step.dying:
                del values[value]
        return [values[value] for value in region.outputs]

    def _steps(self, region: Region) -> Sequence[_Step]:
        """The ops of a region, made ready when it first runs."""
        found = self._prepared.get(region)
        if found is None:
            ops = [op for op in region if not op.is_terminator]
            dying = _dying(region, ops)
            found = [_Step(op, self._runner(op), dying.get(op, ())) for op in ops]
            self._prepared[region] = found
        return found

    def _runner(self, op: Operation) -> Runner:
        if op.name == CONSTANT:
            value = _constant(op)
            return lambda _: [value]
        interpret = _INTERPRETERS.get(op.name)
        if interpret is not None and op.regions:
            runner = interpret(self._region, op)
            if runner is not None:
                return runner
        whole = _Whole(op)
        bind = self._bind
        return whole if bind is None else lambda operands: bind(op, operands, whole)


class _Step(NamedTuple):
    """An op at its place in a region, and the values that nobody reads after it."""

    op: Operation
    run: Runner
    dying: Sequence[Value]


def _dying(region: Region, ops: Sequence[Operation]) -> dict[Operation, list[Value]]:
    """The values that are read, or made and never read, for the last time by each op."""
    last: dict[Value, Operation] = {}
    for op in ops:
        last.update(dict.fromkeys((*op.operands, *op.results), op))
    found: dict[Operation, list[Value]] = {}
    for value in last.keys() - set(region.outputs):
        found.setdefault(last[value], []).append(value)
    return found


class _Whole:
    """Runs an op by itself, and checks that it gives what the graph says."""

    def __init__(self, op: Operation) -> None:
        self._op = op
        self._function: Any = None
        self._on_host = host_runner(op)

    def __call__(self, operands: Values) -> Values:
        try:
            results = self._run(operands)
        except TracegraphError:
            raise
        except Exception as error:
            raise _failed(self._op, error) from error
        for result, value in zip(results, self._op.results, strict=True):
            check_value(result, value.type, f"a result of {self._op.name}", self._op.location)
        return results

    def _run(self, operands: Values) -> Values:
        found = self._on_host(operands) if self._on_host is not None else None
        return found if found is not None else self._on_device(operands)

    def _on_device(self, operands: Values) -> Values:
        if self._function is None:
            self._function = op_function(self._op)
        try:
            return self._function(*operands)
        except NotImplementedError:  # the primitive can be compiled, but not run by itself
            self._function = jax.jit(self._function)
            return self._function(*operands)


def op_function(op: Operation) -> Callable[..., Values]:
    """The function that binds an op's primitive, under the op's own settings and source line."""
    primitive, params = primitive_and_params(op)
    operands = [jax_compat.make_var(to_aval(value.type)) for value in op.operands]
    results = [jax_compat.make_var(to_aval(value.type)) for value in op.results]
    return jax_compat.equation_function(
        jax_compat.make_equation(
            operands, results, primitive, params, set(), source_info(op.location), op.context
        )
    )


def _constant(op: Operation) -> Any:
    value = constant_value(op.attributes["value"])
    dtype = numeric_dtype(op.result.type)
    return value if dtype is None else device_array(value, dtype)


# How the ops whose regions are interpreted run. ``Run`` evaluates a region.

Run = Callable[[Region, Values], list[Any]]


def _call(run: Run, op: Operation) -> Runner | None:
    if len(op.regions) != 1 or len(op.regions[0].parameters) != len(op.operands):
        return None
    return lambda operands: run(op.regions[0], operands)


def _cond(run: Run, op: Operation) -> Runner | None:
    def runner(operands: Values) -> Values:
        index, *arguments = operands
        taken = min(max(int(index), 0), len(op.regions) - 1)
        return run(op.regions[taken], arguments)

    return runner


def _while(run: Run, op: Operation) -> Runner | None:
    test, body = op.region("cond_jaxpr"), op.region("body_jaxpr")
    if getattr(test.outputs[0].type, "shape", None) != ():
        return None  # each element of a batch stops by itself
    in_test, in_body = integer(op, "cond_nconsts"), integer(op, "body_nconsts")

    def runner(operands: Values) -> Values:
        test_constants, rest = operands[:in_test], operands[in_test:]
        body_constants, carry = rest[:in_body], rest[in_body:]
        while bool(run(test, [*test_constants, *carry])[0]):
            carry = run(body, [*body_constants, *carry])
        return carry

    return runner


def _scan(run: Run, op: Operation) -> Runner | None:
    length, carried = integer(op, "length"), integer(op, "num_carry")
    first = integer(op, "num_consts")
    if length == 0:
        return None  # the body never runs: the primitive knows what empty results look like
    order = range(length)[:: -1 if op.attributes.get("reverse") else 1]
    (body,) = op.regions

    def runner(operands: Values) -> Values:
        constants, carry = operands[:first], list(operands[first : first + carried])
        slices = [list(stacked) for stacked in operands[first + carried :]]
        rows: list[Values] = [()] * length
        for i in order:
            results = run(body, [*constants, *carry, *(column[i] for column in slices)])
            carry, rows[i] = results[:carried], results[carried:]
        return [*carry, *(_stack(column) for column in zip(*rows, strict=True))]

    return runner


def _stack(values: Values) -> Any:
    """The values under a new first dimension; on the host, where any number of them is cheap."""
    if any(isinstance(value, jax.Array) and not _is_on_host(value) for value in values):
        return jnp.stack(values)
    return device_array(np.stack([np.asarray(value) for value in values]))


def _is_on_host(value: jax.Array) -> bool:
    return value.is_fully_addressable and not jnp.issubdtype(value.dtype, jax.dtypes.extended)


_INTERPRETERS: Final[dict[str, Callable[[Run, Operation], Runner | None]]] = {
    **dict.fromkeys(_INTERPRETED_CALLS, _call),
    "cond": _cond,
    "while": _while,
    "scan": _scan,
}
"""Each makes the runner of an op, or says by None that the op runs whole."""


def _failed(op: Operation, error: Exception) -> TracegraphError:
    return TracegraphError(
        f"the op {op.name} cannot be evaluated",
        where=str(op.location),
        expected=f"operands and parameters that the primitive {op.name} takes",
        found=f"{type(error).__name__}: {error}",
        hint="see the first error; correct the graph's text, or the rewrite that made the op",
    )
