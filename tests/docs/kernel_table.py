"""The table of ``docs/kernels.md``: one row per kernel, made from the kernels themselves."""

from __future__ import annotations

import importlib

from compiler.lowering.kernels import GROUPS
from compiler.lowering.kernels.kernel import Evidence, Kernel
from compiler.rewrite.numerics import level_name
from tests.docs.marked import replaced
from tests.docs.rule_table import source_of
from tests.docs.snippets import ROOT

PAGE = ROOT / "docs" / "kernels.md"
BEGIN = "<!-- the table begins: scripts/build-rule-table writes it -->"
END = "<!-- the table ends -->"

_HEAD = "| kernel | what it computes | level | for | measured |\n|---|---|---|---|---|\n"


def page_with_table(text: str) -> str:
    """The page with its table made anew.

    Raises:
        ValueError: the page has no marks between which the table stands.
    """
    return replaced(text, BEGIN, END, table())


def table() -> str:
    """All kernels, one section per table of kernels."""
    sections = [_section(name, kernels) for name, kernels in GROUPS.items()]
    total = sum(map(len, GROUPS.values()))
    return "\n".join([f"{total} kernels in {len(sections)} tables.\n", *sections])


def _section(name: str, kernels: tuple[Kernel, ...]) -> str:
    module = importlib.import_module(f"compiler.lowering.kernels.{name}")
    text = " ".join((module.__doc__ or "").split())
    rows = "\n".join(map(_row, kernels))
    return f"### {name}\n\n{text}\n\n{_HEAD}{rows}\n"


def _row(kernel: Kernel) -> str:
    cells = (
        f"`{kernel.name}`",
        kernel.law,
        level_name(kernel.numerics),
        _where(kernel),
        "; ".join(map(_measured, kernel.evidence)),
    )
    return "| " + " | ".join(" ".join(cell.replace("|", "\\|").split()) for cell in cells) + " |"


def _where(kernel: Kernel) -> str:
    since = ".".join(map(str, kernel.since))
    until = "" if kernel.until is None else f", before {'.'.join(map(str, kernel.until))}"
    return f"{', '.join(kernel.platforms)}, jaxlib {since} on{until}"


def _measured(evidence: Evidence) -> str:
    types = ", ".join(evidence.program.arguments)
    since = "" if evidence.early else ", jaxlib 0.10 on"
    return f"{evidence.ratio:.1f}× at `{source_of(evidence.program.function)}` of {types}{since}"
