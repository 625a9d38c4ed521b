"""Files of a lake, on a disk and in a real S3 store: the same calls, the same answers."""

from __future__ import annotations

import errno
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pytest

from uninote.config.store_settings import LOG_STORE, store_settings
from uninote.lake.parquet_files import DamagedFileError, read_columns, write_file
from uninote.storage import lake_files, objects
from uninote.storage.environment import export, variables
from uninote.storage.types import S3Options


def test_files_are_written_read_listed_and_removed(lake_place):
    lake_files.write(f"{lake_place}/one.json", b"1")
    lake_files.write(f"{lake_place}/below/two", b"22")
    lake_files.write(f"{lake_place}/below/deeper/three", b"333")
    lake_files.write(f"{lake_place}/one.json", b"1111")
    assert lake_files.read(f"{lake_place}/one.json") == b"1111"
    assert lake_files.size_of(f"{lake_place}/below/two") == 2
    assert lake_files.files_below(lake_place) == ["below/deeper/three", "below/two", "one.json"]
    assert lake_files.names_in(f"{lake_place}/below") == ["two"]
    assert (lake_files.folders_in(lake_place), lake_files.folders_in(f"{lake_place}/below")) == (["below"], ["deeper"])
    assert lake_files.is_file(f"{lake_place}/below/two")
    assert not lake_files.is_file(f"{lake_place}/below")
    lake_files.remove(f"{lake_place}/one.json")
    lake_files.remove(f"{lake_place}/one.json")
    lake_files.remove_folder(f"{lake_place}/below")
    assert lake_files.files_below(lake_place) == []


def test_what_is_not_there_is_not_there(lake_place):
    assert lake_files.read_or_none(f"{lake_place}/none") is None
    assert lake_files.names_in(f"{lake_place}/none") == lake_files.folders_in(f"{lake_place}/none") == []
    assert lake_files.files_below(f"{lake_place}/none") == []
    lake_files.remove_folder(f"{lake_place}/none")
    for ask in (lake_files.read, lake_files.size_of):
        with pytest.raises(FileNotFoundError):
            ask(f"{lake_place}/none")


def test_a_file_is_created_once(lake_place):
    lake_files.create(f"{lake_place}/chain/1", b"first")
    with pytest.raises(FileExistsError):
        lake_files.create(f"{lake_place}/chain/1", b"second")
    assert lake_files.read(f"{lake_place}/chain/1") == b"first"


def test_of_many_that_create_a_file_one_succeeds(lake_place):
    writers = 8
    start = threading.Barrier(writers)

    def create(number: int, name: str) -> bool:
        start.wait()
        try:
            lake_files.create(f"{lake_place}/race/{name}", str(number).encode())
        except FileExistsError:
            return False
        return True

    with ThreadPoolExecutor(writers) as pool:
        for race in range(25):
            won = list(pool.map(create, range(writers), [str(race)] * writers))
            assert won.count(True) == 1
            assert lake_files.read(f"{lake_place}/race/{race}") == str(won.index(True)).encode()


def test_parquet_files_are_written_and_read_with_checksums(lake_place):
    values = np.random.default_rng(0).normal(size=1000)
    written = write_file(pa.table({"x": values}), f"{lake_place}/table")
    assert written.path.startswith(f"{lake_place}/table/part-")
    assert (written.size, written.rows) == (lake_files.size_of(written.path), 1000)
    assert np.array_equal(read_columns(written.path, ["x"])["x"].to_numpy(), values)
    whole = bytearray(lake_files.read(written.path))
    whole[len(whole) // 2] ^= 1
    lake_files.write(written.path, bytes(whole))
    with pytest.raises(DamagedFileError, match="is not as it was written"):
        read_columns(written.path, ["x"])
    lake_files.remove(written.path)
    with pytest.raises(DamagedFileError, match="is gone"):
        read_columns(written.path, ["x"])


def test_a_name_below_a_folder_is_told_from_one_elsewhere():
    assert lake_files.join("s3a://bucket/lake/", "a", "b") == "s3a://bucket/lake/a/b"
    assert lake_files.relative("s3a://bucket/lake", "s3a://bucket/lake/a/b") == "a/b"
    assert lake_files.parent("s3a://bucket/lake/") == "s3a://bucket"
    with pytest.raises(ValueError, match="does not lie below"):
        lake_files.relative("/lake", "/lake2/a")


def test_a_wrong_key_is_a_refusal_and_a_missing_bucket_a_missing_file(s3, monkeypatch):
    for name, value in variables(S3Options(s3.endpoint)).items():
        monkeypatch.setenv(name, value)
    objects.forget()
    with pytest.raises(FileNotFoundError, match="NoSuchBucket"):
        lake_files.write("s3a://there-is-no-such-bucket/x", b"")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    s3.make_bucket("mine")
    objects.forget()
    with pytest.raises(PermissionError, match="access denied"):
        lake_files.read("s3a://mine/x")
    objects.forget()


def test_the_service_is_said_once_for_all_libraries(monkeypatch):
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ALLOW_HTTP"):
        monkeypatch.delenv(name, raising=False)
    assert variables(S3Options()) == {}
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-3")
    export(S3Options("http://127.0.0.1:1"))
    assert variables(S3Options()) == {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_FORCE_CREDENTIAL_LOAD": "true",
        "AWS_ALLOW_HTTP": "true",
        "AWS_REGION": "eu-west-3",
        "AWS_DEFAULT_REGION": "eu-west-3",
    }
    settings = store_settings(["/a/folder", "s3a://bucket/lake"], S3Options("https://store", "here"))
    assert settings["spark.delta.logStore.s3a.impl"] == LOG_STORE
    assert settings["spark.hadoop.fs.s3a.endpoint"] == settings["spark.executorEnv.AWS_ENDPOINT_URL"] == "https://store"
    assert not [name for name in settings if "secret" in name.lower() or "access.key" in name]
    assert store_settings(["/a/folder"], S3Options("https://store")) == {}


def test_a_file_system_without_links_has_its_files_created_once_as_well(tmp_path, monkeypatch):
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    path = str(tmp_path / "chain" / "1")
    lake_files.create(path, b"first")
    with pytest.raises(FileExistsError):
        lake_files.create(path, b"second")
    assert (lake_files.read(path), lake_files.names_in(str(tmp_path / "chain"))) == (b"first", ["1"])
