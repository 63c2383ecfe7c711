"""Parts of a page that are made anew, between two marks."""

from __future__ import annotations


def replaced(text: str, begin: str, end: str, part: str) -> str:
    """The text with another part between its marks.

    Raises:
        ValueError: the text has no such marks.
    """
    before, first, rest = text.partition(begin)
    _, last, after = rest.partition(end)
    if not first or not last:
        raise ValueError(f"the page lost the marks around its part: {begin} and {end}")
    return f"{before}{begin}\n\n{part}\n{end}{after}"
