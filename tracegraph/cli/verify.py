"""``tracegraph verify``: audits a function on arguments made from their specs."""

from __future__ import annotations

from collections.abc import Sequence

import click

from compiler.rewrite.numerics import LEVELS
from tracegraph.cli.arguments import parse_arguments
from tracegraph.cli.errors import Failure, user_code
from tracegraph.cli.options import call_options, seed_option
from tracegraph.cli.targets import load_function


@click.command("verify", short_help="Compare a function before and after the passes.")
@call_options
@seed_option()
@click.option(
    "--seeds",
    type=click.IntRange(min=0),
    default=2,
    show_default=True,
    help="How many perturbed copies of the arguments to compare, for each kind of perturbation.",
)
@click.option("--edge-values", is_flag=True, help="Put nans, infinities and -0.0 in as well.")
@click.option(
    "--numerics",
    type=click.Choice(list(LEVELS)),
    help="How far values may differ. Default: what the function's passes promise.",
)
def command(
    target: str,
    args: Sequence[str],
    kwargs: Sequence[str],
    static: Sequence[str],
    seed: int,
    seeds: int,
    edge_values: bool,
    numerics: str | None,
) -> None:
    """Compare a function before and after the passes, on arguments with random contents.

    Floats are drawn from the standard normal distribution, integers from 0 to 9. The exit code is 1
    if the results differ by more than is allowed; the first rewrite to blame is named.
    """
    function = load_function(target, static)
    arguments = parse_arguments(function, args, kwargs).make(seed)
    with user_code():
        function.trace(*arguments.args, **arguments.kwargs)  # an error in here is the user's own
    found = function.verify(
        *arguments.args,
        seeds=seeds,
        edge_values=edge_values,
        numerics=numerics,
        **arguments.kwargs,
    )
    if not found.ok:
        raise Failure(str(found))
    click.echo(str(found))
