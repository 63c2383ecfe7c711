"""What the front end offers graphs to show of themselves; see ``compiler.ir.views``."""

from __future__ import annotations

from compiler.ir.views import offer
from tracegraph.text.python import to_python
from tracegraph.text.table import graph_table, summary


def offer_views() -> None:
    """From here on every graph has ``python``, ``summary`` and ``table``."""
    offer("python", to_python)
    offer("summary", summary)
    offer("table", graph_table)
