"""``tracegraph demo``: trains a network on real digits and shows what the compiler did with it."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.console import Console

from compiler.ir.errors import TracegraphError
from tracegraph import config
from tracegraph.cli.errors import Failure
from tracegraph.cli.options import seed_option
from tracegraph.demo import report, training
from tracegraph.demo.model import accuracy, loss
from tracegraph.demo.speed import compare
from tracegraph.demo.training import Split, State
from tracegraph.tables import pass_table


@click.command("demo", short_help="Train a network on handwritten digits.")
@click.option(
    "--epochs",
    type=click.IntRange(min=1),
    default=25,
    show_default=True,
    help="How many times to go through the training images.",
)
@seed_option("Seed of the held-out part, the first weights and the order of the images.")
@click.option(
    "--output",
    "-o",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("tracegraph-demo"),
    show_default=True,
    envvar=config.DUMP_VARIABLE,
    help="Where to write the dump.",
)
def command(epochs: int, seed: int, output: Path) -> None:
    """Train a network on 1,797 handwritten digits, then show what the passes did to it.

    The exit code is 1 if the network reads fewer than 97.5 % of the held-out digits.
    """
    console = Console()
    with _dumps_to(output):
        score, count = _tour(console, epochs, seed)
    report.show(console, f"\nthe dump is in {output}")
    if not report.has_learned(score):
        raise Failure(str(_too_low(score, count)))


def _tour(console: Console, epochs: int, seed: int) -> tuple[float, int]:
    """Trains, shows everything, and returns the test accuracy and on how many digits."""
    train, test = training.load_digits(seed)
    optimizer = training.make_optimizer(epochs, len(train))
    step = training.make_train_step(optimizer)
    state = training.new_state(optimizer, seed)
    rng = np.random.default_rng(seed)
    with report.progress(console, epochs) as epoch_done:
        for _ in range(epochs):
            epoch_done(training.train_epoch(step, state, train, rng))
    score = float(accuracy(state.model, test.images, test.labels))
    report.show(console, report.accuracy_line(score, len(test)))
    batch = train.rows(slice(training.BATCH))
    _show_graphs(console, step, state, batch)
    speed = compare(step, state.model, state.optimizer_state, batch)
    report.show_heading(console, "steady state of the train step")
    report.show(console, report.speed_line(speed))
    return score, len(test)


def _show_graphs(console: Console, step: Any, state: State, batch: Split) -> None:
    traced = step.trace(state.model, state.optimizer_state, batch.images, batch.labels)
    report.show(console)
    console.print(pass_table(traced.passes, "passes of the train step"))
    traced = loss.trace(state.model, batch.images, batch.labels)
    traced.lower()  # which writes the dump, as the first call of the step did
    for heading, graph in (("before", traced.captured), ("after", traced.optimized)):
        report.show_heading(console, f"the loss function {heading} the passes")
        report.show(console, report.graph_text(graph, traced.program.dumped))


@contextmanager
def _dumps_to(directory: Path) -> Generator[None]:
    """Has every function that is compiled in the block dumped, as the environment variable does."""
    before = os.environ.get(config.DUMP_VARIABLE)
    os.environ[config.DUMP_VARIABLE] = str(directory)
    try:
        yield
    finally:
        del os.environ[config.DUMP_VARIABLE]
        if before is not None:
            os.environ[config.DUMP_VARIABLE] = before


def _too_low(score: float, count: int) -> TracegraphError:
    return TracegraphError(
        "the network did not learn the digits well enough",
        where=f"{count} held-out digits",
        expected=f"a test accuracy of {report.REQUIRED_ACCURACY:.1%} or more",
        found=f"{score:.2%}",
        hint="train for more epochs: tracegraph demo --epochs 25",
    )
