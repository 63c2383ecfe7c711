"""What ``step.report(...)`` gives back: a document that is saved, or shown in a notebook."""

from __future__ import annotations

import html
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from compiler.ir.files import write_output
from tracegraph.report.page import page


@dataclass(frozen=True)
class Report:
    """An interactive report on one function: one HTML page that needs nothing else.

    In a notebook the last line of a cell shows it.

    Attributes:
        content: all that it says, as JSON has it.
        error: what was raised if the function failed to trace, else None.
    """

    content: dict[str, Any]
    error: BaseException | None = None

    @cached_property
    def html(self) -> str:
        """The page."""
        return page(self.content)

    def save(self, path: str | Path) -> Path:
        """Writes the page to a file, which any browser opens without a network; returns its path.

        Raises:
            TracegraphError: the file cannot be written.
        """
        target = Path(path)
        write_output(target, self.html, "the report")
        return target

    def _repr_html_(self) -> str:
        # The page travels inside the output, so it is alive when the notebook is opened again; the
        # sandbox keeps it away from the notebook.
        return (
            f'<iframe title="{html.escape(self._title)}" sandbox="allow-scripts" '
            'style="width:100%;height:720px;border:1px solid #8884;border-radius:6px" '
            f'srcdoc="{html.escape(self.html)}"></iframe>'
        )

    @property
    def _title(self) -> str:
        return f"tracegraph report of {self.content['function']}"

    def __repr__(self) -> str:
        failed = ", which failed to trace" if self.content["error"] else ""
        return f"<Report on {self.content['function']}{failed}>"
