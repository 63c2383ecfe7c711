"""What a pass is: a frozen value whose fields are its options and whose text form names both.

A pass requires nothing of the passes before it: it is correct on every valid graph. It keeps no
state between runs and never reports whether it changed something; the rewriter counts.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import ClassVar

from compiler.ir.graph import Graph
from compiler.rewrite.rewriter import Rewriter

Option = bool | int | str
"""What a pass's option may be."""


@dataclass(frozen=True, slots=True)
class Pass(ABC):
    """A transformation of one graph. Subclasses are frozen dataclasses; their fields are options.

    Attributes:
        name: how pipelines call it, in lower case with hyphens.
    """

    name: ClassVar[str]

    @abstractmethod
    def run(self, graph: Graph, rewriter: Rewriter) -> None:
        """Transforms the graph in place, through the rewriter only."""

    def __str__(self) -> str:
        """The text form: the name, and the options that are not at their defaults."""
        changed = [
            f"{field.name}={option_text(getattr(self, field.name))}"
            for field in fields(self)
            if getattr(self, field.name) != field.default
        ]
        return self.name + (f"{{{','.join(changed)}}}" if changed else "")


def option_text(value: Option) -> str:
    """An option's value as pipelines write it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
