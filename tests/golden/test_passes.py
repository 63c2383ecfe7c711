"""What each pass makes of small graphs: text, invariants and values, checked together."""

from __future__ import annotations

from pathlib import Path

import pytest

from compiler.ir import parse_graph
from compiler.passes.registry import passes
from tests.golden.harness import UPDATE, check_invariants, check_values, read_case, run_case

FOLDER = Path(__file__).parent / "passes"
FILES = {str(path.relative_to(FOLDER)): path for path in sorted(FOLDER.rglob("*.tg"))}


@pytest.mark.parametrize("name", FILES)
def test_case(name: str, update_golden: bool) -> None:
    case = read_case(FILES[name])
    before, result = run_case(case)
    after = case.print(result.graph)
    assert case.print(before) == case.before, "the graph that goes in is not canonical text"
    check_invariants(before, result.graph)
    if "not run" not in case.says:
        check_values(before, result.graph, case.numerics)
    if update_golden:
        case.write(after)
        return
    assert after == case.after, UPDATE
    parsed = parse_graph(case.after)
    check_invariants(before, parsed)


@pytest.mark.parametrize("name", FILES)
def test_the_case_is_about_the_pass_that_its_folder_names(name: str) -> None:
    assert read_case(FILES[name]).pipeline.startswith(Path(name).parts[0])


def test_every_pass_has_cases() -> None:
    assert {Path(name).parts[0] for name in FILES} >= passes().keys()
