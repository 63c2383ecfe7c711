"""A folder of entries that trusts nothing it did not write."""

import os
import threading

import pytest

import tracegraph as tg
from tracegraph.warm.store import SUFFIX, Store, UntrustedEntryError


def store(tmp_path, max_bytes=10**6):
    return Store(tmp_path / "cache", max_bytes)


def test_what_is_written_is_read(tmp_path):
    kept = store(tmp_path)
    assert kept.read("a") is None
    kept.write("a", b"payload")
    assert store(tmp_path).read("a") == b"payload"
    kept.drop("a")
    assert kept.read("a") is None
    kept.drop("a")


@pytest.mark.parametrize("place", [0, 30, -1])
def test_a_changed_byte_is_seen(tmp_path, place):
    kept = store(tmp_path)
    kept.write("a", b"payload")
    path = next(kept.entries())
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(UntrustedEntryError, match="damaged, or not of this cache"):
        kept.read("a")


@pytest.mark.parametrize("length", [0, 10, 60])
def test_half_a_file_is_seen(tmp_path, length):
    kept = store(tmp_path)
    kept.write("a", b"payload" * 10)
    path = next(kept.entries())
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(UntrustedEntryError):
        kept.read("a")


def test_an_entry_under_another_name_is_seen(tmp_path):
    kept = store(tmp_path)
    kept.write("a", b"payload")
    next(kept.entries()).rename(kept.folder / f"b{SUFFIX}")
    with pytest.raises(UntrustedEntryError):
        kept.read("b")


def test_an_entry_of_another_cache_is_seen(tmp_path):
    other = Store(tmp_path / "other", 10**6)
    other.write("a", b"foreign")
    kept = store(tmp_path)
    kept.write("b", b"own")
    next(other.entries()).rename(kept.folder / f"a{SUFFIX}")
    with pytest.raises(UntrustedEntryError):
        kept.read("a")


def test_a_secret_that_others_may_write_is_not_trusted(tmp_path):
    kept = store(tmp_path)
    kept.write("a", b"payload")
    os.chmod(kept.folder / "secret", 0o666)
    with pytest.raises(UntrustedEntryError, match="not this user's own"):
        kept.read("a")


def test_a_secret_that_is_a_link_is_not_trusted(tmp_path):
    kept = store(tmp_path)
    kept.write("a", b"payload")
    secret = kept.folder / "secret"
    secret.rename(tmp_path / "known")
    secret.symlink_to(tmp_path / "known")
    with pytest.raises(UntrustedEntryError, match="is a link"):
        kept.read("a")


@pytest.mark.parametrize("length", [0, 5, 33])
def test_a_secret_of_another_length_is_not_trusted(tmp_path, length):
    kept = store(tmp_path)
    kept.write("a", b"payload")
    (kept.folder / "secret").write_bytes(bytes(length))
    with pytest.raises(UntrustedEntryError, match="not theirs alone"):
        kept.read("a")


def test_a_secret_that_others_may_read_is_trusted_where_they_cannot_write(tmp_path):
    kept = store(tmp_path)
    kept.write("a", b"payload")
    os.chmod(kept.folder / "secret", 0o644)
    assert kept.read("a") == b"payload"
    os.chmod(kept.folder, 0o777)
    with pytest.raises(UntrustedEntryError, match="not theirs alone"):
        kept.read("a")


def test_a_pipe_for_a_secret_is_not_waited_for(tmp_path):
    kept = store(tmp_path)
    kept.write("a", b"payload")
    (kept.folder / "secret").unlink()
    os.mkfifo(kept.folder / "secret", 0o600)
    with pytest.raises(UntrustedEntryError, match="not theirs alone"):
        kept.read("a")


def test_the_least_used_goes_first(tmp_path):
    kept = store(tmp_path, max_bytes=2000)
    for age, name in enumerate("ab"):
        kept.write(name, bytes(800))
        os.utime(kept.folder / f"{name}{SUFFIX}", (1000 + age, 1000 + age))
    assert kept.read("a") is not None  # used now
    kept.write("c", bytes(800))
    kept.write("d", bytes(100))
    left = sorted(path.stem for path in kept.entries())
    assert left == ["a", "c", "d"]
    assert kept.nbytes() <= 2000


def test_the_newest_stays_even_if_it_is_too_large(tmp_path):
    kept = store(tmp_path, max_bytes=10)
    kept.write("a", bytes(100))
    assert kept.read("a") == bytes(100)


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(OSError, match="exists"):
        store(tmp_path).write("a", b"x")
    assert store(tmp_path).read("a") is None


def test_many_writers(tmp_path):
    failed = []

    def work(number):
        try:
            for turn in range(20):
                kept = store(tmp_path, max_bytes=3000)
                kept.write(f"{turn % 5}", bytes([number]) * 500)
                found = kept.read(f"{turn % 5}")
                assert found is None or len(set(found)) == 1
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert not list((tmp_path / "cache").glob(".*"))


@pytest.mark.parametrize("size", [0, -5])
def test_a_size_that_is_none(tmp_path, size):
    with pytest.raises(tg.TracegraphError, match="cannot have this size"):
        store(tmp_path, max_bytes=size)


def test_a_folder_without_links_has_a_secret_too(tmp_path, monkeypatch):
    def refused(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    store = Store(tmp_path, 1 << 20)
    store.write("a", b"payload")
    assert store.read("a") == b"payload"
    assert not list(tmp_path.glob(".*"))


def test_what_a_killed_process_left_is_deleted_after_a_day(tmp_path):
    store = Store(tmp_path, 1 << 20)
    old, new = tmp_path / ".a.1.writing", tmp_path / ".b.2.writing"
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (1, 1))
    store.write("a", b"payload")
    assert (old.exists(), new.exists()) == (False, True)
