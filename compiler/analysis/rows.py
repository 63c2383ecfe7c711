"""Whether a graph treats the rows of a named size one by one.

A graph of symbolic sizes is *row by row* in a size if row ``r`` of every value that has it depends
on row ``r`` of its operands alone, and no value depends on the size itself. Then rows may be added
and cut away again, and the others do not notice.

Which axis holds the rows can be read from a type: it is the only one whose size has the name in it.
Such a size may be the name alone or a product of it, ``4*n``, whose elements lie row by row. So no
state is carried through the graph, loops need no fixpoint, and every op is checked by itself: that
it maps values whose rows are aligned to values whose rows are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from compiler.analysis.row_checks import CHECKS, HARMLESS, SIZE_AS_VALUE
from compiler.analysis.row_types import Rows
from compiler.ir.attributes import Attribute, Opaque, Record
from compiler.ir.errors import TracegraphError
from compiler.ir.graph import Graph, Operation
from compiler.ir.types import SymbolicDim
from compiler.ir.walk import walk
from compiler.ops.definition import HARMLESS_EFFECTS

_HINT: Final = (
    "leave the buckets out, or compute over the rows outside of this function: a padded row must "
    "not be able to change another one"
)


def check_rows(graph: Graph, name: str) -> None:
    """Proves that a graph is row by row in a size.

    Args:
        graph: captured with symbolic sizes.
        name: the size.

    Raises:
        TracegraphError: an op is not known to be; the error names it and its line.
    """
    rows = Rows(name)
    for parameter in graph.parameters:
        if rows.axis(parameter) == Rows.UNCLEAR:
            raise _unclear_parameter(graph, str(parameter.type), name)
    found = [(op, reason) for op in walk(graph) if (reason := _reason(op, rows)) is not None]
    if found:
        # A mean asks for the number of rows before it sums them: the sum says more to the reader.
        op, reason = next((pair for pair in found if pair[0].name != SIZE_AS_VALUE), found[0])
        raise _mixes(graph, op, name, reason)


def _reason(op: Operation, rows: Rows) -> str | None:
    """Why an op is not known to be row by row; None if it is."""
    effects = sorted(str(e.kind) for e in op.effects if e.kind not in HARMLESS_EFFECTS)
    if effects and not op.regions:
        return f"it has a side effect ({', '.join(effects)}), which would see the added rows"
    inside = bool(op.regions) and op.name in HARMLESS  # what is inside says it better
    if not inside and any(rows.axis(value) == Rows.UNCLEAR for value in op.results):
        types = ", ".join(str(value.type) for value in op.results)
        return f"the rows do not stay in one axis: its result is {types}"
    check = CHECKS.get(op.name)
    if check is not None:
        return check(op, rows)
    if op.name in HARMLESS or op.is_terminator:
        return None
    touched = rows.any_in([*op.operands, *op.results])
    if touched or any(_mentions(value, rows) for value in op.attributes.values()):
        return "it is not known to treat rows one by one"
    return None


def _mentions(value: Attribute, rows: Rows) -> bool:
    if isinstance(value, tuple):
        return any(_mentions(item, rows) for item in value)
    if isinstance(value, Record):
        return any(_mentions(item, rows) for _, item in value.fields)
    if isinstance(value, SymbolicDim):
        return rows.named_in(value.text)
    return isinstance(value, Opaque) and rows.named_in(f"{value.text} {value.handle}")


def _mixes(graph: Graph, op: Operation, name: str, reason: str) -> TracegraphError:
    operands: Sequence[str] = [str(value.type) for value in op.operands]
    return TracegraphError(
        f"{graph.name} cannot be run at a padded size: {op.name} may mix the rows of {name!r}",
        where=_line(op),
        expected=f"row by row computation along {name!r}",
        found=f"{op.name} of ({', '.join(operands)}): {reason}",
        hint=_HINT,
    )


def _line(op: Operation) -> str:
    """The line of an op, or of the innermost call around it that has one."""
    here: object = op
    while isinstance(here, Operation) and here.location.frame is None and here.parent is not None:
        here = here.parent.owner
    return str(here.location if isinstance(here, Operation) else op.location)


def _unclear_parameter(graph: Graph, type: str, name: str) -> TracegraphError:
    return TracegraphError(
        f"{graph.name} cannot be run at a padded size: an argument does not hold one row after "
        "the other",
        expected=f"{name!r} or a product of it, once in the sizes of each argument",
        found=type,
        hint="give the other sizes names or numbers of their own, or leave the buckets out",
    )
