"""Graphs of real models, kept as text, through the default pipeline: what comes out is compared.

``models/optimized`` holds the texts, ``models/summary.txt`` how many ops of which kind there are
before and after, so that a change of a pass or a rule is seen at a glance in a diff. Rules may have
JAX trace their replacements, so texts are compared on the JAX that they were made with; on others
the graphs still go through, and all laws are checked.
"""

from __future__ import annotations

from collections import Counter
from functools import cache
from pathlib import Path

import jax
import pytest

from compiler.ir import Graph, parse_graph, print_graph, walk
from compiler.lowering.check_types import check_types
from compiler.lowering.import_jaxpr import import_jaxpr
from compiler.passes.pipeline import DEFAULT_PIPELINE, parse_pipeline
from compiler.rewrite.numerics import Numerics
from tests.compiler.passes.laws import run_lawfully
from tests.golden.capture import models
from tests.golden.harness import UPDATE, check_invariants, check_values

FOLDER = Path(__file__).parent / "models"
NAMES = sorted(path.stem for path in (FOLDER / "captured").glob("*.tg"))
SUMMARY = FOLDER / "summary.txt"
REPLAYED = DEFAULT_PIPELINE.replace("lower-platform,", "")
"""Kernels differ between versions of jaxlib, and have their own tests."""

MAX_BYTES = 400_000
HEADER = "// captured with jax "


def text_of(name: str) -> str:
    return (FOLDER / "captured" / f"{name}.tg").read_text(encoding="utf-8")


@cache
def captured(name: str) -> Graph:
    """The graph as it was captured."""
    return parse_graph(text_of(name), filename=name).freeze()


@cache
def optimized(name: str) -> Graph:
    """What the default pipeline makes of it, every law checked after every pass."""
    return run_lawfully(parse_pipeline(REPLAYED), captured(name)).graph


def is_comparable(name: str) -> bool:
    """Whether the text was captured with the JAX that is running."""
    return text_of(name).startswith(f"{HEADER}{jax.__version__}\n")


def summary(name: str) -> str:
    """How many ops of each kind a model has before and after the pipeline."""
    before, after = (histogram(graph) for graph in (captured(name), optimized(name)))
    lines = [f"{name}: {before.total()} -> {after.total()} operations"]
    for kind in sorted(before.keys() | after.keys()):
        change = f"{before[kind]} -> {after[kind]}" if before[kind] != after[kind] else before[kind]
        lines.append(f"  {kind}: {change}")
    return "\n".join(lines) + "\n"


def histogram(graph: Graph) -> Counter[str]:
    return Counter(op.name for op in walk(graph) if not op.is_terminator)


@pytest.mark.parametrize("name", NAMES)
def test_the_captured_text_is_canonical_and_well_typed(name: str) -> None:
    check_types(captured(name))
    assert text_of(name).partition("\n")[2] == print_graph(captured(name))


@pytest.mark.parametrize("name", NAMES)
def test_what_the_default_pipeline_makes_of_it(name: str, update_golden: bool) -> None:
    file = FOLDER / "optimized" / f"{name}.tg"
    check_invariants(captured(name), optimized(name))
    if not is_comparable(name):
        return
    text = print_graph(optimized(name))
    if update_golden:
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
    assert file.read_text(encoding="utf-8") == text, UPDATE


def test_the_summary(update_golden: bool) -> None:
    if not all(map(is_comparable, NAMES)):
        pytest.skip("the models were captured with another version of JAX")
    text = "\n".join(map(summary, NAMES))
    if update_golden:
        SUMMARY.write_text(text, encoding="utf-8")
    assert SUMMARY.read_text(encoding="utf-8") == text, UPDATE


@pytest.mark.parametrize("name", NAMES)
def test_the_values_stay(name: str) -> None:
    """Of the model as it is traced now: no text holds all that running it takes."""
    model = models()[name]
    before = import_jaxpr(jax.make_jaxpr(model.function)(*model.arguments))
    after = run_lawfully(parse_pipeline(DEFAULT_PIPELINE), before).graph
    check_values(before, after, Numerics.ROUNDING)


def test_the_corpus_is_small_and_whole() -> None:
    files = list(FOLDER.rglob("*.tg"))
    assert sum(file.stat().st_size for file in files) < MAX_BYTES
    assert len(NAMES) >= 8
    assert sorted(path.stem for path in (FOLDER / "optimized").glob("*.tg")) == NAMES
