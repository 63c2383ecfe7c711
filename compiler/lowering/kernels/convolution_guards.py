"""What has to hold for a kernel of a convolution, and whether it is worth it."""

from __future__ import annotations

from typing import Final

from compiler.lowering.kernels.convolution_terms import convolution_of
from compiler.lowering.kernels.kernel import product
from compiler.ops.elementwise import ELEMENTWISE
from compiler.ops.parameters import integers
from compiler.rewrite.match import Match
from compiler.rewrite.rule import Guard

_REDUCTIONS: Final = frozenset({"reduce_max", "reduce_min", "reduce_sum"})

MAX_DOTS: Final = 32
"""More dots in one expression take too long to compile."""


def is_not_empty(m: Match) -> str | None:
    """Whether there is something to add up."""
    c = convolution_of(m.root)
    counts = (c.batch, c.features, c.out_features, *c.sizes, *c.window, *c.out)
    return None if all(counts) else "there is nothing to add up"


def is_in_groups(m: Match) -> str | None:
    """Whether the features are in groups."""
    c = convolution_of(m.root)
    return None if c.groups > 1 and c.batch_groups == 1 else "the features are not in groups"


def is_in_one_group(m: Match) -> str | None:
    """Whether every feature goes into every result."""
    c = convolution_of(m.root)
    return None if c.groups == c.batch_groups == 1 else "there are groups"


def is_no_padded_element(m: Match) -> str | None:
    """Whether zeros of the padding are multiplied for sure.

    With a window of one element it depends on the groups whether XLA multiplies them.
    """
    c = convolution_of(m.root)
    is_doubtful = product(c.window) == 1 and any(map(any, c.padding))
    return "the window is one element, and there is padding" if is_doubtful else None


def fits_in(m: Match) -> str | None:
    """Whether XLA leaves image and window as they are, and multiplies zeros of the padding."""
    c = convolution_of(m.root)
    fits = product(c.window) <= product(c.sizes)
    return None if fits else "the window is larger than the image"


def is_larger(m: Match) -> str | None:
    """Whether XLA exchanges image and window, and leaves the padding out.

    An image of one element would make a window of one, which is nothing to be turned round.
    """
    c = convolution_of(m.root)
    if product(c.sizes) == 1:
        return "the image is one element"
    return None if product(c.window) > product(c.sizes) else "the window fits into the image"


def has_depth(m: Match) -> str | None:
    """Whether there are three spatial dimensions."""
    return None if convolution_of(m.root).rank == 3 else "there are not three dimensions"


def is_not_reduced(m: Match) -> str | None:
    """Whether no sum or maximum within an image reads the result, or what is computed of it.

    YNNPACK computes those together with the convolution, and stores little in between.
    """
    batch, value = convolution_of(m.root).specs[2][0], m.root.result
    while (only := value.only_reader) is not None and only.name in ELEMENTWISE:
        value = only.result
    found = (op for op in value.readers if op.name in _REDUCTIONS)
    is_within = any(batch not in integers(op, "axes") for op in found)
    return "a reduction reads it, which a library computes together with it" if is_within else None


def work(least: int) -> Guard:
    """Whether there are so many multiplications at least."""

    def is_much_work(m: Match) -> str | None:
        found = convolution_of(m.root).multiplications
        return None if found >= least else f"there are {found} multiplications only"

    return is_much_work


def both(*guards: Guard) -> Guard:
    """The first reason that any of them gives."""
    return lambda m: next((reason for guard in guards if (reason := guard(m))), None)


def meets_no_zeros(m: Match) -> str | None:
    """Whether XLA leaves the padding out, or there is none that it would multiply."""
    c = convolution_of(m.root)
    if is_larger(m) is None:
        return None
    spans = (
        (c.span(d, i, of_window=True), c.window[d]) for d, n in enumerate(c.out) for i in range(n)
    )
    is_full = all(span is not None and span.count == n for span, n in spans)
    return None if is_full else "the padding is multiplied"


def of_type(*names: str) -> Guard:
    """Whether the result has one of these element types."""

    def is_of_type(m: Match) -> str | None:
        found = convolution_of(m.root).dtype.name
        return None if found in names else f"the elements are {found}"

    return is_of_type
