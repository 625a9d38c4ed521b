"""A checkpoint reaches a host once, whole, and only where nobody else can write."""

from __future__ import annotations

import tempfile

import pytest

from udfs.model_files import once_per_host, pack, unpack
from udfs.worker_cache import load_once
from uninote.errors import UninoteError


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
        unpack(pack(tmp_path / "model"), folder)

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
    assert (once_per_host("g2", lambda folder: unpack({"a": b"1"}, folder)) / "a").read_bytes() == b"1"


def test_what_a_killed_copy_left_is_swept(tmp_path):
    cache = once_per_host("other", lambda folder: None).parent
    (cache / "g4.dead").mkdir()
    once_per_host("g4", lambda folder: None)
    assert not (cache / "g4.dead").exists()


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
