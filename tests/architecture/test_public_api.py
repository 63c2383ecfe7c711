"""The public names, and the limits that every file and function keeps."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator

import pytest

from tests.architecture.sources import Module, modules, tracked_files

# Sorted. A name that is added here is a promise; one that is removed breaks somebody's code.
PUBLIC_NAMES = [
    "Autotune",
    "BudgetError",
    "Cache",
    "CacheInfo",
    "CacheWarning",
    "CheckError",
    "CompiledSignature",
    "CostReport",
    "DeviceSpec",
    "Explanation",
    "FrozenStateWarning",
    "Function",
    "Graph",
    "GraphDiff",
    "KernelReport",
    "OptimizationWarning",
    "ProfileReport",
    "Retrace",
    "RetraceWarning",
    "Signatures",
    "Spec",
    "Stage",
    "Trace",
    "TracegraphError",
    "Verification",
    "__version__",
    "autograph",
    "debug",
    "diff",
    "expect",
    "export_graph",
    "function",
    "parse_graph",
    "print_graph",
]

MAX_FUNCTION_LINES = 60
MAX_FILE_LINES = 400
# Written apart, so that this file passes its own test.
MACHINE_PATHS = [f"/{folder}/".encode() for folder in ("work", "root")]

MODULES = modules()
FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef
DocumentedNode = FunctionNode | ast.ClassDef


def test_public_names_are_these():
    assert sorted(importlib.import_module("tracegraph").__all__) == PUBLIC_NAMES


def test_every_public_name_exists():
    tracegraph = importlib.import_module("tracegraph")
    assert [name for name in PUBLIC_NAMES if not hasattr(tracegraph, name)] == []


def undocumented(module: Module) -> list[str]:
    """The public module, classes, functions and methods of a module that have no docstring."""
    if any(part.startswith("_") for part in module.name.split(".")):
        return []
    missing = [] if ast.get_docstring(module.tree) else [module.name]
    nodes = _public_definitions(module.tree)
    return missing + [f"{module.name}:{n.lineno} {n.name}" for n in nodes if not _is_documented(n)]


def _public_definitions(scope: ast.Module | ast.ClassDef) -> Iterator[DocumentedNode]:
    for node in scope.body:
        if not isinstance(node, DocumentedNode) or node.name.startswith("_"):
            continue
        yield node
        if isinstance(node, ast.ClassDef):
            yield from _public_definitions(node)


def _is_documented(node: DocumentedNode) -> bool:
    """Overloads, overrides and property setters say nothing that their first form does not."""
    decorators = {ast.unparse(decorator).split(".")[-1] for decorator in node.decorator_list}
    return bool(ast.get_docstring(node) or decorators & {"overload", "override", "setter"})


def long_functions(module: Module) -> list[str]:
    """The functions of a module, nested ones and methods too, that are over the limit."""
    nodes = [node for node in ast.walk(module.tree) if isinstance(node, FunctionNode)]
    lengths = [(node, (node.end_lineno or node.lineno) - node.lineno + 1) for node in nodes]
    return [
        f"{module.name}:{node.lineno} {node.name} has {length} lines"
        for node, length in lengths
        if length > MAX_FUNCTION_LINES
    ]


def long_file(module: Module) -> list[str]:
    """The module itself, if it is over the limit."""
    length = len(module.text.splitlines())
    return [f"{module.name} has {length} lines"] if length > MAX_FILE_LINES else []


@pytest.mark.parametrize(
    "check", [undocumented, long_functions, long_file], ids=lambda c: c.__name__
)
def test_every_module_passes(check):
    assert [finding for module in MODULES for finding in check(module)] == []


@pytest.mark.parametrize(
    ("check", "text"),
    [
        (undocumented, "x = 1"),
        (undocumented, '"""Doc."""\ndef public(): pass'),
        (undocumented, '"""Doc."""\nclass C:\n    """Doc."""\n    def method(self): pass'),
        (long_functions, "def f():\n" + "    pass\n" * MAX_FUNCTION_LINES),
        (long_file, "pass\n" * (MAX_FILE_LINES + 1)),
    ],
)
def test_the_check_catches(check, text):
    assert check(Module("compiler.ir.example", text))


@pytest.mark.parametrize(
    ("check", "text"),
    [
        (undocumented, '"""Doc."""\ndef _private(): pass\nclass C:\n    """Doc."""\n    x = 1'),
        (long_functions, "def f():\n" + "    pass\n" * (MAX_FUNCTION_LINES - 1)),
        (long_file, "pass\n" * MAX_FILE_LINES),
    ],
)
def test_the_check_permits(check, text):
    assert not check(Module("compiler.ir.example", text))


def test_no_file_names_a_path_of_the_machine_it_was_written_on():
    files = tracked_files()
    if files is None:
        pytest.skip("not a git checkout: there is no list of files to read")
    named = [
        f"{path.name} holds {phrase.decode()}"
        for path in files
        for phrase in MACHINE_PATHS
        if phrase in path.read_bytes()
    ]
    assert named == []
