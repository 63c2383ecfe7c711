"""How the command line fails: a message on stderr and an exit code, never a traceback of ours.

Bad input exits 2, and so does a command line that click cannot read. What fails while it runs, a
pass or the user's own code, exits 1; the user's code shows the user's traceback, but for an error
of ours, which says all in its four parts.
"""

from __future__ import annotations

import difflib
import importlib
import os
import sys
import traceback
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

import click

import compiler
from compiler.ir.errors import TracegraphError
from tracegraph.autograph.errors import ControlFlowError, ConversionError
from tracegraph.debug.check_error import CheckError
from tracegraph.retraces.budgets import BudgetError

_PACKAGE: Final = Path(__file__).parents[1]
_OURS: Final = (
    *(
        f"{folder}{os.sep}"
        for folder in (
            _PACKAGE,
            Path(compiler.__file__).parent,
            Path(importlib.__file__).parent,
        )
    ),
    "<frozen importlib",
)
_EXAMPLES: Final = f"{_PACKAGE / 'demo'}{os.sep}"
"""Inside our package, but written and shown as a user's code."""

_FAILED: Final = (BudgetError, CheckError, ControlFlowError, ConversionError)
"""What says that the user's function fails, and not that the input of the command is wrong."""


class Failure(click.ClickException):
    """Ends the command with a message that is already complete; exit code 1."""

    exit_code = 1

    def show(self, file: IO[Any] | None = None) -> None:
        """Writes the message to stderr."""
        click.echo(self.message, file=file or sys.stderr)


class BadInput(Failure):
    """A failure that the user's input is the reason of; exit code 2."""

    exit_code = 2


@contextmanager
def four_parts(context: click.Context | None = None) -> Generator[None]:
    """Turns errors of ours, and of click's own parser, into failures: most are about the input.

    Args:
        context: the group whose command runs: an error that names no place is in its line.
    """
    try:
        yield
    except click.UsageError as error:
        raise BadInput(str(_usage(error))) from error
    except TracegraphError as error:
        if context is not None and not error.where:
            error.where = _line_of(f"{context.command_path} {context.invoked_subcommand}")
        kind = Failure if isinstance(error, _FAILED) else BadInput
        raise kind(str(error)) from error


@contextmanager
def user_code() -> Generator[None]:
    """Turns whatever the user's code raises into a failure that shows the user's traceback.

    An error of ours is complete without one, and goes on to ``four_parts``.
    """
    try:
        yield
    except TracegraphError:
        raise
    except (Exception, SystemExit) as error:
        raise Failure(_user_traceback(error)) from error


def suggest(name: str, names: Iterable[str], otherwise: str) -> str:
    """``did you mean ...?`` for the nearest of the names, or the other advice if none is near."""
    near = difflib.get_close_matches(name, list(names), n=3, cutoff=0.6)
    return f"did you mean {' or '.join(near)}?" if near else otherwise


def _usage(error: click.UsageError) -> TracegraphError:
    path = error.ctx.command_path if error.ctx else "tracegraph"
    return TracegraphError(
        error.format_message().rstrip("."),
        where=_line_of(path),
        expected=error.ctx.get_usage().removeprefix("Usage: ") if error.ctx else "",
        hint=f"see `{path} --help`",
    )


def _line_of(path: str) -> str:
    return f"the command line of `{path}`"


def _user_traceback(error: BaseException) -> str:
    drawn = traceback.TracebackException.from_exception(error)
    part: traceback.TracebackException | None = drawn
    while part is not None:
        frames = [frame for frame in part.stack if not _is_ours(frame.filename)]
        part.stack = traceback.StackSummary.from_list(frames)
        part = part.__cause__ or part.__context__
    return "".join(drawn.format()).rstrip()


def _is_ours(file: str) -> bool:
    return file.startswith(_OURS) and not file.startswith(_EXAMPLES)
