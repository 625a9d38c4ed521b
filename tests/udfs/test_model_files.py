"""A checkpoint reaches a host once, whole, and only where nobody else can write."""

from __future__ import annotations

import os
import tempfile

import pytest

from udfs.embed.model_files import read_files, write_files
from udfs.worker import load_once
from uninote.errors import UninoteError
from uninote.storage.host_copies import once_per_host
from uninote.storage.private_folders import own_folder


@pytest.fixture(autouse=True)
def own_temporary_folder(tmp_path, monkeypatch):
    """Keep the test's copies out of the real cache."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temp"))
    (tmp_path / "temp").mkdir()


def test_files_arrive_as_they_were_and_are_written_once(tmp_path):
    (tmp_path / "model" / "1_Pooling").mkdir(parents=True)
    (tmp_path / "model" / "weights.safetensors").write_bytes(b"\x00\x01")
    (tmp_path / "model" / "weights.bin").write_bytes(b"a pickle")
    (tmp_path / "model" / "1_Pooling" / "config.json").write_bytes(b"{}")
    fills = []

    def fill(folder):
        fills.append(1)
        write_files(read_files(tmp_path / "model"), folder)

    (folder,) = {once_per_host("g1", fill) for _ in range(3)}
    files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert files == {"weights.safetensors": b"\x00\x01", "1_Pooling/config.json": b"{}"}
    assert len(fills) == 1


def test_an_interrupted_copy_is_not_taken_for_a_whole_one():
    def fail(folder):
        (folder / "a").write_bytes(b"half")
        raise OSError("network")

    with pytest.raises(OSError, match="network"):
        once_per_host("g2", fail)
    assert (once_per_host("g2", lambda folder: write_files({"a": b"1"}, folder)) / "a").read_bytes() == b"1"


def test_what_a_killed_copy_left_is_swept(tmp_path):
    cache = once_per_host("other", lambda folder: None).parent
    (cache / "g4.dead").mkdir()
    once_per_host("g4", lambda folder: None)
    assert not (cache / "g4.dead").exists()


def test_a_damaged_copy_is_filled_anew():
    fills = []

    def fill(folder):
        fills.append(1)
        (folder / "weights").write_bytes(b"as they were")

    def damage(content, keep_time):
        status = copy.stat()
        copy.write_bytes(content)
        if keep_time:
            os.utime(copy, ns=(status.st_atime_ns, status.st_mtime_ns))

    copy = once_per_host("g5", fill, "app-1") / "weights"
    damage(b"shorter", keep_time=True)
    assert (once_per_host("g5", fill, "app-1") / "weights").read_bytes() == b"as they were"
    damage(b"as they wxre", keep_time=False)
    assert (once_per_host("g5", fill, "app-1") / "weights").read_bytes() == b"as they were"
    damage(b"as they wxre", keep_time=True)  # a flipped bit on the disk: what every byte is, the next application asks
    assert (once_per_host("g5", fill, "app-2") / "weights").read_bytes() == b"as they were"
    copy.unlink()
    once_per_host("g5", fill, "app-2")
    (copy.parent / "more").write_bytes(b"planted")
    once_per_host("g5", fill, "app-2")
    assert len(fills) == 6
    assert [path.name for path in copy.parent.iterdir()] == ["weights"]
    once_per_host("g5", fill, "app-2")
    os.utime(copy, ns=(1, 1))  # only touched
    once_per_host("g5", fill, "app-3")
    assert len(fills) == 6
    (copy.parent.parent / "g5.hashes").write_text("{")
    once_per_host("g5", fill, "app-3")
    assert len(fills) == 7
    assert not [path for path in copy.parent.parent.glob("g5.*") if path.is_dir()]


def test_a_folder_of_somebody_else_or_behind_a_link_is_refused(tmp_path):
    folder = own_folder()
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UninoteError, match=r"uninote-\d+ is a symbolic link, so .*; remove it, or set TMPDIR"):
        once_per_host("g3", lambda folder: None)
    folder.unlink()
    folder.write_text("a file")
    with pytest.raises(UninoteError, match="is not a folder"):
        own_folder()
    folder.unlink()
    folder.mkdir(mode=0o700)
    if os.getuid() == 0:  # only root can give a folder away
        os.chown(folder, 12345, -1)
        with pytest.raises(UninoteError, match="belongs to user 12345, not to 0"):
            own_folder()
    folder.rmdir()
    assert own_folder() == folder
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o755)
    with pytest.raises(UninoteError, match="has mode 0755 and can be entered by others"):
        own_folder()


def test_a_folder_that_others_can_write_is_refused():
    folder = once_per_host("g3", lambda folder: None).parent
    folder.chmod(0o777)
    with pytest.raises(UninoteError, match="can be written by others"):
        once_per_host("g3", lambda folder: None)


def test_a_worker_keeps_the_newest_value_only():
    made = []
    for key in ("a", "a", "b", "a"):
        load_once(key, lambda: made.append(1) or object())
    assert len(made) == 3
