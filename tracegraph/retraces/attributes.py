"""What nnx objects say of themselves beside their values, for the causes of traces."""

from __future__ import annotations

import types
from collections.abc import Sequence
from typing import Final, cast

from tracegraph.state import nnx_objects
from tracegraph.written import short

_PLAIN: Final = (bool, int, float, complex, str, bytes, type, types.FunctionType, type(None))


def attributes_of(objects: Sequence[object]) -> tuple[dict[str, str], ...]:
    """For each object, the plain attributes of it and its parts as text, by their paths."""
    found: tuple[dict[str, str], ...] = tuple({} for _ in objects)
    for path, node in nnx_objects.nodes(objects):
        if not path or not nnx_objects.is_object(node):
            continue
        for name, value in cast("dict[str, object]", vars(node)).items():
            if isinstance(value, _PLAIN) and not name.startswith("_"):
                found[path[0]][".".join(map(str, (*path[1:], name)))] = short(value)
    return found
