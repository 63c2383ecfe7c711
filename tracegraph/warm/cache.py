"""The cache of one decorated function: compiled programs on disk, found without running Python.

A key holds everything on which the program depends: the function's fingerprint, the arguments'
types, trees and placements, static values, JAX's settings, the passes, versions and devices. What
has no fingerprint is declined, and ``info`` says why.
"""

# jax annotates its functions in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import hashlib
import os
import pickle
import platform
import sys
from collections.abc import Callable, Hashable
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import jax

from compiler.ir.errors import TracegraphError
from compiler.lowering import jax_compat
from compiler.rules.registered import registered
from tracegraph import config
from tracegraph.boundary import boundary
from tracegraph.warm.digester import UnfingerprintableError
from tracegraph.warm.fingerprint import fingerprint
from tracegraph.warm.store import Store, UntrustedEntryError

MAX_BYTES: Final = 2 << 30


class CacheWarning(UserWarning):
    """An entry of a cache is not what a fresh trace gives, or cannot be trusted."""


@boundary
@dataclass(frozen=True, slots=True)
class Cache:
    """How a function's compiled programs are kept for later processes.

    Attributes:
        folder: where; None for the folder ``executables`` of TRACEGRAPH_CACHE_DIR or of the
            user's cache.
        max_bytes: how much all entries may take together; those used longest ago go first.
        verify: whether to trace all the same, and compare with what the entry was made from.

    Raises:
        TracegraphError: the folder is none, or the size is no number above zero.
    """

    folder: str | Path | None = None
    max_bytes: int = MAX_BYTES
    verify: bool = False

    def __post_init__(self) -> None:
        try:
            folder = Path() if self.folder is None else config.expanded(self.folder)
            Store(folder, self.max_bytes)
        except (TypeError, FileNotFoundError) as error:  # no path, no number, or nobody's home
            raise TracegraphError(
                "compiled programs cannot be kept so",
                expected="a folder, as text or a path, and a number of bytes",
                found=f"{self}: {error}",
                hint='write tg.Cache("programs", max_bytes=2 << 30), for example',
            ) from error

    def store(self) -> Store:
        """The folder as it is now.

        Raises:
            FileNotFoundError: it is below the home of a user who has none.
        """
        folder = config.cache_directory() / "executables" if self.folder is None else self.folder
        return Store(config.expanded(folder), self.max_bytes)


@dataclass(frozen=True, slots=True)
class CacheInfo:
    """What a cache did for one function. ``print`` shows it.

    Attributes:
        folder: where the entries are; None if there is no cache, or no place for it.
        hits: signatures that were read from disk.
        misses: signatures that were compiled and written.
        declined: why a signature was not kept, each reason once.
        entries: how many entries the folder holds, of all functions.
        nbytes: how much they take.
    """

    folder: Path | None
    hits: int
    misses: int
    declined: tuple[str, ...]
    entries: int
    nbytes: int

    def __str__(self) -> str:
        if self.folder is None and not self.declined:
            return "no cache: decorate with cache=True, or set TRACEGRAPH_CACHE_DIR"
        size = f"{self.entries} entries of {self.nbytes / 2**20:.1f} MiB in {self.folder}"
        lines = [f"{self.hits} read, {self.misses} written; {size}"] if self.folder else []
        return "\n".join([*lines, *(f"declined: {reason}" for reason in self.declined)])


@dataclass(slots=True)
class FunctionCache:
    """The cache of one decorated function.

    Attributes:
        fun: the user's function.
        settings: how and where.
        made_by: everything else that the program depends on: passes, options.
    """

    fun: Callable[..., Any]
    settings: Cache
    made_by: tuple[Any, ...]
    hits: int = 0
    misses: int = 0
    declined: dict[str, None] = field(default_factory=dict[str, None])

    def key(self, form: Hashable) -> str | None:
        """The key of a form of call; None if there is none, and ``info`` says why."""
        try:
            parts = (self.fun, self.made_by, registered(), form)
            return hashlib.sha256(f"{fingerprint(*parts)} {_surroundings()}".encode()).hexdigest()
        except UnfingerprintableError as reason:
            return self.decline(str(reason))

    def decline(self, reason: str) -> None:
        """Notes why something is not kept."""
        self.declined[reason] = None

    def read(self, key: str, in_tree: Any) -> tuple[Any, str] | None:
        """The compiled program of a key and the digest of its graph; None if there is none."""
        try:
            store = self.settings.store()
            data = store.read(key)
            if data is None:
                return None
        except (UntrustedEntryError, OSError) as reason:
            return self.decline(str(reason))
        try:
            executable, digest = pickle.loads(data)
            found = jax_compat.executable_from(executable, in_tree)
        except Exception as error:  # another machine's features, or a version that lied
            with suppress(OSError):
                store.drop(key)
            return self.decline(f"an entry could not be loaded: {type(error).__name__}: {error}")
        self.hits += 1
        return found, digest

    def write(self, key: str, compiled: Any, digest: str) -> None:
        """Keeps a compiled program; if that cannot be, ``info`` says why."""
        try:
            data = pickle.dumps((jax_compat.executable_bytes(compiled), digest))
            self.settings.store().write(key, data)
        except Exception as error:  # callbacks, trees without pickle, a full or read-only disk
            self.decline(f"the program cannot be kept: {type(error).__name__}: {error}")
            return
        self.misses += 1

    def info(self) -> CacheInfo:
        """What was done so far."""
        try:
            store = self.settings.store()
        except OSError as error:
            self.decline(str(error))
            return CacheInfo(None, self.hits, self.misses, tuple(self.declined), 0, 0)
        entries = len(list(store.entries()))
        reasons = tuple(self.declined)
        return CacheInfo(store.folder, self.hits, self.misses, reasons, entries, store.nbytes())


NO_CACHE: Final = CacheInfo(None, 0, 0, (), 0, 0)


def cache_settings(cache: object) -> Cache | None:
    """How to keep programs, from what the user wrote; None means: if the environment says so.

    Raises:
        TracegraphError: it is no setting.
    """
    if cache is None:
        return Cache() if os.environ.get(config.CACHE_VARIABLE) else None
    if isinstance(cache, bool):
        return Cache() if cache else None
    if cache == "verify":
        return Cache(verify=True)
    if isinstance(cache, Cache):
        cache.store()  # its errors come here, at the decorator
        return cache
    raise TracegraphError(
        "compiled programs cannot be kept so",
        expected='cache=True, cache=False, cache="verify", or cache=tg.Cache(folder)',
        found=repr(cache),
        hint="leave cache out to let TRACEGRAPH_CACHE_DIR decide",
    )


def form_of(jitted: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Hashable:
    """All that the trace and the program may depend on of a call, but the function and values.

    Raises:
        TypeError: an argument is no array, or a static one cannot be hashed.
    """
    leaves, tree = jax.tree.flatten(jax_compat.dynamic_arguments(jitted, args, kwargs))
    statics = jax_compat.static_arguments(jitted, args, kwargs).items()
    static = tuple((name, type(value), value) for name, value in statics)  # 1 == 1.0 == True
    device = getattr(jax.config, "jax_default_device")  # noqa: B009 - not in its types
    form = tuple(map(_leaf, leaves)), tree, static, _settings(), device
    hash(form)
    return form


def _settings() -> tuple[object, ...]:
    """JAX's settings as they are at this moment, but those of which no program depends."""
    names = [name for name in jax.config.values if not name.startswith(_NO_MATTER)]
    every = tuple((name, repr(getattr(jax.config, name, None))) for name in sorted(names))
    return jax_compat.trace_settings(), every


_NO_MATTER: Final = (
    "jax_compilation_cache",
    "jax_debug_log",
    "jax_dump",
    "jax_enable_compilation_cache",
    "jax_explain",
    "jax_include_full_tracebacks",
    "jax_log",
    "jax_persistent_cache",
    "jax_pprint",
    "jax_raise_persistent_cache",
    "jax_traceback",
    "jax_tracer_error",
)


def _leaf(value: Any) -> tuple[Any, ...]:
    type = jax.typeof(value)
    placed = ""
    if isinstance(value, jax.Array):
        devices = jax_compat.device_order(value.sharding)
        placed = f"{value.sharding} {devices} {value.committed} {getattr(value, 'format', '')}"
    return str(type), bool(getattr(type, "weak_type", False)), placed, value.__class__.__name__


def _surroundings() -> str:
    """Versions, devices and the machine."""
    import tracegraph

    devices = [(d.id, d.platform, d.device_kind, d.process_index) for d in jax.devices()]
    flags = [os.environ.get(name, "") for name in ("XLA_FLAGS", "LIBTPU_INIT_ARGS")]
    versions = (
        sys.version,
        jax.__version__,
        metadata.version("jaxlib"),
        tracegraph.__version__,
    )
    machine = (platform.machine(), platform.processor(), _own_code(), jax.default_backend())
    return repr((versions, devices, flags, machine))


_OWN: list[str] = []


def _own_code() -> str:
    """A digest of tracegraph's own files: a change of a pass changes what it makes."""
    if not _OWN:
        digest = hashlib.sha256()
        for package in ("compiler", "tracegraph"):
            root = Path(str(sys.modules[package].__file__)).parent
            for path in sorted(root.rglob("*.py")):
                status = path.stat()
                one = f"{path.relative_to(root)} {status.st_size} {status.st_mtime_ns}"
                digest.update(one.encode())
        _OWN.append(digest.hexdigest())
    return _OWN[0]
