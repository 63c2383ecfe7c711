"""What a pass is: a frozen value whose fields are its options and whose text form names both.

A pass requires nothing of the passes before it: it is correct on every valid graph. It keeps no
state between runs and never reports whether it changed something; the rewriter counts.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import Field, dataclass, fields
from typing import Any, ClassVar

from compiler.ir.graph import Graph
from compiler.rewrite.rewriter import Rewriter

Option = bool | int | str
"""What a pass's option may be."""


@dataclass(frozen=True, slots=True)
class Pass(ABC):
    """A transformation of one graph. Subclasses are frozen dataclasses; their fields are options.

    Attributes:
        name: how pipelines call it, in lower case with hyphens.
        idempotent: whether a second run right after the first never changes anything. The manager
            does not run such a pass again until another one has changed the graph.
        keeps_derivatives: whether derivatives and batches of the graph are the same after it, so
            that it may run on a function that somebody outside differentiates or batches.
        only_marks: whether it changes nothing but tracegraph's own annotations, which no export
            reads. At the end of a pipeline such a pass runs when somebody looks at the graph.
    """

    name: ClassVar[str]
    idempotent: ClassVar[bool] = True
    keeps_derivatives: ClassVar[bool] = False
    only_marks: ClassVar[bool] = False

    @abstractmethod
    def run(self, graph: Graph, rewriter: Rewriter) -> None:
        """Transforms the graph in place, through the rewriter only."""

    def __str__(self) -> str:
        """The text form: the name, and the options that are not at their defaults."""
        changed = [
            f"{field.name}={option_text(getattr(self, field.name))}"
            for field in option_fields(type(self))
            if getattr(self, field.name) != field.default
        ]
        return self.name + (f"{{{','.join(changed)}}}" if changed else "")


def option_fields(cls: type[Pass]) -> list[Field[Any]]:
    """The fields that are options; those marked hidden have no text form."""
    return [field for field in fields(cls) if not field.metadata.get("hidden")]


def option_text(value: Option) -> str:
    """An option's value as pipelines write it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
