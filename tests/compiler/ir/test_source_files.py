"""Only what is installed is a library's: code that stands beside it is the user's."""

import json
import site
import sys
from pathlib import Path

import jax
import pytest

from compiler.ir.source_files import is_installed_file


@pytest.mark.parametrize("file", [jax.__file__, json.__file__, "<frozen importlib._bootstrap>"])
def test_installed(file):
    assert is_installed_file(file)


@pytest.mark.parametrize(
    "file",
    [
        str(Path(sys.prefix) / "train.py"),
        str(Path(sys.base_prefix) / "src" / "train.py"),
        f"{site.getsitepackages()[0]}_of_mine/train.py",
        f"{Path(json.__file__).parents[1]}_of_mine/train.py",
        "/home/me/train.py",
        "<stdin>",
        "",
    ],
)
def test_the_users_own(file):
    assert not is_installed_file(file)
