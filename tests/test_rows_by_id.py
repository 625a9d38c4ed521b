"""Rows found by note_id, in tables that this project, Spark or deltalake wrote."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from uninote.lake.parquet_files import DamagedFileError
from uninote.lake.rows_by_id import RowsById, _meets


@pytest.fixture
def table(tmp_path):
    """Ten ids in each of three files, ordered, in groups of four rows."""
    uri = str(tmp_path / "table")
    for first in (0, 10, 20):
        ids = [f"n{number:02d}" for number in range(first, first + 10)]
        rows = pa.table({"note_id": ids, "value": [[one] for one in ids], "other": [0] * 10})
        write_deltalake(uri, rows, mode="append", target_file_size=10**6)
    return uri


def values(rows):
    return {row["note_id"]: row["value"] for row in rows.to_pylist()}


def test_ids_are_found_wherever_they_lie_and_none_else(table):
    rows = RowsById(table, None, ["note_id", "value"])
    assert values(rows.find(["n03", "n29", "n99", "n03"])) == {"n03": ["n03"], "n29": ["n29"]}
    assert rows.find([]).num_rows == 0
    assert rows.find(["n99"]).schema.names == ["note_id", "value"]
    assert {"n08", "n09", "n10", "n11"} <= set(values(rows.near([("n08", "n11")])))
    assert "n25" not in values(rows.near([("n08", "n11")]))


def test_a_version_is_read_as_it_was_and_rows_that_deltalake_rewrote_are_found(table):
    before = DeltaTable(table).version()
    DeltaTable(table).update({"note_id": "'zz'"}, predicate="note_id = 'n03'")
    DeltaTable(table).optimize.compact()
    now = RowsById(table, None, ["note_id", "value"])
    assert values(now.find(["n03", "zz"])) == {"zz": ["n03"]}
    assert values(RowsById(table, before, ["note_id", "value"]).find(["n03", "zz"])) == {"n03": ["n03"]}


def test_numbers_are_found_too(tmp_path):
    uri = str(tmp_path / "numbers")
    write_deltalake(uri, pa.table({"note_id": [5, 1, 9], "value": ["a", "b", "c"]}))
    assert values(RowsById(uri, None, ["note_id", "value"]).find([9, 2])) == {9: "c"}


def test_a_damaged_file_is_noticed_by_those_who_ask_for_its_rows(table):
    rows = RowsById(table, None, ["note_id", "value"])
    damaged = DeltaTable(table).file_uris()[0]
    Path(damaged.removeprefix("file://")).write_bytes(b"PAR1")
    found = 0
    for one in ("n05", "n15", "n25"):
        try:
            found += len(values(rows.find([one])))
        except DamagedFileError:
            found += 10
    assert found == 12


@pytest.mark.parametrize(
    ("low", "high", "meets"),
    [
        (0, 1, False),
        (0, 2, True),
        (3, 3, True),
        (4, 4, True),
        (5, 6, False),
        (5, 7, True),
        (9, 20, False),
        (None, None, True),
    ],
)
def test_which_bounds_are_looked_into(low, high, meets):
    assert _meets([(2, 4), (7, 8)], low, high) is meets
