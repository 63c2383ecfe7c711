"""What the pages say is true: their snippets run and print what the page shows."""

from __future__ import annotations

import re
from collections.abc import Iterator

import jax
import pytest

from compiler.ir import parse_graph, print_graph
from compiler.passes import registry
from compiler.rules import registered
from tests.docs.snippets import PAGES, ROOT, Session, agrees, blocks

_LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)")


@pytest.fixture
def nothing_registered() -> Iterator[None]:
    """Takes away the passes and rules that a page has registered."""
    own_passes, own_rules = set(registry.passes().values()), set(registered.registered())
    yield
    for cls in set(registry.passes().values()) - own_passes:
        registry.unregister(cls)
    for rule in set(registered.registered()) - own_rules:
        registered.remove(rule.name)


each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def is_reference_jax() -> bool:
    """Whether this is the jax of the development lock, on which the pages were written."""
    lock = (ROOT / "requirements" / "dev.lock").read_text(encoding="utf-8")
    return f"\njax=={jax.__version__}\n" in lock


@each_page
def test_snippets_run_and_print_what_the_page_shows(
    page, tmp_path, monkeypatch, nothing_registered
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRACEGRAPH_DUMP_TO", "")  # a page may set it; this puts it back afterwards
    text = page.read_text(encoding="utf-8")
    session = Session(page.name, text)
    printed = None
    for block in blocks(text):
        if block.language != "output":
            printed = session.run(block)
            continue
        assert printed is not None, f"{page.name}:{block.line}: nothing ran before this output"
        if is_reference_jax():
            assert agrees(block.text, printed), f"{page.name}:{block.line} printed:\n{printed}"


@each_page
def test_graphs_parse_and_are_canonical(page):
    for block in blocks(page.read_text(encoding="utf-8")):
        if block.is_graph:
            graph = parse_graph(block.text, filename=f"{page.name}:{block.line}")
            assert print_graph(graph) == block.text


@each_page
def test_links_lead_to_files(page):
    targets = _LINK.findall(page.read_text(encoding="utf-8"))
    assert not [target for target in targets if not (page.parent / target).exists()]


def test_every_page_is_in_the_index():
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    pages = {page.name for page in PAGES if page.parent.name == "docs"} - {"index.md"}
    assert pages <= set(_LINK.findall(index))


def test_the_blocks_of_a_page_are_found():
    page = "a\n```python\nx = 1\n```\n\n- b\n  ```output\n  1\n  ```\n```tg\ntracegraph.ir 1\n```\n"
    assert [(block.language, block.line) for block in blocks(page)] == [
        ("python", 2),
        ("output", 7),
        ("tg", 10),
    ]
    assert blocks(page)[1].text == "1\n"


def test_an_output_that_was_not_printed_is_noticed():
    assert agrees("a ... c\n", "a b c\n")
    assert not agrees("a ... c\n", "a b d\n")


def test_a_snippet_has_its_line_of_the_page():
    page = "text\n\n```python\nx = 1\n```\ntext\n```python\nraise ValueError(x)\n```\n"
    session = Session("page.md", page)
    first, second = blocks(page)
    assert session.run(first) == ""
    with pytest.raises(ValueError, match="1") as caught:
        session.run(second)
    assert caught.traceback[-1].lineno + 1 == 8
