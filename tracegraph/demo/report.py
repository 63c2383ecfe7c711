"""What the demo prints: progress, the pass table, the two graphs, the speed, the dump.

Nothing here computes; everything goes through one rich console.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from compiler.ir.graph import Graph
from tracegraph.demo.speed import Speed

REQUIRED_ACCURACY: Final = 0.975
SHOWN_LINES: Final = 24
SHOWN_COLUMNS: Final = 110
_ATTRIBUTES: Final = re.compile(r" \{.*\} :")
_LINE_EVERY: Final = 5

EpochDone = Callable[[float], None]
"""Called with the mean loss at the end of every epoch."""


def has_learned(accuracy: float) -> bool:
    """Whether the share of held-out digits read correctly is high enough."""
    return accuracy >= REQUIRED_ACCURACY


@contextmanager
def progress(console: Console, epochs: int) -> Generator[EpochDone]:
    """A bar on a terminal, a line every few epochs anywhere else."""
    if not console.is_terminal:
        yield _line_printer(console, epochs)
        return
    columns = (
        TextColumn("training"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("loss {task.fields[loss]:.4f}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("training", total=epochs, loss=float("nan"))
        yield lambda loss: bar.update(task, advance=1, loss=loss)


def _line_printer(console: Console, epochs: int) -> EpochDone:
    done = 0

    def print_line(loss: float) -> None:
        nonlocal done
        done += 1
        if done % _LINE_EVERY == 0 or done == epochs:
            show(console, f"epoch {done}/{epochs}, loss {loss:.4f}")

    return print_line


def accuracy_line(accuracy: float, count: int) -> str:
    """The share of held-out digits that were read correctly."""
    return f"test accuracy {accuracy:.2%} on {count} held-out digits"


def speed_line(speed: Speed) -> str:
    """Both medians, and how many times faster than plain ``jax.jit``."""
    return (
        f"tracegraph {speed.tracegraph:.2f} ms, jax.jit {speed.jit:.2f} ms, ratio {speed.ratio:.2f}"
    )


def graph_text(graph: Graph, folder: Path | None) -> str:
    """The first lines of a graph, how many are left out, and where the whole is."""
    lines = [_shorten(line) for line in str(graph).splitlines()]
    place = f"; the whole is in {folder}" if folder else ""
    if len(lines) > SHOWN_LINES:
        left_out = f"... {len(lines) - SHOWN_LINES} more lines"
        return "\n".join([*lines[:SHOWN_LINES], left_out + place])
    return "\n".join(lines)


def _shorten(line: str) -> str:
    """A long line without its attributes, and without its middle if it is still too long."""
    if len(line) > SHOWN_COLUMNS:
        line = _ATTRIBUTES.sub(" {...} :", line)
    if len(line) <= SHOWN_COLUMNS:
        return line
    half = SHOWN_COLUMNS // 2 - 3
    return f"{line[:half]} ... {line[-half:]}"


def show(console: Console, text: str = "") -> None:
    """Prints a text as it stands: no markup, no wrapping."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def show_heading(console: Console, text: str) -> None:
    """Prints an empty line and a heading."""
    show(console)
    console.print(text, style="bold", markup=False, highlight=False)
