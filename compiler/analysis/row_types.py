"""Where a type says that the rows of a named size lie."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Final, NamedTuple

from compiler.ir.graph import Value
from compiler.ir.types import ArrayType, Dim

_FACTOR: Final = re.compile(r"\w+(\^\d+)?", re.ASCII)


class Place(NamedTuple):
    """How many elements lie before the rows: a number times named sizes."""

    number: int
    names: tuple[tuple[str, int], ...]


class Rows:
    """The rows of one named size.

    Args:
        name: the size.
    """

    UNCLEAR: Final = -1

    def __init__(self, name: str) -> None:
        self.name = name
        self._word = re.compile(rf"(?<!\w){re.escape(name)}(?!\w)")

    def axis(self, value: Value) -> int | None:
        """The axis that holds the rows; None if none does, ``UNCLEAR`` if it is not just one.

        An axis holds them if its size is the name, or a product of the name with other sizes.
        """
        if not isinstance(value.type, ArrayType):
            return self.UNCLEAR if self.named_in(str(value.type)) else None
        axes = [i for i, dim in enumerate(value.type.shape) if self._is_named(dim)]
        if not axes:
            return None
        return axes[0] if len(axes) == 1 and self._is_product(value.type.shape[axes[0]]) else -1

    def named_in(self, text: str) -> bool:
        """Whether the text of a size, or of anything else, has the name in it."""
        return self._word.search(text) is not None

    def any_in(self, values: Iterable[Value]) -> bool:
        """Whether one of the values has rows."""
        return any(self.axis(value) is not None for value in values)

    def place(self, value: Value) -> Place | None:
        """What the sizes before the rows multiply to; None if that cannot be said."""
        axis = self.axis(value)
        if axis is None or axis < 0 or not isinstance(value.type, ArrayType):
            return None
        number, names = 1, Counter[str]()
        for dim in value.type.shape[:axis]:
            factors = str(dim).split("*")
            if not all(_FACTOR.fullmatch(factor) for factor in factors):
                return None
            for factor in factors:
                number *= int(factor) if factor.isdecimal() else 1
                names.update([] if factor.isdecimal() else [factor])
        return Place(number, tuple(sorted(names.items())))

    def _is_named(self, dim: Dim) -> bool:
        return not isinstance(dim, int) and self.named_in(dim.text)

    def _is_product(self, dim: Dim) -> bool:
        factors = str(dim).split("*")
        with_name = [factor for factor in factors if self.named_in(factor)]
        return with_name == [self.name] and all(_FACTOR.fullmatch(factor) for factor in factors)


def size_in(value: Value, axis: int) -> Dim | None:
    """The size of an axis; None if there is no such axis."""
    shape = value.type.shape if isinstance(value.type, ArrayType) else ()
    return shape[axis] if axis < len(shape) else None


def rank(value: Value) -> int:
    """The number of axes."""
    return len(value.type.shape) if isinstance(value.type, ArrayType) else 0
