"""The command line, one module for each command.

A command's module is imported when the command is asked for, so that nobody waits for flax who does
not use it.
"""

from __future__ import annotations

import importlib
from typing import Any, Final

import click

import tracegraph
from compiler.ir.errors import TracegraphError
from tracegraph.cli.errors import four_parts, suggest

__all__ = ["main"]

COMMANDS: Final = (
    *("dump", "report", "explain", "cost", "kernels", "diff"),
    *("opt", "run", "verify", "reduce", "demo"),
)


class _Commands(click.Group):
    """The commands by name, and every error in four parts."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 as click calls it
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        return importlib.import_module(f"tracegraph.cli.{cmd_name}").command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args[0] in COMMANDS or args[0].startswith("-"):
            return super().resolve_command(ctx, args)
        listed = ", ".join(COMMANDS)
        raise TracegraphError(
            f"there is no command {args[0]}",
            where="the command line",
            expected=listed,
            found=args[0],
            hint=suggest(args[0], COMMANDS, "see `tracegraph --help`"),
        )

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        with four_parts():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        with four_parts(ctx):
            return super().invoke(ctx)


@click.group(cls=_Commands, invoke_without_command=True)
@click.version_option(tracegraph.__version__, prog_name="tracegraph")
@click.pass_context
def main(ctx: click.Context) -> None:
    """Trace Python functions into graphs; show, optimise and run them."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
