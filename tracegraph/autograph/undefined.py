"""Variables without a value, as converted code keeps them until somebody reads one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from compiler.lowering import jax_compat
from tracegraph.autograph.errors import control_flow_error

jax_compat.hide_frames(__file__)


class Undefined:
    """A variable that has been given no value.

    Args:
        name: the variable.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def read(self) -> Any:
        """What a read of the variable does: the error that Python gives."""
        raise UnboundLocalError(
            f"cannot access local variable '{self.name}' where it is not associated with a value"
        )

    def __repr__(self) -> str:
        return f"<{self.name} has no value>"


class OneBranch(Undefined):
    """A variable that only one branch of a traced condition gives a value.

    Args:
        name: the variable.
        line: where it gets its value.
    """

    def __init__(self, name: str, line: str) -> None:
        super().__init__(name)
        self.line = line

    def read(self) -> Any:
        """Refused: whether there is a value is known only when the program runs."""
        raise control_flow_error(
            f"`{self.name}` is used, and may have no value",
            expected="a value in both branches, or before them",
            found=f"one only in one branch, at {self.line}",
            hint=f"give `{self.name}` a value of the same type before the `if` or in its else",
        )


class Unreturned:
    """The return value of a function that has not returned."""


def UndefinedReturnValue() -> Unreturned:  # noqa: N802 - the engine's name
    """The return value before any return."""
    return Unreturned()


def ld(value: Any) -> Any:
    """Reads a variable."""
    return value.read() if isinstance(value, Undefined) else value


def ldu(load: Callable[[], Any], name: str) -> Any:
    """Reads an attribute or item that may not be there."""
    try:
        return load()
    except (KeyError, AttributeError, NameError, IndexError, TypeError):
        return Undefined(name)
