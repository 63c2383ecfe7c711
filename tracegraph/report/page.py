"""Makes the page: template, style, code and content in one HTML text.

Nothing of the content is ever read as HTML. It is JSON in a script element of a type that browsers
do not run, every ``<`` in it written as an escape, and the page's code puts it in as text. The
policy in the head lets the page's own script run and nothing else, and allows no network.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from functools import cache
from pathlib import Path
from typing import Any, Final

ASSETS: Final = Path(__file__).parent / "assets"
_PLACE: Final = re.compile(r"@@(\w+)@@")


def page(content: dict[str, Any]) -> str:
    """The page of a report's content."""
    code = _asset("report.js")
    parts = {
        "TITLE": html.escape(f"{content['function']} · tracegraph report"),
        "POLICY": html.escape(_policy(code)),
        "STYLE": _asset("report.css"),
        "CONTENT": embedded(content),
        "CODE": code,
    }
    # One pass over the template: what is put in is not searched again.
    return _PLACE.sub(lambda place: parts[place[1]], _asset("page.html"))


def embedded(content: dict[str, Any]) -> str:
    """The content as JSON that stands safely in a script element."""
    text = json.dumps(content, separators=(",", ":"), allow_nan=False)  # all but ASCII escaped
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _policy(code: str) -> str:
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


@cache
def _asset(name: str) -> str:
    return (ASSETS / name).read_text(encoding="utf-8")
