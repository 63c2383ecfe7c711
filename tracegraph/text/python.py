"""A graph as Python that runs: ``jax.lax`` calls under the user's own lines.

Regions become functions of their own. What cannot be written as ``jax.lax`` code (a callback, a
kernel, a mutable array) is said in a comment, and raises when the code runs.
"""

from __future__ import annotations

import linecache
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import jax

from compiler.ir.attributes import Dense
from compiler.ir.graph import CONSTANT, Graph, Operation, Region, Value
from compiler.ir.locations import Frame
from compiler.ir.naming import assign_names
from compiler.ops.parameters import integer
from tracegraph.text.calls import PLATFORM_INDEX, call_text
from tracegraph.text.computations import COMPUTED, computation
from tracegraph.text.values import UnwritableError, array_text, identifier

_INDENT: Final = "    "
_CALLS: Final = frozenset(
    {
        "jit",
        "pjit",
        "closed_call",
        "core_call",
        "remat",
        "remat2",
        "checkpoint",
        "custom_jvp_call",
        "custom_vjp_call",
        "custom_vjp_call_jaxpr",
    }
)
_FLOW: Final = frozenset({"cond", "scan", "while"})
_UNWRITABLE: Final = "_unwritable"
_PARTED: Final = "_parted"
_JOINED: Final = "_joined"
_RESERVED: Final = frozenset({"base64", "complex", "float", "jax", "lax", "np"})
_HELPERS: Final = {
    _PARTED: [
        "def _parted(values, count):",
        "    return tuple(values[:count]), tuple(values[count:])",
    ],
    _JOINED: [
        "def _joined(pair):",
        "    return (*pair[0], *pair[1])",
    ],
    PLATFORM_INDEX: [
        "def _platform_index(platforms):",
        "    here = jax.default_backend()",
        "    fits = [names is None or here in names for names in platforms]",
        "    return np.int32(fits.index(True))",
    ],
    _UNWRITABLE: [
        "def _unwritable(what):",
        '    why = "cannot be written as jax.lax code: run the function itself"',
        '    raise NotImplementedError(f"{what} {why}")',
    ],
}


def to_python(graph: Graph) -> str:
    """The graph as the text of a Python module with one function, named as the graph is.

    The function takes the graph's parameters in their order, captured arrays first, and returns a
    tuple of its results. It runs under the version of JAX that made the graph.
    """
    writer = _Writer(graph)
    body = writer.function(identifier(graph.name), graph.body, 0)
    text = "\n".join(body)
    head = [
        f'"""@{graph.name} as jax.lax calls, for jax {jax.__version__}."""',
        "",
        *(["import base64", ""] if "base64." in text else []),
        "import jax",
        *(["import jax.extend.random"] if "jax.extend." in text else []),
        "import numpy as np",
        "from jax import lax",
    ]
    for name, lines in _HELPERS.items():
        head += ["", "", *lines] if f"{name}(" in text else []
    return "\n".join([*head, "", "", text, ""])


class _Writer:
    """One writing: the names of values, and how many functions there are."""

    def __init__(self, graph: Graph) -> None:
        self._names = _identifiers(graph)
        self._functions = 0
        self._shown: Frame | None = None

    def function(self, name: str, region: Region, depth: int) -> list[str]:
        """The lines of the function that computes a region."""
        parameters = ", ".join(self._names[value] for value in region.parameters)
        lines = [f"{_INDENT * depth}def {name}({parameters}):"]
        self._shown = None
        for op in region:
            lines += self._operation(op, depth + 1)
        self._shown = None
        return lines

    def _operation(self, op: Operation, depth: int) -> list[str]:
        indent = _INDENT * depth
        if op.is_terminator:
            return [f"{indent}return {_tuple(self._read(op.operands))}"]
        lines = [f"{indent}{line}" for line in self._source(op)]
        targets = ", ".join(self._names[value] for value in op.results)
        try:
            before, call = self._call(op, depth)
        except UnwritableError as error:
            what = str(error) if op.name in str(error) else f"{op.name} with {error}"
            lines.append(f"{indent}# {what}: cannot be written as jax.lax code")
            before, call = [], f"{_UNWRITABLE}({what!r})"
        if len(op.results) == 1 and _gives_list(op):
            targets += ","
        return [*lines, *before, f"{indent}{targets} = {call}" if targets else f"{indent}{call}"]

    def _call(self, op: Operation, depth: int) -> tuple[list[str], str]:
        """What has to stand before an op, and the expression of its results."""
        operands = self._read(op.operands)
        if op.name == CONSTANT:
            return [], _constant(op)
        if op.name in COMPUTED:
            function, lines = self._computation(op, depth)
            return lines, COMPUTED[op.name](op, function, operands)
        if not op.regions:
            return [], call_text(op, operands)
        if op.effects or op.name not in _CALLS | _FLOW:
            raise UnwritableError(f"{op.name}, a call of another kind")
        lines: list[str] = []
        names: list[str] = []
        for region in op.regions:
            names.append(self._function_name(op))
            lines += self.function(names[-1], region, depth)
        return lines, _region_call(op, names, operands)

    def _computation(self, op: Operation, depth: int) -> tuple[str, list[str]]:
        """The name and the lines of the function that an op carries in its attributes."""
        graph = computation(op)
        self._names |= _identifiers(graph)
        name = self._function_name(op)
        return name, self.function(name, graph.body, depth)

    def _function_name(self, op: Operation) -> str:
        self._functions += 1
        return f"_{identifier(op.name)}_{self._functions}"

    def _read(self, values: Sequence[Value]) -> list[str]:
        return [self._names[value] for value in values]

    def _source(self, op: Operation) -> list[str]:
        """The user's line, where it is another than that of the op before."""
        frame = op.location.frame
        if op.name == CONSTANT or frame is None or frame == self._shown:
            return []
        self._shown = frame
        text = linecache.getline(frame.file, frame.line).strip()
        return [f"# {Path(frame.file).name}:{frame.line}: {text}".rstrip(": ")]


def _region_call(op: Operation, functions: Sequence[str], operands: Sequence[str]) -> str:
    if op.name == "cond":
        index, *rest = operands
        branches = f"[{', '.join(functions)}]"
        return f"lax.switch({', '.join([index, branches, *rest])})"
    if op.name == "scan":
        return _scan(op, functions[0], operands)
    if op.name == "while":
        return _while(op, functions, operands)
    return f"{functions[0]}({', '.join(operands)})"


def _scan(op: Operation, body: str, operands: Sequence[str]) -> str:
    constants, carried = integer(op, "num_consts"), integer(op, "num_carry")
    first = ", ".join([*operands[:constants], "*_c", "*_x"])
    carry = _tuple(operands[constants : constants + carried])
    slices = _tuple(operands[constants + carried :])
    said = "".join(f", {name}={op.attributes[name]!r}" for name in ("length", "reverse", "unroll"))
    step = f"lambda _c, _x: {_PARTED}({body}({first}), {carried})"
    return f"{_JOINED}(lax.scan({step}, {carry}, {slices}{said}))"


def _while(op: Operation, functions: Sequence[str], operands: Sequence[str]) -> str:
    tests, rounds = integer(op, "cond_nconsts"), integer(op, "body_nconsts")
    by_role = dict(zip((region.name for region in op.regions), functions, strict=True))
    test = ", ".join([*operands[:tests], "*_c"])
    body = ", ".join([*operands[tests : tests + rounds], "*_c"])
    start = _tuple(operands[tests + rounds :])
    check = f"lambda _c: {by_role['cond_jaxpr']}({test})[0]"
    return f"lax.while_loop({check}, lambda _c: {by_role['body_jaxpr']}({body}), {start})"


def _constant(op: Operation) -> str:
    value = op.attributes["value"]
    if not isinstance(value, Dense):
        raise UnwritableError(f"a {CONSTANT} that is no array of numbers")
    return array_text(value.array)


def _gives_list(op: Operation) -> bool:
    """Whether what is called gives a list even for one result."""
    several = ("device_put", "optimization_barrier", "sort", "split")
    multiple = bool(getattr(op.primitive, "multiple_results", False))
    return bool(op.regions) or multiple or op.name in several


def _tuple(items: Sequence[str]) -> str:
    return f"({items[0]},)" if len(items) == 1 else f"({', '.join(items)})"


def _identifiers(graph: Graph) -> dict[Value, str]:
    """A Python name for each value, unique within its region."""
    taken: dict[Region | None, set[str]] = {}
    found: dict[Value, str] = {}
    for value, name in assign_names(graph).items():
        used = taken.setdefault(value.region, {*_RESERVED, identifier(graph.name)})
        base, count = _word(name), 1
        word = base
        while word in used:
            count += 1
            word = f"{base}_{count}"
        used.add(word)
        found[value] = word
    return found


def _word(name: str) -> str:
    """A Python name that does not begin as those of the functions here do."""
    word = identifier(name).lstrip("_")
    return word if word.isidentifier() else f"v{word}"
