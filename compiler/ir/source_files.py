"""Whose source files are: an installed library's, Python's own, or the user's."""

from __future__ import annotations

import os
import site
import sysconfig
from functools import lru_cache
from pathlib import Path
from typing import Final

_INSTALLED: Final = frozenset({"site-packages", "dist-packages"})
_FOLDERS: Final = tuple(
    folder + os.sep
    for folder in {
        *site.getsitepackages(),
        site.getusersitepackages(),
        sysconfig.get_path("stdlib"),
    }
)


@lru_cache(maxsize=4096)
def is_installed_file(filename: str) -> bool:
    """Whether a file belongs to an installed library or to Python, and no line of it to the user.

    A folder that an environment or Python itself merely stands in says nothing: people keep their
    own code there, too.
    """
    if filename.startswith(("<frozen", *_FOLDERS)):
        return True
    return not _INSTALLED.isdisjoint(Path(filename).parts)
