"""Reports of the functions that people write: whole, with kernels that lead back to ops."""

from __future__ import annotations

import pytest

from tests.tracegraph.report.gallery import GALLERY

WORKING = [name for name in GALLERY if name != "failing"]


@pytest.mark.parametrize("name", WORKING)
def test_the_report_is_whole(name):
    report = GALLERY[name]()
    content = report.content
    assert content["error"] is None, content["error"]
    assert content["kernels_problem"] == ""
    assert any(kernel["ops"] for kernel in content["kernels"])
    assert content["lines"]
    assert content["memory"]["peak"] > 0
    assert len(report.html) < 5 << 20


def test_modules_are_groups():
    content = GALLERY["transformer"]().content
    paths = {part for path in content["paths"] for part in path}
    assert {"Block_0", "Block_1", "MultiHeadDotProductAttention_0"} <= paths
