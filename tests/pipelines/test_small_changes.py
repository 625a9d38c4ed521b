"""A handful of changed notes compared in the driver: what Spark says of them, and what is left to Spark."""

from __future__ import annotations

import pytest
from builders import make_note, rows_at, write_notes

from uninote.digests import spark_xxhash64
from uninote.pipelines.embed import small_changes
from uninote.pipelines.embed.keys import give_new_keys, with_new_keys
from uninote.pipelines.embed.small_changes import census_of, find_small_work
from uninote.pipelines.embed.stage import embed
from uninote.pipelines.embed.steps import changes
from uninote.pipelines.embed.steps.chunks import take_first_census
from uninote.pipelines.embed.steps.recovery import find_before
from uninote.pipelines.embed.steps.scope import find_scope, within
from uninote.pipelines.lake import tables

pytestmark = pytest.mark.spark
WIDTHS = (256, 64)
FIRST = [
    make_note("same"),
    make_note("edited"),
    make_note("moved", category="a"),
    make_note("deleted"),
    make_note("empty", title="", body=""),
    make_note("still-empty", title="", body=""),
    make_note("emptied-and-gone", title="", body=""),
]
SECOND = [
    make_note("same"),
    make_note("edited", body="anything else"),
    make_note("moved", category="b"),
    make_note("empty", title="filled now"),
    make_note("still-empty", title="", body="", category="b"),
    make_note("new", body="of tonight"),
    make_note("newer", body="of tonight as well"),
]


@pytest.fixture
def run_of(make_run, quick_model):
    """Return a function from overrides to a run on the test's lake."""
    return lambda *overrides: make_run(*quick_model, "embed.max_quarantined_share=1", *overrides)


@pytest.fixture
def night(run_of):
    """A run on a lake whose notes were changed since they were embedded."""
    run = run_of()
    write_notes(run, FIRST)
    embed(run)
    write_notes(run, SECOND)
    return run_of()


def small_work(run):
    before = find_before(run, WIDTHS)
    version = tables.table_version(run.lake.uri("notes"))
    return find_small_work(run, before.notes_version, version, before, WIDTHS)


def looked_at_by_spark(run):
    before = find_before(run, WIDTHS)
    version = tables.table_version(run.lake.uri("notes"))
    notes = tables.read_table(run.spark, run.lake.uri("notes"), version)
    scope = find_scope(run, notes, before.notes_version, version)
    return changes.find_changes(run, within(notes, scope), scope, None)


COMPARED = ("item_id", "kind", "item_key", "content_hash", "meta_hash", "was_set_aside", "change", "reason", "degraded")


def test_the_driver_says_of_each_item_what_spark_says(night):
    work = small_work(night)
    mine = {row["item_id"]: {name: row[name] for name in COMPARED} for row in work}
    looked = looked_at_by_spark(night).where(~changes.F.col("change").isin(*changes.SETTLED))
    theirs = {row["item_id"]: {name: row[name] for name in COMPARED} for row in looked.collect()}
    assert mine == theirs
    assert {name: row["change"] for name, row in mine.items()} == {
        "edited": changes.EDITED,
        "moved": changes.ATTRIBUTES,
        "deleted": changes.DELETED,
        "empty": changes.NEW,
        "emptied-and-gone": changes.FORGOTTEN,
        "new": changes.NEW,
        "newer": changes.NEW,
    }
    assert census_of(work) == take_first_census(looked)


def test_a_night_in_the_driver_leaves_the_tables_that_spark_leaves(night, run_of, monkeypatch, tmp_path):
    other = run_of(f"lake={tmp_path / 'other'}")
    write_notes(other, FIRST)
    embed(other)
    write_notes(other, SECOND)
    counts = embed(night)
    monkeypatch.setattr(small_changes, "MOST_NOTES", 0)
    expected = embed(run_of(f"lake={tmp_path / 'other'}"))
    left_out = ("tables", "notes_per_s")
    assert {k: v for k, v in counts.items() if k not in left_out} == {
        k: v for k, v in expected.items() if k not in left_out
    }
    for name in ("items", "set_aside", "embeddings/w256", "embeddings/w64"):
        assert _rows(night, name) == _rows(other, name)


def _rows(run, name):
    rows = rows_at(run.generation.uri(name))
    for row in rows:
        row.pop("run_id", None)
    return sorted(rows, key=lambda row: row["item_id"])


def test_what_is_not_plain_is_left_to_spark(night, run_of, monkeypatch):
    assert small_work(night)
    assert small_work(run_of("embed.kinds=[note, text]")) is None
    assert small_work(run_of("embed.retry_quarantined=true")) is None
    monkeypatch.setattr(small_changes, "MOST_NOTES", 3)
    assert small_work(night) is None
    monkeypatch.setattr(small_changes, "MOST_NOTES", 20)
    monkeypatch.setattr(small_changes, "MOST_BYTES", 10)
    assert small_work(night) is None


def test_notes_with_images_are_left_to_spark(night, run_of):
    write_notes(night, [*SECOND, make_note("pictured", images=["a.png"])])
    assert small_work(run_of()) is None
    assert small_work(run_of("embed.recheck_media=false")) is None


TEXTS = ["", "a", "abc", "é" * 9, "0123456789abcdef" * 3, "x" * 31, "y" * 32, "z" * 77]
NUMBERS = [0, 1, -1, 2**63 - 1, -(2**63), 12345]


@pytest.mark.parametrize(("values", "kind"), [(TEXTS, "string"), (NUMBERS, "bigint")])
def test_new_items_get_the_keys_that_spark_would_give(spark, values, kind):
    rows = [(value, str(value), "note", None) for value in values]
    frame = spark.createDataFrame(rows, f"note_id {kind}, item_id string, kind string, item_key bigint")
    hashes = frame.selectExpr("note_id", "xxhash64(note_id) AS hash").collect()
    assert [spark_xxhash64(row["note_id"]) for row in hashes] == [row["hash"] for row in hashes]
    theirs = {r["item_id"]: r["item_key"] for r in with_new_keys(frame, "item_key IS NULL", 10, len(rows)).collect()}
    names = ("note_id", "item_id", "kind", "item_key")
    items = [dict(zip(names, row, strict=True)) | {"change": changes.NEW} for row in rows]
    assert {row["item_id"]: row["item_key"] for row in give_new_keys(items, changes.NEW, 10)} == theirs
