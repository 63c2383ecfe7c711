"""What reports have in common: plain text when printed, tables in notebooks."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Final

from rich.console import Console, RenderableType
from rich.jupyter import JupyterMixin
from rich.table import Table
from rich.text import Text

WIDTH: Final = 110
_UNITS: Final = ("", "k", "M", "G", "T", "P", "E")
_STEP: Final = 1000


class Printed(JupyterMixin):
    """A report that ``print`` shows as plain text and a notebook as a table."""

    __slots__ = ()

    def __rich__(self) -> RenderableType:
        """The report as rich draws it."""
        raise NotImplementedError

    def __str__(self) -> str:
        return plain(self.__rich__())


def plain(what: RenderableType) -> str:
    """What rich draws, as text without colour and without spaces at line ends."""
    out = io.StringIO()
    console = Console(file=out, width=WIDTH, color_system=None, force_jupyter=False)
    console.print(what)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


def table(title: str, headings: Iterable[str], rows: Iterable[Iterable[str]]) -> Table:
    """A table without frames; headings that begin with ``>`` stand over numbers."""
    drawn = Table(title=Text(title), title_justify="left", title_style="bold", box=None)
    for heading in headings:
        number = heading.startswith(">")
        justify = "right" if number else "left"
        drawn.add_column(heading.lstrip(">"), justify=justify, no_wrap=number, overflow="fold")
    for row in rows:
        drawn.add_row(*(Text(cell) for cell in row))  # as Text: names are never markup
    return drawn


def quantity(number: float, unit: str = "") -> str:
    """A number with three digits and a decimal prefix: ``12.3 M``."""
    if number < _STEP:
        return f"{number:.0f}{' ' + unit if unit else ''}"
    size, place = float(number), 0
    while size >= _STEP and place < len(_UNITS) - 1:
        size, place = size / _STEP, place + 1
    return f"{size:.3g} {_UNITS[place]}{unit}"


def seconds(number: float) -> str:
    """A time in the unit that suits it."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return f"{number / 1e-9:.3g} ns"
