"""Where results go: stdout, or a file that appears whole or not at all."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import click

from compiler.ir.errors import TracegraphError


def write(text: str, path: Path | None) -> None:
    """Writes the text to stdout, or to the file in one step.

    Raises:
        TracegraphError: the file cannot be written.
    """
    if path is None:
        click.echo(text, nl=not text.endswith("\n"))
        return
    scratch = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        scratch.write_text(text, encoding="utf-8")
        scratch.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            scratch.unlink()
        raise TracegraphError(
            "the output cannot be written",
            where=str(path),
            found=error.strerror or str(error),
            hint="name a file in a folder that exists and may be written to",
        ) from error
