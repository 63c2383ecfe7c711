"""Random pipelines of the registered passes, with random options and repeats inside each other.

A pass that is added to the registry is drawn by itself. An option that is a text keeps its default
unless ``TEXTS`` says what else it may be.
"""

from __future__ import annotations

from dataclasses import Field
from typing import Any

from hypothesis import strategies as st

from compiler.passes.base import Pass, option_fields
from compiler.passes.pipeline import Pipeline, Repeat
from compiler.passes.registry import passes
from compiler.rewrite.numerics import LEVELS
from compiler.rules import groups

NUMBERS = (0, 1, 2, 3, 8, 64, 1000)
TEXTS = {
    ("rewrite", "numerics"): ("exact", *LEVELS),
    ("rewrite", "rules"): ("all", *groups()),
    ("rewrite", "skip"): ("", *groups()),
}


def options(cls: type[Pass], field: Field[Any]) -> st.SearchStrategy[Any]:
    """Values of one option, the default among them."""
    if isinstance(field.default, bool):
        return st.booleans()
    if isinstance(field.default, int):
        return st.sampled_from((field.default, *NUMBERS))
    return st.sampled_from((field.default, *TEXTS.get((cls.name, field.name), ())))


def passes_of(cls: type[Pass], **fixed: Any) -> st.SearchStrategy[Pass]:
    """The pass with random options, but for those that are fixed."""
    drawn = {field.name: options(cls, field) for field in option_fields(cls)}
    known = {name: st.just(value) for name, value in fixed.items() if name in drawn}
    return st.builds(cls, **(drawn | known))


def pipelines(**fixed: Any) -> st.SearchStrategy[Pipeline]:
    """Pipelines of any passes; options that are fixed have one value in all of them."""
    step = st.one_of([passes_of(cls, **fixed) for cls in passes().values()])
    flat = st.builds(Pipeline, st.lists(step, min_size=1, max_size=4).map(tuple))
    return st.recursive(flat, lambda body: _nested(step, body), max_leaves=4)


def _nested(
    step: st.SearchStrategy[Pass], body: st.SearchStrategy[Pipeline]
) -> st.SearchStrategy[Pipeline]:
    repeat = st.builds(Repeat, body, st.integers(1, 3))
    return st.builds(Pipeline, st.lists(step | repeat, min_size=1, max_size=3).map(tuple))
