"""Whether kernels still pay among other operations: XLA fuses what is around an op, and a kernel.

Each program of the evidence is measured as it is, behind what computes its first array and in front
of what reads its results. Where the kernel does not fire, there is nothing to measure.
"""

# JAX annotates its functions in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownLambdaType=false

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

import tracegraph as tg
from benchmarks.timing import Comparison, compare, per_call
from compiler.lowering.inputs import random_arguments
from compiler.lowering.kernels import KERNELS
from compiler.lowering.kernels.kernel import Kernel
from compiler.lowering.rule_cases import base_case, function_of

BAR: Final = 1.1
"""Not slower, but for noise: each is measured in a few rounds only."""

ROUNDS: Final = 7
LEVEL: Final = "reassociate"
SECONDS_PER_SAMPLE: Final = 0.01

Function: TypeAlias = "Callable[..., Any]"
Arguments: TypeAlias = "Sequence[Any]"


def _scaled(x: Any) -> Any:
    row = jnp.linspace(0.5, 1.5, x.shape[-1]).astype(x.dtype)
    return x * row + row


def _turned(x: Any) -> Any:
    return jnp.swapaxes(x, -1, -2) if x.ndim > 1 else x


def _as_it_is(x: Any) -> Any:
    return x


def _norm(x: Any, axes: int | tuple[int, ...]) -> Any:
    return (x - x.mean(axes, keepdims=True)) * jax.lax.rsqrt(x.var(axes, keepdims=True) + 1e-5)


BEFORE: Final[dict[str, tuple[Function, Function]]] = {
    "scaled by rows": (_as_it_is, _scaled),
    "transposed": (_turned, _turned),
    "scaled by columns": (
        _as_it_is,
        lambda x: x * x.mean(tuple(range(1, x.ndim)), keepdims=True),
    ),
}
"""What is given instead of the first array, and what the program makes of it."""

BEHIND: Final[dict[str, Function]] = {
    "scaled": lambda x: jax.nn.relu(_scaled(x)),
    "summed up": lambda x: jax.nn.relu(x).sum(-1),
    "the largest": lambda x: x.max(-1),
    "over the batch": lambda x: jnp.square(x).sum(0),
    "over all": lambda x: jnp.square(x).sum(),
    "over places": lambda x: jax.nn.relu(x).mean(tuple(range(1, x.ndim - 1))),
    "layer norm": lambda x: _norm(x, -1),
    "batch norm": lambda x: _norm(x, tuple(range(x.ndim - 1))),
    "softmax": jax.nn.softmax,
    "transposed": _turned,
    "multiplied": lambda x: jax.nn.relu(x) @ jnp.ones((x.shape[-1], 32), x.dtype),
}


def run() -> Iterator[Comparison]:
    """One comparison for each context in which a kernel in use fires."""
    for kernel in KERNELS.values():
        for number, evidence in enumerate(kernel.current_evidence):
            captured = base_case(evidence.program).captured
            arguments = random_arguments(captured, 0)
            for name, *program in contexts(function_of(captured), arguments):
                yield from _compare(kernel, f"#{number + 1} {name}", *program)


def contexts(function: Function, arguments: Arguments) -> Iterator[tuple[str, Function, Arguments]]:
    """The program alone, and with what may stand before and behind it.

    Args:
        function: gives a list of arrays.
        arguments: what it is called with.
    """

    def alone(*values: Any) -> Any:
        return tuple(function(*values))

    yield "alone", alone, arguments
    place = next((i for i, value in enumerate(arguments) if _is_of_floats(value)), None)
    if place is not None:
        for name, (given, made) in BEFORE.items():
            changed = [*arguments[:place], given(arguments[place]), *arguments[place + 1 :]]
            yield f"of {name}", _with(alone, place, made), changed
    if all(map(_is_of_floats, jax.eval_shape(alone, *arguments))):
        for name, read in BEHIND.items():
            yield f"then {name}", _then(alone, read), arguments


def _with(function: Function, place: int, made: Function) -> Function:
    return lambda *v: function(*v[:place], made(v[place]), *v[place + 1 :])


def _then(function: Function, read: Function) -> Function:
    return lambda *values: jax.tree.map(read, function(*values))


def _is_of_floats(value: Any) -> bool:
    return value.ndim > 0 and jnp.issubdtype(value.dtype, np.floating)


def _compare(
    kernel: Kernel, name: str, function: Function, arguments: Arguments
) -> Iterator[Comparison]:
    ours, plain = tg.function(function, numerics=LEVEL), jax.jit(function)
    if kernel.name not in {one.rule for one in ours.trace(*arguments).rewrites}:
        return
    for side in (plain, ours):
        jax.block_until_ready(side(*arguments))
    calls = max(1, round(SECONDS_PER_SAMPLE / per_call(lambda: plain(*arguments), 1)()))
    yield compare(
        f"kernel {kernel.name} {name}",
        per_call(lambda: plain(*arguments), calls),
        per_call(lambda: ours(*arguments), calls),
        rounds=ROUNDS,
        bar=BAR,
    )
