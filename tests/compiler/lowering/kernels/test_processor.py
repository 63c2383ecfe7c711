"""What the processor is asked for, against what the system says of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from compiler.lowering.kernels import processor

CPUINFO = Path("/proc/cpuinfo")


@pytest.fixture(autouse=True)
def asked_anew():
    processor.has_wide_vectors.cache_clear()
    yield
    processor.has_wide_vectors.cache_clear()


@pytest.mark.skipif(not CPUINFO.is_file(), reason="the system does not say")
def test_the_system_says_the_same():
    assert processor.has_wide_vectors() == (" avx512f " in CPUINFO.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("shown", "is_wide"),
    [
        ({}, False),
        ({"SIMD Extensions": {}}, False),
        ({"SIMD Extensions": {"baseline": ["X86_V2"], "found": ["X86_V3"]}}, False),
        ({"SIMD Extensions": {"baseline": ["X86_V2"], "found": ["X86_V3", "X86_V4"]}}, True),
        ({"SIMD Extensions": {"baseline": ["SSE"], "found": ["AVX2", "AVX512F"]}}, True),
        ({"SIMD Extensions": {"baseline": ["X86_V4"], "found": []}}, True),
        ({"SIMD Extensions": {"baseline": ["NEON"], "found": ["ASIMDHP"]}}, False),
    ],
)
def test_by_the_names_of_each_numpy(shown, is_wide, monkeypatch):
    monkeypatch.setattr(np, "show_config", lambda mode: shown)
    assert processor.has_wide_vectors() == is_wide
