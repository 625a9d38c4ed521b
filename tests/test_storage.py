"""Files on this machine and on a real S3 server, which should behave the same."""

from __future__ import annotations

import errno
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from flaky_proxy import proxy

from uninote.storage import local
from uninote.storage.files import create_file, fetch_folder, list_files, list_sizes, read_bytes, stat, write_file
from uninote.storage.types import (
    ExistingFileError,
    FileStat,
    ForbiddenFileError,
    MissingFileError,
    S3Options,
    StorageError,
    UnreachableError,
    is_remote,
)

LOCAL = S3Options()
CONTENT = bytes(range(256)) * 400  # more than one piece


@pytest.fixture
def options(s3):
    """How the real server is reached."""
    return S3Options(endpoint=s3.endpoint, timeout_s=20)


@pytest.fixture
def flaky(s3):
    """A proxy before the real server."""
    with proxy(s3.endpoint) as plan:
        yield plan


@pytest.fixture(params=["local", "s3"])
def folder(request, tmp_path):
    """A folder URI with nothing below it, in each kind of store."""
    if request.param == "local":
        return str(tmp_path / "store")
    return f"{request.getfixturevalue('s3').make_bucket('folders')}/{tmp_path.name}"


def put(tmp_path: Path, uri: str, content: bytes, options: S3Options) -> str:
    (tmp_path / "upload").write_bytes(content)
    write_file(tmp_path / "upload", uri, options)
    return uri


# What every store does


def test_what_was_written_is_read_again(folder, options, tmp_path):
    uri = put(tmp_path, f"{folder}/a b/ü+%20.bin", CONTENT, options)
    assert read_bytes(uri, options) == CONTENT
    assert stat(uri, options).size == len(CONTENT)
    put(tmp_path, uri, b"", options)
    assert read_bytes(uri, options) == b""


def test_no_more_is_read_than_the_limit_and_one_byte(folder, options, tmp_path):
    uri = put(tmp_path, f"{folder}/a", CONTENT, options)
    assert read_bytes(uri, options, limit=70_000) == CONTENT[:70_001]
    assert read_bytes(uri, options, limit=len(CONTENT)) == CONTENT


def test_a_file_is_created_once(folder, options):
    create_file(f"{folder}/new", b"one", options)
    with pytest.raises(ExistingFileError, match="exists already"):
        create_file(f"{folder}/new", b"two", options)
    assert read_bytes(f"{folder}/new", options) == b"one"
    assert list_sizes(folder, options, "ne") == {"new": 3}
    assert list_sizes(folder, options, "new-") == {}


def test_the_version_changes_with_the_content(folder, options, tmp_path):
    uri = put(tmp_path, f"{folder}/a", b"one", options)
    first = stat(uri, options)
    assert stat(uri, options) == first
    put(tmp_path, uri, b"two", options)
    second = stat(uri, options)
    assert second.size == first.size
    assert second.version != first.version


@pytest.mark.parametrize("name", ["no", "no/such/file", "a\0b", "\ud800", "x" * 5000, ""])
def test_what_is_not_there_is_missing_and_never_another_error(folder, options, tmp_path, name):
    put(tmp_path, f"{folder}/a", CONTENT, options)
    for operation in (read_bytes, stat):
        with pytest.raises(MissingFileError) as caught:
            operation(f"{folder}/{name}", options)
        str(caught.value).encode(errors="strict" if name != "\ud800" else "surrogatepass")


def test_a_folder_is_listed_by_relative_names_and_fetched_whole(folder, options, tmp_path):
    contents = {"config.json": b"{}", "deep/er/weights.bin": CONTENT, "empty": b""}
    for name, content in contents.items():
        put(tmp_path, f"{folder}/model/{name}", content, options)
    put(tmp_path, f"{folder}/model-2/other", b"x", options)
    assert list_files(f"{folder}/model", options) == list_files(f"{folder}/model/", options) == sorted(contents)
    target = tmp_path / "target"
    target.mkdir()
    fetch_folder(f"{folder}/model", target, options)
    assert {p.relative_to(target).as_posix(): p.read_bytes() for p in target.rglob("*") if p.is_file()} == contents


def test_of_no_folder_nothing_is_listed_and_nothing_can_be_fetched(folder, options, tmp_path):
    assert list_files(f"{folder}/no", options) == []
    with pytest.raises(MissingFileError, match=r"there is no .* below"):
        fetch_folder(f"{folder}/no", tmp_path, options)


# On this machine


def test_remote_is_s3_by_either_name():
    uris = ["s3://b/k", "S3A://b/k", "/s3://b", "s3:/b", "file:///s3", "https://b/k", "a.png", ""]
    assert [is_remote(uri) for uri in uris] == [True, True, False, False, False, False, False, False]


def test_a_file_uri_is_a_path(tmp_path):
    put(tmp_path, f"file://{tmp_path}/a%20b", b"content", LOCAL)
    assert (tmp_path / "a b").read_bytes() == b"content"
    assert stat(f"file:{tmp_path}/a%20b", LOCAL) == FileStat(7, str((tmp_path / "a b").stat().st_mtime_ns))
    for uri in ("https://host/a", "file://host/a"):
        with pytest.raises(StorageError, match="only files on this machine and s3://"):
            read_bytes(uri, LOCAL)


def test_a_failed_write_leaves_what_was_there_and_no_scratch_file(tmp_path, monkeypatch):
    put(tmp_path, str(tmp_path / "a"), b"before", LOCAL)

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(local.shutil, "copyfileobj", full)
    with pytest.raises(StorageError, match=r"No space left on device. Free space") as caught:
        put(tmp_path, str(tmp_path / "a"), b"after", LOCAL)
    assert type(caught.value) is StorageError
    assert (tmp_path / "a").read_bytes() == b"before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "upload"]


@pytest.mark.parametrize(
    ("number", "kind"),
    [(errno.EACCES, ForbiddenFileError), (errno.EIO, UnreachableError), (errno.EMFILE, StorageError)],
)
def test_only_the_files_own_faults_are_the_files(tmp_path, monkeypatch, number, kind):
    def fails(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "stat", fails)
    with pytest.raises(StorageError) as caught:
        stat(str(tmp_path / "a"), LOCAL)
    assert type(caught.value) is kind


def test_a_pipe_is_refused_rather_than_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(MissingFileError, match="not a regular file"):
        read_bytes(str(tmp_path / "pipe"), LOCAL)


# Large files, many threads, other processes


def test_a_large_file_goes_up_in_parts_and_comes_back_the_same(s3, flaky, options, tmp_path):
    content = np.random.default_rng(0).integers(0, 256, 20 << 20, dtype=np.uint8).tobytes()
    options = replace(options, endpoint=flaky.endpoint)
    s3.make_bucket("models")
    uri = put(tmp_path, "s3://models/large/weights.bin", content, options)
    assert sum("uploadId" in request for request in flaky.requests) > 2
    assert read_bytes(uri, options) == content
    flaky.cuts, flaky.cut_after = 2, 1 << 20
    (tmp_path / "target").mkdir()
    fetch_folder("s3://models/large", tmp_path / "target", options)
    assert (tmp_path / "target" / "weights.bin").read_bytes() == content


def test_a_key_that_leads_out_of_the_target_is_refused(options, tmp_path, monkeypatch):
    # The server of these tests keeps objects as files, and cannot hold such a key; others can.
    monkeypatch.setattr("uninote.storage.s3.list_sizes", lambda *_: {"../stolen": 1})
    with pytest.raises(StorageError, match="would be written outside the target folder"):
        fetch_folder("s3://media/model", tmp_path, options)


def test_threads_share_connections(s3, flaky, options):
    uri = s3.put("s3://media/a", CONTENT)
    options = replace(options, endpoint=flaky.endpoint)
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(lambda _: read_bytes(uri, options), range(40))) == {CONTENT}
    assert flaky.connections <= 4


def test_a_forked_process_makes_its_own_connections(s3, flaky, options):
    uri = s3.put("s3://media/a", CONTENT)
    options = replace(options, endpoint=flaky.endpoint)
    read_bytes(uri, options)
    child = os.fork()
    if child == 0:
        os._exit(0 if read_bytes(uri, options) == CONTENT else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert flaky.connections == 2
    assert read_bytes(uri, options) == CONTENT
    assert flaky.connections == 2
