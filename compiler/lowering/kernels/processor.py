"""What the processor can do, for kernels that pay on some processors only."""

# numpy says no more of what it shows than that it is a dictionary.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from functools import cache
from typing import Any, Final

import numpy as np

_WIDE: Final = frozenset({"AVX512F", "AVX512_SKX", "X86_V4"})
"""What numpy calls AVX-512: 2.4 and later by the level of x86-64, earlier by its parts."""


@cache
def has_wide_vectors() -> bool:
    """Whether the processor computes with 16 numbers of 32 bits at once, as AVX-512 does."""
    shown: Any = np.show_config(mode="dicts")
    extensions: dict[str, list[str]] = shown.get("SIMD Extensions", {})
    names = [*extensions.get("baseline", []), *extensions.get("found", [])]
    return not _WIDE.isdisjoint(names)
