"""Intervals after which Delta itself would remove what kept releases and unread feeds need."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from uninote.lake.delta_files import KEEPING, property_of
from uninote.lake.upkeep.table_retention import keep_versions
from uninote.lake.upkeep.vacuum import Needed, RetentionError

DAY = 86400
FILES, LOG = "delta.deletedFileRetentionDuration", "delta.logRetentionDuration"


def table_of(folder, ages, **settings):
    """Return a table whose versions each replaced the one before, so many days ago."""
    uri = f"{folder}/notes"
    for number in range(len(ages)):
        write_deltalake(uri, pa.table({"a": [number]}), mode="overwrite", configuration=settings)
    for number, days in enumerate(ages):
        commit = Path(uri, "_delta_log", f"{number:020d}.json")
        lines = [json.loads(line) for line in commit.read_text().splitlines()]
        for line in lines:
            if "remove" in line:
                line["remove"]["deletionTimestamp"] = int((time.time() - days * DAY) * 1000)
        commit.write_text("\n".join(map(json.dumps, lines)) + "\n")
        os.utime(commit, (time.time() - days * DAY,) * 2)
    return uri


def refuses(uri, needed, hours=24.0):
    try:
        keep_versions(uri, needed, hours)
    except RetentionError as error:
        return str(error)
    return None


def test_tables_without_intervals_get_ten_years(tmp_path):
    uri = table_of(tmp_path, [1, 0])
    keep_versions(uri, Needed(frozenset({0})), 24)
    assert {name: property_of(uri, name) for name in KEEPING} == KEEPING
    version = DeltaTable(uri).version()
    keep_versions(uri, Needed(frozenset({0})), 24)
    assert DeltaTable(uri).version() == version


@pytest.mark.parametrize("name", [FILES, LOG])
@pytest.mark.parametrize("days", [2, 7, 29])
def test_an_interval_of_days_is_refused_whatever_is_kept_now(tmp_path, name, days):
    uri = table_of(tmp_path, [1, 0], **{**KEEPING, name: f"interval {days} days"})
    said = refuses(uri, Needed(frozenset({1})))
    assert name in said
    assert f"'interval {days} days'" in said
    assert "Set the property to 'interval 3650 days'" in said


def test_a_pinned_release_of_long_ago_needs_more_than_a_young_one(tmp_path):
    uri = table_of(tmp_path, [300, 200, 20, 0], **{**KEEPING, FILES: "interval 60 days"})
    # Version 2 was replaced just now, version 1 twenty days ago, version 0 two hundred.
    assert refuses(uri, Needed(frozenset({2, 3}))) is None
    assert refuses(uri, Needed(frozenset({1, 3}))) is None
    assert "need what is 200.0 days old" in refuses(uri, Needed(frozenset({0, 3})))
    # A change feed that has still to be read from there needs the same.
    assert "200.0 days" in refuses(uri, Needed(frozenset(), feed_since=0))
    assert refuses(uri, Needed(frozenset(), feed_since=3)) is None


def test_the_log_is_needed_from_the_last_checkpoint_on(tmp_path):
    uri = table_of(tmp_path, [300, 200, 20, 0], **{**KEEPING, LOG: "interval 60 days"})
    # Each version is told by all commits before it: the first one is 300 days old.
    assert "300.0 days" in refuses(uri, Needed(frozenset({2})))
    DeltaTable(uri, version=2).create_checkpoint()
    assert refuses(uri, Needed(frozenset({2}))) is None
    assert "300.0 days" in refuses(uri, Needed(frozenset({1})))


def test_readers_count_as_well(tmp_path):
    uri = table_of(tmp_path, [1, 0], **{**KEEPING, FILES: "interval 60 days"})
    assert refuses(uri, Needed(frozenset({1})), hours=24) is None
    assert "need what is 40.0 days old" in refuses(uri, Needed(frozenset({1})), hours=40 * 24)


def test_what_is_refused_would_have_lost_a_version(tmp_path):
    uri = table_of(tmp_path, [300, 200, 20, 0], **{**KEEPING, FILES: "interval 60 days"})
    assert DeltaTable(uri, version=0).to_pyarrow_table()["a"].to_pylist() == [0]
    DeltaTable(uri).vacuum(dry_run=False)
    with pytest.raises(Exception, match=r"(?i)not found|no such file"):
        DeltaTable(uri, version=0).to_pyarrow_table()
    assert DeltaTable(uri, version=1).to_pyarrow_table()["a"].to_pylist() == [1]
