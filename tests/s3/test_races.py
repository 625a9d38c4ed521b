"""Writers that commit to one table in S3 at once: each version is written once, and no row is lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from uninote.storage.lake_files import join, names_in, read

COMMITTER = Path(__file__).parent / "committer.py"
RACES = int(os.environ.get("UNINOTE_RACES", "200"))
ENGINES = [("spark", "spark"), ("deltalake", "deltalake"), ("spark", "deltalake")]
FEW = 20  # in the short test
START_S = 120


def _writer(engine: str, table: str, first: int, commits: int, jars: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(COMMITTER), engine, table, str(first), str(commits), jars]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    for line in process.stdout:
        if line.strip() == "ready":
            return process
    raise AssertionError(f"the writer did not start: exit code {process.wait(START_S)}")


@pytest.mark.s3
@pytest.mark.short
@pytest.mark.parametrize("engines", ENGINES, ids="-".join)
def test_a_few_races(bucket, s3_jars, engines):
    race(bucket, s3_jars, engines, FEW // 2)


@pytest.mark.s3
@pytest.mark.parametrize("engines", ENGINES, ids="-".join)
def test_each_version_is_written_once_and_no_row_is_lost(bucket, s3_jars, engines):
    race(bucket, s3_jars, engines, RACES // 2)


def race(bucket: str, s3_jars: str, engines: tuple[str, str], commits: int) -> None:
    """Let two writers make so many commits each, and look at the log and the rows."""
    table = f"{bucket}/table"
    write_deltalake(table, pa.table({"value": pa.array([-1], pa.int64())}))
    writers = [_writer(engine, table, 1000 * number, commits, s3_jars) for number, engine in enumerate(engines)]
    for writer in writers:
        writer.stdin.write("go\n")
        writer.stdin.flush()
    for writer in writers:
        assert writer.wait(1200) == 0
    expected = [-1, *range(commits), *range(1000, 1000 + commits)]
    found = DeltaTable(table)
    assert sorted(found.to_pyarrow_table()["value"].to_pylist()) == expected
    assert found.version() == 2 * commits
    log = join(table, "_delta_log")
    added = []
    for name in names_in(log):
        if name.endswith(".json"):
            lines = map(json.loads, read(join(log, name)).splitlines())
            added += [line["add"]["path"] for line in lines if "add" in line]
    # A version that was written twice would have the file of one writer alone.
    assert len(added) == len(set(added)) == 2 * commits + 1
