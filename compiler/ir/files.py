"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

from compiler.ir.errors import TracegraphError


def write_whole(path: Path, data: str | bytes, *, private: bool = False) -> None:
    """Writes a file in one step: whoever reads it sees what was there before, or all of it.

    A link is followed, and an existing file keeps its permissions. What is no file, such as a pipe
    or ``/dev/null``, is written to as it is.

    Args:
        path: the file.
        data: what it is to hold; text is written as UTF-8.
        private: nobody but its owner may read the file or write it.

    Raises:
        OSError: it cannot be written; what was there is untouched.
    """
    content = data.encode() if isinstance(data, str) else data
    target = path.resolve()
    if target.exists() and not target.is_file():
        target.write_bytes(content)
        return
    mode = target.stat().st_mode & 0o777 if target.exists() else None
    scratch = target.with_name(f".{target.name[:16]}.{secrets.token_hex(8)}.writing")
    try:
        create_new(scratch, content, private=private)
        if mode is not None and not private:
            scratch.chmod(mode)
        scratch.replace(target)
    except BaseException:
        with suppress(OSError):
            scratch.unlink()
        raise


def create_new(path: Path, data: bytes, *, private: bool = False) -> None:
    """Writes a file that must not be there yet.

    Raises:
        FileExistsError: it is there.
        OSError: it cannot be written.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(path, flags, 0o600 if private else 0o666), "wb") as file:
        file.write(data)


def write_output(path: Path, text: str, what: str) -> None:
    """Writes a file that the user asked for, in one step.

    Args:
        path: the file.
        text: what it is to hold.
        what: what it is called in an error, such as ``the report``.

    Raises:
        TracegraphError: it cannot be written.
    """
    try:
        write_whole(path, text)
    except OSError as error:
        raise TracegraphError(
            f"{what} cannot be written",
            where=str(path),
            expected="a file in a folder that exists and may be written to",
            found=error.strerror or str(error),
            hint="make the folder, or name another file",
        ) from error
