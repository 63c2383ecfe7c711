from __future__ import annotations

import inspect
import re
from textwrap import dedent

import pytest

from compiler.ir import parse_graph, print_graph
from compiler.passes.base import Pass
from compiler.passes.registry import passes
from tests.compiler.passes.running import run

EXAMPLE = re.compile(r"Before::\n\n(.*?)\n\nAfter::\n\n(.*?)(?=\n\n\S|\Z)", re.DOTALL)
WHOLE = {
    name: cls for name, cls in passes().items() if "tracegraph.ir 1" in (inspect.getdoc(cls) or "")
}


def test_the_passes_show_an_example() -> None:
    assert set(WHOLE) >= {"inline", "canonicalize", "fold-constants", "cse", "dce"}


@pytest.mark.parametrize("cls", WHOLE.values(), ids=WHOLE)
def test_the_example_is_what_the_pass_does(cls: type[Pass]) -> None:
    found = EXAMPLE.search(inspect.getdoc(cls) or "")
    assert found is not None
    before, after = (dedent(part).strip() + "\n" for part in found.groups())
    graph, changes = run(cls(), parse_graph(before))
    assert changes
    assert print_graph(graph).strip() == print_graph(parse_graph(after)).strip()
