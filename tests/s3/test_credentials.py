"""Credentials that expire while a process runs, from a profile's command: each library that asks S3 renews them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from rough import rough_store, write_profile
from s3_server import ENVIRONMENT

from uninote.lake.delta_files import append_rows
from uninote.storage import lake_files, objects
from uninote.storage.environment import variables
from uninote.storage.files import create_file, read_bytes
from uninote.storage.s3_client import CLIENTS
from uninote.storage.types import S3Options

pytestmark = pytest.mark.s3
COMMITTER = Path(__file__).parent / "committer.py"
LIFE_S = 4.0
RUN_S = 7.0  # longer than any credentials live
COMMITS = 12  # of Spark, which take longer than that


@pytest.fixture
def strict(bucket, s3, tmp_path, monkeypatch):
    """A store that refuses expired credentials, in an environment that has none but by a profile's command."""
    secret = ENVIRONMENT["AWS_SECRET_ACCESS_KEY"]
    profile = write_profile(tmp_path, LIFE_S, ENVIRONMENT["AWS_ACCESS_KEY_ID"], secret)
    with rough_store(s3.endpoint, 0, 0) as store:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.delenv(name)
        for name, value in {"AWS_CONFIG_FILE": str(profile), **variables(S3Options(store.endpoint))}.items():
            monkeypatch.setenv(name, value)
        objects.forget()
        CLIENTS.forget()
        yield store
    objects.forget()
    CLIENTS.forget()
    assert store.done["requests"] > 10
    assert "expired" not in store.done
    assert len((tmp_path / "calls").read_text().splitlines()) > 1


def by_obstore(bucket: str, number: int) -> None:
    lake_files.write(f"{bucket}/file", str(number).encode())
    assert lake_files.read(f"{bucket}/file") == str(number).encode()


def by_arrow(bucket: str, number: int) -> None:
    files, path = lake_files.for_arrow(f"{bucket}/arrow")
    with files.open_output_stream(path) as sink:
        sink.write(str(number).encode())
    assert files.open_input_file(path).read() == str(number).encode()


def by_boto(bucket: str, number: int) -> None:
    options = S3Options(os.environ["AWS_ENDPOINT_URL"])
    create_file(f"{bucket}/boto-{number}", b"content", options)
    assert read_bytes(f"{bucket}/boto-{number}", options) == b"content"


def by_deltalake(bucket: str, number: int) -> None:
    append_rows(f"{bucket}/table", pa.table({"value": [number]}))
    assert DeltaTable(f"{bucket}/table").version() == number + 1


@pytest.mark.parametrize("use", [by_obstore, by_arrow, by_boto, by_deltalake])
def test_a_library_renews_credentials(bucket, strict, use: Callable[[str, int], None]):
    ends = time.monotonic() + RUN_S
    number = 0
    while time.monotonic() < ends:
        use(bucket, number)
        number += 1
        time.sleep(0.5)


def test_spark_and_its_workers_renew_credentials(bucket, strict, s3_jars):
    table = f"{bucket}/table"
    write_deltalake(table, pa.table({"value": pa.array([-1], pa.int64())}))
    command = [sys.executable, str(COMMITTER), "spark", table, "0", str(COMMITS), s3_jars]
    assert subprocess.run(command, input="go\n", text=True, stdout=subprocess.PIPE).returncode == 0
    assert sorted(DeltaTable(table).to_pyarrow_table()["value"].to_pylist()) == list(range(-1, COMMITS))


def test_without_credentials_a_sentence_says_so(bucket, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    objects.forget()
    with pytest.raises(PermissionError, match="there are no usable credentials for S3"):
        lake_files.read(f"{bucket}/file")
