"""A file appears whole or not at all, where it was asked for."""

import os
import stat
import threading

import pytest

from compiler.ir.errors import TracegraphError
from compiler.ir.files import write_output, write_whole


def test_what_was_there_stays_when_it_fails(tmp_path, monkeypatch):
    file = tmp_path / "a.txt"
    write_whole(file, "one")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fdopen", full)
    with pytest.raises(OSError, match="No space"):
        write_whole(file, "two")
    monkeypatch.undo()
    assert file.read_text() == "one"
    assert list(tmp_path.iterdir()) == [file]


def test_text_is_utf8_and_bytes_are_themselves(tmp_path):
    write_whole(tmp_path / "a", "ä")
    write_whole(tmp_path / "b", b"\xff")
    assert (tmp_path / "a").read_bytes() == "ä".encode()
    assert (tmp_path / "b").read_bytes() == b"\xff"


def test_a_link_is_followed(tmp_path):
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("old")
    link.symlink_to(target)
    write_whole(link, "new")
    assert link.is_symlink()
    assert target.read_text() == "new"


def mode_of(file):
    return stat.S_IMODE(file.stat().st_mode)


def test_permissions_stay(tmp_path):
    file = tmp_path / "a"
    file.write_text("old")
    file.chmod(0o640)
    write_whole(file, "new")
    assert mode_of(file) == 0o640


def test_a_new_file_has_the_permissions_of_any_new_file(tmp_path):
    (tmp_path / "plain").write_text("")
    write_whole(tmp_path / "a", "new")
    write_whole(tmp_path / "secret", "new", private=True)
    assert mode_of(tmp_path / "a") == mode_of(tmp_path / "plain")
    assert mode_of(tmp_path / "secret") == 0o600


def test_a_pipe_stays_one(tmp_path):
    pipe, found = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: found.append(pipe.read_text()))
    reader.start()
    write_whole(pipe, "through")
    reader.join(10)
    assert found == ["through"]
    assert pipe.is_fifo()


def test_a_folder_that_is_not_there_is_an_error_in_four_parts(tmp_path):
    with pytest.raises(TracegraphError) as error:
        write_output(tmp_path / "none" / "a.txt", "text", "the report")
    assert "the report cannot be written" in str(error.value)
    assert str(tmp_path / "none" / "a.txt") in str(error.value)
    for part in ("expected", "found", "what to do"):
        assert part in str(error.value)
