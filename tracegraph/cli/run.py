"""``tracegraph run``: calls a function and says what came out and how long it took."""

# jax and flax annotate their functions in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any, Final

import click
import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from compiler.ir.types import dtype_name
from tracegraph.cli.arguments import Arguments, parse_arguments
from tracegraph.cli.errors import user_code
from tracegraph.cli.options import call_options, seed_option
from tracegraph.cli.targets import load_function
from tracegraph.tables import pass_table

_SHOWN_ELEMENTS: Final = 8


@click.command("run", short_help="Call a function and time it.")
@call_options
@seed_option()
@click.option(
    "--repeat",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    help="How many calls to time after the first.",
)
def command(
    target: str,
    args: Sequence[str],
    kwargs: Sequence[str],
    static: Sequence[str],
    seed: int,
    repeat: int,
) -> None:
    """Call a function with arguments made from their specs: arrays with random contents.

    Floats are drawn from the standard normal distribution, integers from 0 to 9.
    """
    function = load_function(target, static)
    arguments = parse_arguments(function, args, kwargs).make(seed)
    with user_code():
        results, times = timed_calls(function, arguments, 1 + repeat)
        trace = function.trace(*arguments.args, **arguments.kwargs)
    for line in describe(results):
        click.echo(line)
    steady = statistics.median(times[1:])
    click.echo(f"first call {times[0]:.2f} ms, steady call {steady:.2f} ms (median of {repeat})")
    Console().print(pass_table(trace.passes, f"passes of {trace.fun_name}"))


def timed_calls(function: Any, arguments: Arguments, count: int) -> tuple[Any, list[float]]:
    """The results of the first call, and the milliseconds of every call.

    Every call gets copies of the arrays, so that a function may donate them.
    """
    times: list[float] = []
    first: Any = None
    for number in range(count):
        args, kwargs = jax.tree.map(_copy, (arguments.args, arguments.kwargs))
        start = time.perf_counter()
        results = function(*args, **kwargs)
        jax.block_until_ready(results)
        times.append((time.perf_counter() - start) * 1e3)
        first = results if number == 0 else first
    return first, times


def describe(results: Any) -> Iterator[str]:
    """A line per array: its path in the results, its type, and its values or a summary."""
    for path, leaf in jax.tree_util.tree_leaves_with_path(results):
        name = jax.tree_util.keystr(path) or "result"
        shape = ",".join(map(str, leaf.shape))
        yield f"{name}: {_dtype(leaf)}[{shape}] {_values(leaf)}".rstrip()


def _copy(leaf: Any) -> Any:
    return jnp.copy(leaf) if isinstance(leaf, jax.Array) else leaf


def _is_key(leaf: Any) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _dtype(leaf: Any) -> str:
    return str(leaf.dtype) if _is_key(leaf) else dtype_name(leaf.dtype)


def _values(leaf: Any) -> str:
    """All elements of a small array, a summary of a large one, nothing for keys."""
    if _is_key(leaf):
        return ""
    array = np.asarray(leaf)
    if array.size <= _SHOWN_ELEMENTS:
        return f"= {np.array2string(array, separator=', ', max_line_width=sys.maxsize)}".replace(
            "\n", ""
        )
    if array.dtype == np.bool_:
        return f"{np.count_nonzero(array)} of {array.size} true"
    if np.iscomplexobj(array):
        return f"largest magnitude {np.max(np.abs(array)):.6g}"
    return _range(array.astype(np.float64))


def _range(array: NDArray[np.float64]) -> str:
    nans = int(np.count_nonzero(np.isnan(array)))
    if nans:
        return f"{nans} of {array.size} are nan"
    return f"min {array.min():.6g}, mean {array.mean():.6g}, max {array.max():.6g}"
