"""A checkpoint reaches a host once, whole, and only where nobody else can write."""

from __future__ import annotations

import tempfile

import pytest

from udfs.model_files import pack, unpack_once
from udfs.worker_cache import load_once
from uninote.errors import UninoteError


@pytest.fixture(autouse=True)
def own_temporary_folder(tmp_path, monkeypatch):
    """Keep the test's copies out of the real cache."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temp"))
    (tmp_path / "temp").mkdir()


def test_files_arrive_as_they_were_and_are_fetched_once(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights.safetensors").write_bytes(b"\x00\x01")
    (tmp_path / "model" / "weights.bin").write_bytes(b"a pickle")
    fetched = []

    def files():
        fetched.append(1)
        return pack(tmp_path / "model")

    folders = {unpack_once("g1", files) for _ in range(3)}
    (folder,) = folders
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {"weights.safetensors": b"\x00\x01"}
    assert len(fetched) == 1


def test_an_interrupted_copy_is_not_taken_for_a_whole_one():
    with pytest.raises(OSError, match="network"):
        unpack_once("g2", lambda: (_ for _ in ()).throw(OSError("network")))
    assert (unpack_once("g2", lambda: {"a": b"1"}) / "a").read_bytes() == b"1"


def test_a_folder_that_others_can_write_is_refused():
    folder = unpack_once("g3", lambda: {"a": b"1"}).parent
    folder.chmod(0o777)
    with pytest.raises(UninoteError, match="can be written by others"):
        unpack_once("g3", lambda: {})


def test_a_worker_keeps_the_newest_value_only():
    made = []
    for key in ("a", "a", "b", "a"):
        load_once(key, lambda: made.append(1) or object())
    assert len(made) == 3
