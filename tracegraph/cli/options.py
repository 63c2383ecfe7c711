"""The options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

OUTPUT_FILE = click.Path(dir_okay=False, path_type=Path)

device_option = click.option(
    "--device",
    metavar="NAME",
    help="Show lower bounds of the run time on a device: cpu for this machine, TPU v4, v5e, v5p, "
    "v6e, A100, H100.",
)
"""What ``tracegraph.costs.devices.device`` knows."""


def seed_option(help: str = "Seed of the random contents of arguments.") -> Callable[[F], F]:
    """``--seed N``: any whole number from zero on, as numpy's generators take it."""
    return click.option(
        "--seed", type=click.IntRange(min=0), default=0, show_default=True, help=help
    )


def call_options(command: F) -> F:
    """The target and its arguments: ``MODULE:FUNCTION``, ``--arg``, ``--kwarg``, ``--static``."""
    return _with_arguments(click.argument("target", metavar="MODULE:FUNCTION")(command), "")


def subject_options(command: F) -> F:
    """As ``call_options``, and the target may be a file with a graph or a saved artifact."""
    argument = click.argument("target", metavar="MODULE:FUNCTION|FILE")
    return _with_arguments(argument(command), "; of a saved artifact NAME=SIZE")


def _with_arguments(command: F, more: str) -> F:
    parts = (
        click.option(
            "--arg",
            "args",
            metavar="SPEC",
            multiple=True,
            help="The next positional argument: a type (f32[8,128], key<fry>[], ones:i32[4]), "
            "a Python literal (3.5, True, None), a file.npy, the value @MODULE:NAME, or a dict, "
            f"list or tuple of these ({{w: f32[3], b: f32[]}}){more}.",
        ),
        click.option(
            "--kwarg",
            "kwargs",
            metavar="NAME=SPEC",
            multiple=True,
            help="A keyword argument; may be repeated.",
        ),
        click.option(
            "--static",
            metavar="NAME",
            multiple=True,
            help="A static parameter of a function that is not decorated yet; may be repeated.",
        ),
    )
    for part in reversed(parts):
        command = part(command)
    return command
