"""The lake's own record: an id given once, formats that are known or refused, migrations that can be killed."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from uninote.lake.paths import Lake
from uninote.lake.record import FORMAT, LakeFormatError, lake_id, read_record
from uninote.lake.small_tables import read_all
from uninote.neighbours.lookup import lookup
from uninote.pipelines.lake import ledger
from uninote.pipelines.lake import migrations as lake_migrations
from uninote.pipelines.lake.migrations import open_lake


def write_old_ledger(lake, *counted):
    """Three runs of format 1, the second of which had its clock a day behind."""
    for run_id, day in (("first", 10), ("second", 9), ("third", 11)):
        entry = {"run_id": [run_id], "stage": ["embed"], "unit": ["all"], "state": ["done"]}
        entry["started_at"] = [datetime(2026, 1, day, tzinfo=UTC)]
        counts = pa.array([[(name, day) for name in counted or ("notes",)]], pa.map_(pa.string(), pa.int64()))
        write_deltalake(lake.uri("runs"), pa.table({**entry, "counts": counts}), mode="append")


def test_first_runs_at_the_same_time_agree_on_one_id(tmp_path):
    lake = Lake(str(tmp_path / "lake"))
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: lake_id(lake), range(32)))
    assert found == {read_record(lake.root).lake_id}
    assert [path.name for path in (tmp_path / "lake").iterdir()] == ["lake.json"]


def test_opening_a_place_without_a_lake_makes_nothing(tmp_path):
    open_lake(str(tmp_path / "typo"))
    assert not (tmp_path / "typo").exists()


def test_a_ledger_of_format_1_gets_the_order_of_its_commits(tmp_path):
    lake = Lake(str(tmp_path))
    write_old_ledger(lake)
    open_lake(lake.root)
    assert [entry["run_id"] for entry in ledger.entries(lake)] == ["first", "second", "third"]
    assert ledger.entries(lake)[1]["counts"] == {"notes": 9}
    assert read_record(lake.root).format == FORMAT
    version, lake_before = DeltaTable(lake.uri("runs")).version(), lake_id(lake)
    open_lake(lake.root)
    assert (DeltaTable(lake.uri("runs")).version(), lake_id(lake)) == (version, lake_before)
    ledger.append(lake, {"run_id": "fourth", "stage": "embed", "unit": "all", "state": "done"})
    assert [entry["sequence"] for entry in ledger.entries(lake)] == [0, 1, 2, 3]


def test_a_ledger_that_lacks_the_cores_of_runs_is_read_written_and_completed(tmp_path):
    lake = Lake(str(tmp_path))
    lake_id(lake)
    ledger.append(lake, {"run_id": "first", "stage": "embed", "unit": "all", "state": "done", "counts": {}, "cores": 8})
    write_deltalake(
        lake.uri("runs"),
        DeltaTable(lake.uri("runs")).to_pyarrow_table().drop_columns(["cores"]),
        mode="overwrite",
        schema_mode="overwrite",
    )
    open_lake(lake.root, reads_only=True)
    ledger.append(
        lake, {"run_id": "reader", "stage": "search", "unit": "all", "state": "done", "counts": {}, "cores": 8}
    )
    assert "cores" not in ledger.entries(lake)[1]
    open_lake(lake.root)
    ledger.append(lake, {"run_id": "third", "stage": "embed", "unit": "all", "state": "done", "cores": 4})
    assert [entry["cores"] for entry in ledger.entries(lake)] == [None, None, 4]


def test_what_was_among_the_counts_of_an_older_ledger_has_columns_of_its_own(tmp_path):
    lake = Lake(str(tmp_path))
    write_old_ledger(lake, "next_key", "as_of")
    open_lake(lake.root)
    assert [entry["next_key"] for entry in ledger.entries(lake)] == [10, 9, 11]
    assert ledger.entries(lake)[0]["as_of"] == datetime(1970, 1, 1, 0, 0, 10, tzinfo=UTC)
    assert ledger.entries(lake)[0]["counts"] == {}


def test_who_only_reads_an_older_lake_changes_nothing_and_names_the_job_that_does(tmp_path):
    lake = Lake(str(tmp_path))
    write_old_ledger(lake)
    with pytest.raises(
        LakeFormatError, match=r"format 1, .* only reads it; run jobs/ingest.py or jobs/refresh.py once"
    ):
        open_lake(lake.root, reads_only=True)
    assert read_record(lake.root) is None
    assert DeltaTable(lake.uri("runs")).version() == 2
    open_lake(lake.root)
    assert open_lake(lake.root, reads_only=True) == lake
    # A ledger out of a backup, in a lake of the present format.
    DeltaTable(lake.uri("runs")).restore(2)
    with pytest.raises(LakeFormatError, match="a ledger of then"):
        open_lake(lake.root, reads_only=True)


def test_a_migration_that_was_killed_is_run_again(tmp_path, monkeypatch):
    lake = Lake(str(tmp_path))
    write_old_ledger(lake)
    with monkeypatch.context() as patch:
        patch.setattr(lake_migrations, "write_record", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            open_lake(lake.root)
    assert read_record(lake.root) is None
    open_lake(lake.root)
    assert [entry["sequence"] for entry in ledger.entries(lake)] == [0, 1, 2]
    assert read_record(lake.root).format == FORMAT


def test_images_of_older_notes_get_captions_by_a_commit_of_the_log_alone(tmp_path):
    lake = Lake(str(tmp_path))
    lake_id(lake)
    images = pa.list_(pa.struct([("uri", pa.string()), ("ocr", pa.string())]))
    rows = [[{"uri": "a.png", "ocr": "sign"}, None], None]
    write_deltalake(lake.uri("notes"), pa.table({"note_id": ["a", "b"], "images": pa.array(rows, images)}))
    files = DeltaTable(lake.uri("notes")).file_uris()
    for _ in range(2):
        (tmp_path / "lake.json").write_text(json.dumps({"lake_id": "x", "format": 4}))
        open_lake(lake.root)
    assert DeltaTable(lake.uri("notes")).version() == 1
    assert DeltaTable(lake.uri("notes")).file_uris() == files
    assert [row["images"] for row in read_all(lake.uri("notes"))] == [
        [{"uri": "a.png", "ocr": "sign", "caption": None}, None],
        None,
    ]


def test_a_backup_of_an_older_ledger_is_migrated_too(tmp_path):
    lake = Lake(str(tmp_path))
    before = lake_id(lake)
    write_old_ledger(lake)
    open_lake(lake.root)
    assert [entry["sequence"] for entry in ledger.entries(lake)] == [0, 1, 2]
    assert lake_id(lake) == before


@pytest.mark.parametrize("open_it", [open_lake, lambda root: lookup(root, ["n1"])], ids=["job", "lookup"])
def test_a_later_format_is_refused_with_the_remedy(tmp_path, open_it):
    (tmp_path / "lake.json").write_text(json.dumps({"lake_id": "x", "format": FORMAT + 1}))
    with pytest.raises(
        LakeFormatError, match=r"has format \d+, this version of uninote knows .* pip install --upgrade"
    ):
        open_it(str(tmp_path))


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"lake_id": "x", "format": "two"}'])
def test_a_damaged_record_is_named(tmp_path, content):
    (tmp_path / "lake.json").write_text(content)
    with pytest.raises(LakeFormatError, match=r"lake\.json cannot be read .* restore it"):
        open_lake(str(tmp_path))


def test_a_lake_that_is_a_file_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LakeFormatError, match="is a file, or lies below one"):
        open_lake(str(tmp_path / "file"))
