"""Reads a saved artifact: a function that ``jax.export`` compiled to StableHLO and wrote to a file.

Its Python is gone. What is left is one opaque operation, ``call_exported``, with the types of its
arguments; XLA compiles it as before.
"""

# JAX annotates its functions in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import jax
from jax import export

import tracegraph
from compiler.ir.errors import TracegraphError
from compiler.lowering import jax_compat
from tracegraph.cli.errors import suggest

jax_compat.hide_frames(__file__)

_SIZE: Final = re.compile(r"(\w+)=(\d+)")
_INSTALL: Final = 'pip install "tracegraph[export]"'


@dataclass(frozen=True, slots=True)
class Artifact:
    """What a file of ``jax.export`` holds, at the sizes asked for.

    Attributes:
        name: the file.
        exported: the ``jax.export.Exported``.
        function: the decorated function that calls it.
        args: its arguments, as shapes.
        kwargs: its keyword arguments, as shapes.
    """

    name: str
    exported: Any
    function: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def check_runnable(self) -> None:
        """Returns if this machine can compile it.

        Raises:
            TracegraphError: it is for another platform, or for several devices.
        """
        here, platforms = jax.default_backend(), self.exported.platforms
        names = {"gpu": ("gpu", "cuda", "rocm")}.get(here, (here,))
        if not set(names) & set(platforms):
            raise self._not_here(
                f"it was exported for {', '.join(platforms)}", here, "its platform", "platforms"
            )
        if self.exported.nr_devices > 1:
            count = f"{self.exported.nr_devices} devices"
            raise self._not_here(f"it was exported for {count}", "1 device", count, "sharding")

    def _not_here(self, why: str, found: str, wanted: str, option: str) -> TracegraphError:
        return TracegraphError(
            f"{self.name} cannot be compiled here: {why}",
            where=self.name,
            expected=f"an artifact for {found}",
            found=why,
            hint=f"run the command on {wanted}, or export it again with other {option}; "
            "`tracegraph dump` shows it anywhere",
        )


class _Called:
    """Calls an artifact, under the name of the function that was exported."""

    def __init__(self, exported: Any) -> None:
        self._exported = exported
        self.__name__ = self.__qualname__ = str(exported.fun_name)

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        return self._exported.call(*args, **kwargs)


def is_artifact(target: str) -> bool:
    """Whether a target names a file that can only be an artifact: it is there, and is no graph."""
    path = Path(target)
    return path.suffix not in (".tg", ".py") and path.is_file()


def is_size(text: str) -> bool:
    """Whether the text of an argument gives a size to a symbolic dimension."""
    return _SIZE.fullmatch(text) is not None


def sizes_for(target: str, texts: Sequence[str]) -> list[str]:
    """Those of the arguments that give a size to a dimension which the artifact leaves open."""
    names = _open_sizes(_read(target))
    return [text for text in texts if is_size(text) and text.partition("=")[0] in names]


def load_artifact(target: str, sizes: Sequence[str] = ()) -> Artifact:
    """The artifact in a file.

    Args:
        target: the file.
        sizes: ``NAME=SIZE`` for each of its symbolic dimensions.

    Raises:
        TracegraphError: the file holds no artifact, or its sizes are not all known.
    """
    exported = _read(target)
    known = _sizes(target, exported, sizes)
    avals = [jax_compat.aval_at(aval, known) for aval in exported.in_avals]
    shapes = [jax.ShapeDtypeStruct(aval.shape, aval.dtype) for aval in avals]
    args, kwargs = jax.tree.unflatten(exported.in_tree, shapes)
    artifact = Artifact(target, exported, tracegraph.function(_Called(exported)), args, kwargs)
    try:
        artifact.function.eval_shape(*args, **kwargs)
    except ValueError as error:  # how jax.export refuses sizes
        raise _misfit(target, sizes, error) from error
    return artifact


def _read(target: str) -> Any:
    try:
        found = export.deserialize(bytearray(Path(target).read_bytes()))
        found.mlir_module()  # which is read only now
    except ImportError as error:
        raise TracegraphError(
            f"{target} cannot be read: the package flatbuffers is not installed",
            where=target,
            expected="the package flatbuffers, with which jax.export writes and reads",
            found=str(error),
            hint=_INSTALL,
        ) from error
    except Exception as error:  # flatbuffers and MLIR raise whatever they stumble on
        raise TracegraphError(
            f"{target} is no artifact of jax.export, or it is damaged",
            where=target,
            expected="what jax.export.export(jax.jit(f))(...).serialize() gives, in a file; "
            "the text of a graph is a FILE.tg",
            found=f"{type(error).__name__}: {error}"[:300],
            hint="write the file anew, in binary mode; a function is named MODULE:FUNCTION",
        ) from error
    return found


def _sizes(target: str, exported: Any, given: Sequence[str]) -> Mapping[str, int]:
    """The sizes of all symbolic dimensions, and of nothing else."""
    names = _open_sizes(exported)
    known = dict(_size(target, text, names) for text in given)
    missing = [name for name in names if name not in known]
    if missing:
        raise TracegraphError(
            f"{target} has sizes that are not known: {', '.join(missing)}",
            where=target,
            expected="a number for each: " + " ".join(f"--arg {name}=SIZE" for name in names),
            found=", ".join(map(str, exported.in_avals)),
            hint="give sizes with --arg, such as " + " ".join(f"--arg {n}=8" for n in missing),
        )
    return known


def _open_sizes(exported: Any) -> list[str]:
    dims = [dim for aval in exported.in_avals for dim in aval.shape if jax_compat.is_symbolic(dim)]
    return sorted(set[str]().union(*map(jax_compat.symbol_names, dims)))


def _size(target: str, text: str, names: Sequence[str]) -> tuple[str, int]:
    match = _SIZE.fullmatch(text)
    if match is not None and match[1] in names:
        return match[1], int(match[2])
    listed = " ".join(f"--arg {name}=SIZE" for name in names)
    raise TracegraphError(
        f"{target} takes no argument {text}",
        where=f"--arg {text}",
        expected=listed or "no --arg: it has the types of its arguments",
        found=text,
        hint=suggest(text.partition("=")[0], names, "leave it out")
        if match
        else "an artifact has the types of its arguments; only sizes that were left open are given",
    )


def _misfit(target: str, sizes: Sequence[str], error: ValueError) -> TracegraphError:
    said = str(error).partition(" Please see")[0]
    return TracegraphError(
        f"{target} does not take these sizes",
        where=f"--arg {' --arg '.join(sizes)}" if sizes else target,
        expected="sizes that the artifact was exported for",
        found=said[:500],
        hint="give other sizes with --arg",
    )
