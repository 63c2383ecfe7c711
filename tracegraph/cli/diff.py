"""``tracegraph diff``: what changed from one graph to another, by structure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from compiler.ir.errors import TracegraphError
from tracegraph.cli.artifact import is_artifact, is_size, sizes_for
from tracegraph.cli.options import OUTPUT_FILE, subject_options
from tracegraph.cli.output import write
from tracegraph.cli.subject import Subject, is_graph_file, load_subject
from tracegraph.text.diff import diff


@click.command("diff", short_help="Show what changed between two graphs.")
@subject_options
@click.argument("other", metavar="[MODULE:FUNCTION|FILE]", required=False)
@click.option("--output", "-o", metavar="FILE", type=OUTPUT_FILE, help="Write to a file.")
def command(
    target: str,
    args: Sequence[str],
    kwargs: Sequence[str],
    static: Sequence[str],
    other: str | None,
    output: Path | None,
) -> None:
    """Show which operations were added, removed and changed.

    Of one function: from its captured graph to the optimized one. Of two targets: from the first
    one's graph to the second's; functions take the same arguments, and artifacts the same sizes.
    The exit code is 0 either way.
    """
    if other is None:
        _check_has_stages(target)
        subject = load_subject(target, args, kwargs, static)
        write(str(diff(subject.captured, subject.optimized)), output)
        return
    first, second = (_load(one, args, kwargs, static) for one in (target, other))
    write(str(diff(first.optimized, second.optimized)), output)


def _check_has_stages(target: str) -> None:
    """Returns if a target has a graph before and one after the passes."""
    if not is_graph_file(target):
        return
    raise TracegraphError(
        "one graph file cannot be compared with itself",
        where=target,
        expected="two targets, or a function, which has a graph before and after the passes",
        found="a file with one graph",
        hint="name a second target after it",
    )


def _load(
    target: str, args: Sequence[str], kwargs: Sequence[str], static: Sequence[str]
) -> Subject:
    if is_graph_file(target):
        return load_subject(target, (), (), ())
    if is_artifact(target):
        return load_subject(target, sizes_for(target, args), (), ())
    return load_subject(target, [text for text in args if not is_size(text)], kwargs, static)
