"""Finds the function that ``MODULE:FUNCTION`` names and sees to it that it is decorated."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import pkgutil
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import tracegraph
from compiler.ir.errors import TracegraphError
from tracegraph.cli.errors import suggest, user_code

_FILE_MODULE: Final = "__tracegraph_target__"
_SHOWN_NAMES: Final = 8


def load_function(target: str, static: Sequence[str] = ()) -> Any:
    """The decorated function that a target names; a plain one is decorated here.

    Args:
        target: ``package.module:name.attr`` or ``path/to/file.py:name``.
        static: parameters of a plain function that are static.

    Raises:
        TracegraphError: there is no such module, file or function.
        Failure: importing the module raised an error of the user's.
    """
    place, colon, path = target.rpartition(":")
    if not (colon and place and path):
        is_file = Path(target).is_file()
        of_a_file = "a graph or an artifact is shown by dump, cost, kernels and explain"
        raise TracegraphError(
            f"{target} does not name a function",
            expected="MODULE:FUNCTION, such as package.module:train_step or train.py:train_step",
            found=target if is_file else f"{target}, which is no file either",
            hint="write the module or the file, a colon, and the function's name"
            + (f"; {of_a_file}" if is_file and not target.endswith(".py") else ""),
        )
    module = _load_file(Path(place)) if place.endswith(".py") else _load_module(place)
    return _decorated(_resolve(module, place, path), target, static)


def load_value(target: str, where: str) -> Any:
    """The value that a target names, or what it returns if it is a function.

    Args:
        target: ``package.module:name.attr`` or ``path/to/file.py:name``.
        where: how an error names the place it was given in.

    Raises:
        TracegraphError: there is no such module, file or value.
        Failure: importing the module, or the function, raised an error of the user's.
    """
    place, colon, path = target.rpartition(":")
    if not (colon and place and path):
        raise TracegraphError(
            f"@{target} does not name a value",
            where=where,
            expected="@MODULE:NAME, such as @package.module:params or @train.py:params",
            found=f"@{target}",
            hint="write the module or the file, a colon, and the name of a value, or of a function "
            "without parameters that returns one",
        )
    module = _loaded(Path(place)) if place.endswith(".py") else _load_module(place)
    found = _resolve(module, place, path, "value")
    if not inspect.isfunction(found):
        return found
    _check_no_parameters(found, target, where)
    with user_code():
        return found()


def _check_no_parameters(fun: Any, target: str, where: str) -> None:
    signature = inspect.signature(fun)
    try:
        signature.bind()
    except TypeError as error:
        raise TracegraphError(
            f"@{target} cannot be called without arguments: {error}",
            where=where,
            expected="a value, or a function without parameters that returns one",
            found=f"{fun.__name__}{bare(signature)}",
            hint="write a function of no parameters in the module that calls it",
        ) from error


def bare(signature: inspect.Signature) -> str:
    """The parameters as they are written, without annotations."""
    empty = inspect.Parameter.empty
    parameters = [p.replace(annotation=empty) for p in signature.parameters.values()]
    return str(inspect.Signature(parameters))


def _loaded(path: Path) -> ModuleType:
    """The file's module: the one whose function is called already, so that classes are the same."""
    known = sys.modules.get(_FILE_MODULE)
    return known if known and known.__file__ == str(path.resolve()) else _load_file(path)


def _load_file(path: Path) -> ModuleType:
    if not path.is_file():
        siblings = [p.name for p in path.parent.glob("*.py")]
        raise TracegraphError(
            "the file with the function does not exist",
            where=str(path),
            expected="a Python file",
            found="a folder" if path.is_dir() else "nothing of that name",
            hint=suggest(path.name, siblings, "correct the path before the colon"),
        )
    spec = importlib.util.spec_from_file_location(_FILE_MODULE, path.resolve())
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[_FILE_MODULE] = module
    sys.path.insert(0, str(path.resolve().parent))
    with user_code():
        spec.loader.exec_module(module)
    return module


def _load_module(name: str) -> ModuleType:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    importlib.invalidate_caches()
    with user_code():
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            missing = error.name or ""
            if name != missing and not name.startswith(f"{missing}."):
                raise  # the user's own module imports something that is not there
    raise _no_module(name, missing)


def _no_module(name: str, missing: str) -> TracegraphError:
    parent, _, last = missing.rpartition(".")
    path = getattr(sys.modules.get(parent), "__path__", []) if parent else None
    known = [module.name for module in pkgutil.iter_modules(path)]
    return TracegraphError(
        f"there is no module {missing}",
        where=f"the target {name}",
        expected="a module that Python can import from here",
        found="nothing of that name" + (f" in {parent}" if parent else ""),
        hint=suggest(last, known, "correct the name, or give a file: path/to/file.py:function"),
    )


def _resolve(module: ModuleType, place: str, path: str, kind: str = "function") -> Any:
    found: Any = module
    for depth, name in enumerate(path.split(".")):
        if not hasattr(found, name):
            parent = ".".join([place, *path.split(".")[:depth]])
            raise _no_attribute(found, parent, name, kind)
        found = getattr(found, name)
    return found


def _no_attribute(parent: Any, where: str, name: str, kind: str) -> TracegraphError:
    members = {n: getattr(parent, n, None) for n in dir(parent) if not n.startswith("_")}
    names = [n for n, value in members.items() if kind == "value" or callable(value)]
    own = [n for n in names if _is_defined_in(members[n], parent)]
    shown = ", ".join(own[:_SHOWN_NAMES]) + (", ..." if len(own) > _SHOWN_NAMES else "")
    return TracegraphError(
        f"{where} has no {kind} {name}",
        where=getattr(parent, "__file__", None) or where,
        expected=f"one of {shown}" if own else f"the name of a {kind} in it",
        found=name,
        hint=suggest(name, names, "correct the name after the colon"),
    )


def _is_defined_in(value: Any, parent: Any) -> bool:
    if not isinstance(parent, ModuleType):
        return True
    if not callable(value):
        return not isinstance(value, ModuleType)
    return getattr(value, "__module__", None) == parent.__name__


def _decorated(value: Any, target: str, static: Sequence[str]) -> Any:
    if not callable(value):
        raise TracegraphError(
            f"{target} is not a function",
            where=target,
            expected="a function, decorated or plain",
            found=f"a value of type {type(value).__name__}",
            hint="name a function of this module after the colon",
        )
    if not _is_decorated(value):
        _check_static(value, target, static)
        return _newly_decorated(value, target, static)
    if static:
        raise TracegraphError(
            f"--static cannot change {target}",
            where=target,
            expected="a plain function",
            found="a function that is already decorated",
            hint="leave --static out: the decorator says which arguments are static",
        )
    return value


def _newly_decorated(fun: Any, target: str, static: Sequence[str]) -> Any:
    try:
        return tracegraph.function(fun, static_argnames=tuple(static) or None)
    except TypeError as error:
        raise TracegraphError(
            f"{target} cannot be traced",
            where=target,
            expected="a function that returns arrays",
            found=str(error).partition("\n")[0],
            hint="name a function that calls this one and returns its results",
        ) from error


def _check_static(fun: Any, target: str, static: Sequence[str]) -> None:
    names = list(inspect.signature(fun).parameters) if static else []
    for name in static:
        if name not in names:
            raise TracegraphError(
                f"{target} has no parameter {name}",
                where=f"--static {name}",
                expected=f"one of {', '.join(names)}",
                found=name,
                hint=suggest(name, names, "name a parameter of the function"),
            )


def _is_decorated(value: Any) -> bool:
    return all(hasattr(value, name) for name in ("graph", "trace", "lower", "__wrapped__"))
