"""What converted code calls: it sees this module under the name ``ag__``."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from compiler.lowering import jax_compat
from tracegraph.autograph import values
from tracegraph.autograph.calls import converted_call
from tracegraph.autograph.conditionals import if_exp, if_stmt, not_returned
from tracegraph.autograph.conversion import autograph_artifact
from tracegraph.autograph.errors import control_flow_error
from tracegraph.autograph.iteration import iterated, steps
from tracegraph.autograph.lists import augmented, list_append, set_item, slice_
from tracegraph.autograph.logic import and_, caught, compare, not_, or_, refuted
from tracegraph.autograph.loops import for_stmt, while_stmt
from tracegraph.autograph.undefined import (
    Undefined,
    UndefinedReturnValue,
    Unreturned,
    ld,
    ldu,
)

__all__ = [
    "FunctionScope",
    "Undefined",
    "UndefinedReturnValue",
    "and_",
    "augmented",
    "autograph_artifact",
    "caught",
    "compare",
    "converted_call",
    "for_stmt",
    "if_exp",
    "if_stmt",
    "iterated",
    "ld",
    "ldu",
    "list_append",
    "not_",
    "not_returned",
    "or_",
    "refuted",
    "set_item",
    "slice_",
    "steps",
    "while_stmt",
]

jax_compat.hide_frames(__file__)


class FunctionScope:
    """The body of a converted function.

    Args:
        name: the function.
        scope: its scope's name.
        options: none.
    """

    def __init__(self, name: str, scope: str, options: None) -> None:
        del scope, options
        self._name = name

    def __enter__(self) -> FunctionScope:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Nothing is left to do."""

    def ret(self, value: Any, returned: Any) -> Any:
        """What the function returns.

        Raises:
            ControlFlowError: whether it returns a value is known only when the program runs.
        """
        if isinstance(value, Unreturned):
            return None
        if value is None or values.truth(returned) is not None:
            return value
        raise control_flow_error(
            f"{self._name} returns a value on one way through it only",
            expected="a return on every way",
            found=f"{values.described(value)} on one, and None where the function just ends",
            hint="return a value of the same type at the end of the function",
        )
