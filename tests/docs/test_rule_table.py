"""The coverage table says what the rules say."""

from __future__ import annotations

import pytest

from compiler.rules import all_rules
from tests.docs.rule_table import PAGE, page_with_table, source_of, table


def test_the_page_is_what_the_rules_make_of_it():
    text = PAGE.read_text(encoding="utf-8")
    assert text == page_with_table(text), "run scripts/build-rule-table"


def test_every_rule_has_its_row():
    rows = [line.split("|")[1].strip(" `") for line in table().splitlines() if "| `" in line]
    assert rows == list(all_rules())


def test_a_page_without_marks_is_an_error():
    with pytest.raises(ValueError, match="lost the marks"):
        page_with_table("no table here")


def test_an_example_is_shown_as_it_is_written():
    assert source_of(lambda a, b: (a + b) * 2) == "lambda a, b: (a + b) * 2"
    pair = (lambda a: a + 1, lambda a: a + 2)
    assert [source_of(f) for f in pair] == ["lambda a: a + 1", "lambda a: a + 2"]
