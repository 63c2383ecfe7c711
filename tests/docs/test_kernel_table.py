"""The page of kernels says what the kernels say."""

from __future__ import annotations

import pytest

from compiler.lowering.kernels import KERNELS
from tests.docs.kernel_table import PAGE, page_with_table, table


def test_the_page_is_what_the_kernels_make_of_it():
    text = PAGE.read_text(encoding="utf-8")
    assert text == page_with_table(text), "run scripts/build-rule-table"


def test_every_kernel_has_its_row():
    rows = [line.split("|")[1].strip(" `") for line in table().splitlines() if "| `" in line]
    assert rows == list(KERNELS)


def test_a_page_without_marks_is_an_error():
    with pytest.raises(ValueError, match="lost the marks"):
        page_with_table("no table here")
