"""Where results go: stdout, or a file that appears whole or not at all."""

from __future__ import annotations

from pathlib import Path

import click

from compiler.ir.files import write_output


def write(text: str, path: Path | None) -> None:
    """Writes the text to stdout, or to the file in one step.

    Raises:
        TracegraphError: the file cannot be written.
    """
    if path is None:
        click.echo(text, nl=not text.endswith("\n"))
    else:
        write_output(path, text, "the output")
