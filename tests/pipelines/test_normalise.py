"""Sources of many shapes, one notes table."""

from __future__ import annotations

from datetime import datetime

import pytest

from uninote.ingest.columns import map_columns
from uninote.pipelines.normalise import ColumnTypeError, normalise

pytestmark = pytest.mark.spark


def only_note(source):
    rows = normalise(source, map_columns(source.columns, {})).collect()
    assert len(rows) == 1
    return rows[0]


def images_of(note):
    return [(image["uri"], image["ocr"]) for image in note["images"]]


def test_integer_ids_stay_integers_and_strings_strings(spark):
    assert only_note(spark.createDataFrame([(7, "t")], "id int, title string"))["note_id"] == 7
    assert only_note(spark.createDataFrame([(" 007 ", "t")], "id string, title string"))["note_id"] == "007"


@pytest.mark.parametrize(
    ("value", "kind"),
    [(["a.png", "b.png"], "array<string>"), ("a.png; b.png", "string"), ('["a.png", "b.png"]', "string")],
)
def test_images_come_as_arrays_lists_or_json(spark, value, kind):
    note = only_note(spark.createDataFrame([("1", value)], f"id string, images {kind}"))
    assert images_of(note) == [("a.png", None), ("b.png", None)]


def test_image_structs_may_name_their_fields_differently(spark):
    frame = spark.createDataFrame(
        [("1", [("a.png", "sale")])], "id string, images array<struct<path:string,text:string>>"
    )
    assert images_of(only_note(frame)) == [("a.png", "sale")]


def test_ocr_goes_with_the_images_in_order_and_stands_alone_without(spark):
    frame = spark.createDataFrame(
        [("1", ["a.png", "b.png"], [None, "sale"])], "id string, images array<string>, ocr array<string>"
    )
    assert images_of(only_note(frame)) == [("a.png", None), ("b.png", "sale")]
    frame = spark.createDataFrame([("1", "sale")], "id string, ocr string")
    assert images_of(only_note(frame)) == [(None, "sale")]


def test_topics_are_split_trimmed_and_never_null(spark):
    frame = spark.createDataFrame([("1", "#food，travel; cats")], "id string, tags string")
    assert only_note(frame)["topics"] == ["food", "travel", "cats"]
    assert only_note(spark.createDataFrame([("1", "t")], "id string, title string"))["topics"] == []


@pytest.mark.parametrize(
    ("value", "kind"), [("2026-01-02T03:04:05Z", "string"), (1767323045, "bigint"), (1767323045000, "bigint")]
)
def test_times_come_as_text_seconds_or_milliseconds(spark, value, kind):
    frame = spark.createDataFrame([("1", "t", value)], f"id string, title string, updated_at {kind}")
    assert only_note(frame)["updated_at"] == datetime(2026, 1, 2, 3, 4, 5)


def test_a_time_that_is_none_becomes_null(spark):
    frame = spark.createDataFrame([("1", "t", "soon")], "id string, title string, updated_at string")
    assert only_note(frame)["updated_at"] is None


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("id double, title string", "note_id must be a string or an integer; the source's column is double"),
        ("id string, title map<string,string>", "title must be text"),
        ("id string, topics array<array<string>>", "topics must be an array of strings"),
        ("id string, image int", "images must be paths, URIs or bytes"),
        ("id string, images array<struct<name:string>>", "images need one of uri, path"),
    ],
)
def test_a_type_that_cannot_be_used_is_refused(spark, kind, message):
    frame = spark.createDataFrame([], kind)
    with pytest.raises(ColumnTypeError, match=message):
        normalise(frame, map_columns(frame.columns, {}))
