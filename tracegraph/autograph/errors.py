"""What goes wrong when Python control flow becomes operations, and the words for it."""

from __future__ import annotations

import dis
from types import CodeType

from compiler.ir.errors import TracegraphError
from tracegraph.userlines import calling_frame, calling_line


class ConversionError(TracegraphError):
    """A function cannot be converted: its source is out of reach, or says what has no meaning."""


class SourceError(ConversionError):
    """A function's source is out of reach, or it is of a kind that Python alone can run."""


class MissingEngineError(TracegraphError, ImportError):
    """The library that reads Python's control flow is not installed."""


class ControlFlowError(TracegraphError):
    """A branch or loop on traced values does not keep to what a compiled one can do."""


def control_flow_error(what: str, *, hint: str, expected: str = "", found: str = "") -> Exception:
    """An error at the user's line that is running."""
    return ControlFlowError(what, where=calling_line(), expected=expected, found=found, hint=hint)


def assigned_in(code: CodeType, name: str) -> str:
    """The last line in a block that gives a name its value; the last before it if none does."""
    lines = [line for block in _blocks(code) for line in _stores(block, name)]
    return f"{code.co_filename}:{max(lines)}" if lines else assigned_before(name)


def assigned_before(name: str) -> str:
    """The last line before the running one that gives a name its value in the running function."""
    frame = calling_frame()
    if frame is None:
        return ""
    code = frame.f_code
    if not name.isidentifier():  # an expression has its value where it stands
        return f"{code.co_filename}:{frame.f_lineno}"
    lines = [line for line in _stores(code, name) if line < frame.f_lineno]
    return f"{code.co_filename}:{max(lines, default=code.co_firstlineno)}"


def readable(name: str) -> str:
    """A variable as the user knows it: the converter's own stand for what they control."""
    if name.startswith("retval_"):
        return "the return value"
    if name.startswith(("break_", "continue_", "do_return")):
        return "whether the loop is left"
    return f"`{name}`"


def _blocks(code: CodeType) -> list[CodeType]:
    inner = [each for each in code.co_consts if isinstance(each, CodeType)]
    nested = [block for each in inner if "set_state" not in each.co_name for block in _blocks(each)]
    return [code, *nested]


def _stores(code: CodeType, name: str) -> list[int]:
    names = name.rsplit(".", 1)[-1]
    return [
        step.positions.lineno
        for step in dis.get_instructions(code)
        if step.opname.startswith("STORE_") and step.argval == names
        if step.positions is not None and step.positions.lineno is not None
    ]
