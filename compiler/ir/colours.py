"""The text of a graph in colour. Imports rich, which nobody waits for who prints none."""

from __future__ import annotations

import io
from typing import Final

from rich.console import Console
from rich.highlighter import RegexHighlighter
from rich.theme import Theme

_THEME: Final = Theme(
    {
        "ir.value": "cyan",
        "ir.type": "green",
        "ir.word": "bold magenta",
        "ir.op": "bold",
        "ir.text": "yellow",
        "ir.note": "dim",
    }
)

_SIGNS: Final = [
    r"(?P<note>\{[^{}\n]*=[^{}\n]*\})",
    r"(?P<value>%[\w.$-]+)",
    r"(?P<type>~?\b(?:[a-z]+\d+\w*|bool|dtype<[^>]*>)\[[^\]\n]*\])",
    r"(?m)^\s*(?:%[^=\n]*= )?(?P<op>[a-z]\w*)(?= |$)",
    r"(?m)^\s*(?P<word>graph|region|return|yield|resources)\b",
    r'(?P<text>"(?:[^"\\\n]|\\.)*")',
]


class _Highlighter(RegexHighlighter):
    """The signs of a graph's text."""

    base_style = "ir."
    highlights = _SIGNS


def coloured(text: str) -> str:
    """The text of a graph with the escapes of a terminal."""
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, theme=_THEME, width=1 << 16)
    console.print(_Highlighter()(text), end="", soft_wrap=True)
    return out.getvalue()
