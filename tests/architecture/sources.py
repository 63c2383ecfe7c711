"""What the architecture tests read: the project's modules as syntax trees, and git's list of files.

Nothing here imports the code that it reads.
"""

from __future__ import annotations

import ast
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("compiler", "tracegraph")


@dataclass(frozen=True)
class Module:
    """One module: its dotted name, its text, and whether it is a package's ``__init__``."""

    name: str
    text: str
    is_package: bool = False

    @cached_property
    def tree(self) -> ast.Module:
        """The module's syntax tree."""
        return ast.parse(self.text)

    @property
    def package(self) -> str:
        """What a relative import in this module starts from."""
        return self.name if self.is_package else self.name.rpartition(".")[0]


def modules() -> list[Module]:
    """Every module of both packages, in the order of their names."""
    paths = (path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    return sorted(map(_read, paths), key=lambda module: module.name)


def _read(path: Path) -> Module:
    parts = path.relative_to(ROOT).with_suffix("").parts
    is_package = parts[-1] == "__init__"
    name = ".".join(parts[:-1] if is_package else parts)
    return Module(name, path.read_text(encoding="utf-8"), is_package)


def tracked_files() -> list[Path] | None:
    """Every file that git holds or would add, or None where this is no git checkout."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    paths = (ROOT / name for name in listed.stdout.split("\0") if name)
    return [path for path in paths if path.is_file()]


@dataclass(frozen=True)
class Import:
    """One name that a module reaches for, in full: ``from a.b import c`` reaches ``a.b.c``."""

    target: str
    line: int

    def is_within(self, *packages: str) -> bool:
        """Whether the target is one of these packages or lies inside one."""
        return any(f"{self.target}.".startswith(f"{package}.") for package in packages)


def imports(module: Module) -> list[Import]:
    """Every import in a module, wherever it stands: in functions and under TYPE_CHECKING too.

    Counts ``importlib.import_module("x")`` and ``__import__("x")`` with a constant name, and, of
    jax's own modules, dotted access such as ``jax.interpreters.mlir``.
    """
    found: list[Import] = []
    for node in ast.walk(module.tree):
        match node:
            case ast.Import(names=names):
                found += [Import(alias.name, node.lineno) for alias in names]
            case ast.ImportFrom(names=names):
                base = _base_of(node, module)
                found += [Import(f"{base}.{alias.name}", node.lineno) for alias in names]
            case ast.Call(func=function, args=[ast.Constant(value=str(name)), *_]):
                if ast.unparse(function).split(".")[-1] in {"import_module", "__import__"}:
                    found.append(Import(name, node.lineno))
            case ast.Attribute() if (dotted := _dotted(node)).startswith("jax."):
                found.append(Import(dotted, node.lineno))
    return found


def _base_of(node: ast.ImportFrom, module: Module) -> str:
    if not node.level:
        return node.module or ""
    parts = module.package.split(".")
    start = parts[: len(parts) - (node.level - 1)]
    return ".".join([*start, node.module] if node.module else start)


def _dotted(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=attr) if base := _dotted(value):
            return f"{base}.{attr}"
    return ""
