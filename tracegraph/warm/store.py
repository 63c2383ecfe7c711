"""A folder of entries on disk, safe under many processes, that trusts nothing it did not write.

An entry is one file: a line that names the format, a code that only the owner of the folder's
secret can have made, and the payload. It is written beside its place and moved there whole.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from compiler.ir.errors import TracegraphError
from compiler.ir.files import create_new, write_whole

SUFFIX: Final = ".tgx"
_MAGIC: Final = b"tracegraph executable 1\n"
_SECRET: Final = "secret"
_DIGEST: Final = hashlib.sha256().digest_size
_NO_LINK: Final = sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY"))
"""Opens no link, and does not wait for somebody at the other end of a pipe."""

_ABANDONED: Final = 24 * 60 * 60
"""Nobody takes so many seconds to write an entry."""


class UntrustedEntryError(Exception):
    """A file that is damaged, or that another owner or version wrote."""


@dataclass(frozen=True, slots=True)
class Store:
    """A folder of entries.

    Attributes:
        folder: where they are; made when the first is written.
        max_bytes: how much they may take together; the ones used longest ago go first.
    """

    folder: Path
    max_bytes: int

    def __post_init__(self) -> None:
        if self.max_bytes <= 0:
            raise TracegraphError(
                "a cache cannot have this size",
                expected="a number of bytes above zero",
                found=str(self.max_bytes),
                hint="leave max_bytes out for 2 GiB",
            )

    def read(self, key: str) -> bytes | None:
        """The payload of an entry; None if there is none.

        Raises:
            UntrustedEntryError: the file is not what ``write`` would have written here.
        """
        path = self._path(key)
        try:
            data = path.read_bytes()
        except OSError:
            return None
        start = len(_MAGIC) + _DIGEST
        code, payload = data[len(_MAGIC) : start], data[start:]
        if not data.startswith(_MAGIC) or not hmac.compare_digest(code, self._code(key, payload)):
            raise UntrustedEntryError(f"{path} is damaged, or not of this cache")
        with suppress(OSError):
            os.utime(path)
        return payload

    def write(self, key: str, payload: bytes) -> None:
        """Writes an entry, and makes room for it.

        Raises:
            OSError: the folder cannot be written.
        """
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        data = _MAGIC + self._code(key, payload) + payload
        write_whole(self._path(key), data, private=True)
        self._evict(keep=self._path(key))

    def drop(self, key: str) -> None:
        """Forgets an entry."""
        self._path(key).unlink(missing_ok=True)

    def entries(self) -> Iterator[Path]:
        """The files of all entries."""
        return self.folder.glob(f"*{SUFFIX}")

    def nbytes(self) -> int:
        """How much all entries take."""
        return sum(size for _, size, _ in self._listed())

    def _evict(self, keep: Path) -> None:
        self._drop_abandoned()
        listed = sorted(self._listed())
        size = sum(one for _, one, _ in listed)
        for _, one, path in listed:
            if size <= self.max_bytes:
                return
            if path == keep:
                continue
            path.unlink(missing_ok=True)
            size -= one

    def _drop_abandoned(self) -> None:
        """Deletes what processes that were killed have left half-written."""
        for path in self.folder.glob(".*.writing"):
            with suppress(OSError):
                if time.time() - path.stat().st_mtime > _ABANDONED:
                    path.unlink()

    def _listed(self) -> list[tuple[float, int, Path]]:
        """Last use, size and file of each entry; another process may take one away meanwhile."""
        found: list[tuple[float, int, Path]] = []
        for path in self.entries():
            with suppress(OSError):
                status = path.stat()
                found.append((status.st_mtime, status.st_size, path))
        return found

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}{SUFFIX}"

    def _code(self, key: str, payload: bytes) -> bytes:
        return hmac.digest(self._secret(), key.encode() + b"\n" + payload, "sha256")

    def _secret(self) -> bytes:
        """What only the owner of the folder can read.

        Raises:
            UntrustedEntryError: there is one that is not this user's own.
        """
        path = self.folder / _SECRET
        if not os.path.lexists(path):
            _share_secret(path)
        if path.is_symlink():
            raise UntrustedEntryError(f"{path} is a link, which others may have made")
        with open(os.open(path, os.O_RDONLY | _NO_LINK), "rb") as file:
            is_mine = _is_mine(os.fstat(file.fileno()), self.folder.stat())
            secret = file.read(_DIGEST + 1)
        if not is_mine or len(secret) != _DIGEST:
            raise UntrustedEntryError(f"{path} is not this user's own, or not theirs alone")
        return secret


def _is_mine(status: os.stat_result, folder: os.stat_result) -> bool:
    """Whether a file is this user's own, and nobody else may know it and write beside it.

    Where only this user writes to the folder, others may read the file: some file systems have no
    permissions of single files.
    """
    if not hasattr(os, "getuid"):
        return True
    me = os.getuid()
    is_shared = folder.st_uid != me or bool(folder.st_mode & 0o022)
    others = status.st_mode & (0o077 if is_shared else 0o022)
    return status.st_uid == me and not others and stat.S_ISREG(status.st_mode)


def _share_secret(path: Path) -> None:
    """Makes a folder's secret, unless another process is first; it appears whole where links do."""
    scratch = path.with_name(f".{path.name}.{secrets.token_hex(8)}.writing")
    secret = secrets.token_bytes(_DIGEST)
    try:
        create_new(scratch, secret, private=True)
        os.link(scratch, path)
    except FileExistsError:
        return
    except OSError:  # exFAT and some network folders have no links
        with suppress(FileExistsError):
            create_new(path, secret, private=True)
    finally:
        scratch.unlink(missing_ok=True)
