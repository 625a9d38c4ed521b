"""What of a remote index lies on this machine: in folders that nobody else writes to, and as it was fetched."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from uninote.errors import UninoteError
from uninote.index.files.folder import IndexFolder
from uninote.index.files.stored_file import IndexDamagedError
from uninote.storage.file_hashes import sha256_of
from uninote.storage.types import S3Options


@pytest.fixture
def folder(s3, tmp_path, monkeypatch):
    """An index folder in the store, with one file; nothing of it is here yet."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    s3.make_bucket("indexes")
    folder = IndexFolder("s3://indexes/w8", S3Options(endpoint=s3.endpoint))
    folder.put("shard", lambda path: _write(path, b"as it was"))
    for path in _cache(tmp_path).iterdir():
        path.unlink()
    return folder


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _cache(tmp_path: Path) -> Path:
    (folder,) = (tmp_path / f"uninote-{os.getuid()}" / "index").iterdir()
    return folder


def test_a_file_that_is_not_as_it_was_fetched_is_fetched_again(folder, tmp_path):
    path = folder.local("shard")
    assert path.parent == _cache(tmp_path)
    for damage in (lambda: path.write_bytes(b"planted!!"), path.unlink, path.with_name("shard.sha256").unlink):
        damage()
        path.touch()  # which a planted file has, too
        assert folder.local("shard").read_bytes() == b"as it was"


def test_a_file_planted_before_is_not_used(folder, tmp_path):
    cache = _cache(tmp_path)
    (cache / "shard").write_bytes(b"planted")
    assert folder.local("shard").read_bytes() == b"as it was"


@pytest.mark.parametrize("place", ["own", "index", "of this index"])
def test_a_cache_that_is_not_private_is_refused(folder, tmp_path, place):
    own = tmp_path / f"uninote-{os.getuid()}"
    cache = {"own": own, "index": own / "index", "of this index": _cache(tmp_path)}[place]
    cache.chmod(0o777)
    with pytest.raises(UninoteError, match=r"has mode 0777 and can be written by others.*; remove it, or set TMPDIR"):
        folder.local("shard")
    cache.chmod(0o700)
    cache.rename(tmp_path / "elsewhere")
    cache.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UninoteError, match="is a symbolic link"):
        folder.local("shard")


def test_a_cache_of_ones_own_choice_is_as_private(folder, tmp_path):
    chosen = tmp_path / "chosen"
    chosen.mkdir(mode=0o755)
    path = IndexFolder(folder.uri, folder.options, str(chosen)).local("shard")
    assert path.parent.parent == chosen
    path.parent.chmod(0o775)
    with pytest.raises(UninoteError, match="can be written by others"):
        IndexFolder(folder.uri, folder.options, str(chosen)).local("shard")


def test_the_manifest_has_the_last_word(folder):
    file = folder.put("keys", lambda path: _write(path, b"one"))
    assert sha256_of(folder.checked(file)) == file.sha256
    folder.put("keys", lambda path: _write(path, b"two"))
    with pytest.raises(IndexDamagedError, match="the manifest says"):
        folder.checked(file)
