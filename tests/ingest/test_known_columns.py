"""Columns of last night held against those of tonight, without a source."""

from __future__ import annotations

import pyarrow as pa
import pytest

from uninote.notes.ingest.columns import SourceColumnsError
from uninote.notes.ingest.known_columns import KnownColumns, check_kinds, follow, kind_of

KNOWN = KnownColumns(
    {"note_id": ("id", "text"), "body": ("text", "text"), "topics": ("tags", None)}, ["id", "text", "tags", "x"]
)


def now(*names, **fields):
    return KnownColumns({field: (column, "text") for field, column in fields.items()}, names)


def test_what_is_known_is_kept_whatever_would_be_guessed_now():
    found = now("id", "text", "tags", "body", "title", note_id="id", body="body", topics="tags", title="title")
    assert follow(KNOWN, found, {}) == {"note_id": "id", "body": "text", "topics": "tags"}
    # What somebody names is taken.
    assert follow(KNOWN, found, {"body": "body"}) == {"note_id": "id", "body": "body", "topics": "tags"}
    assert KnownColumns.of(KNOWN.text()) == KNOWN


def test_what_is_gone_is_named_with_what_is_new():
    found = now("id", "words", note_id="id")
    with pytest.raises(SourceColumnsError) as caught:
        follow(KNOWN, found, {})
    said = str(caught.value)
    assert "text, which gave the body of notes, is gone (new in it: words)" in said
    assert "tags, which gave the topics of notes, is gone" in said
    assert "--set ingest.columns.body=<column>" in said
    assert follow(KNOWN, found, {"body": "words", "topics": "words"}).keys() == {"note_id"}


@pytest.mark.parametrize(
    ("types", "kind"),
    [
        ([pa.int32(), pa.float64()], "numbers"),
        ([pa.string(), pa.dictionary(pa.int32(), pa.large_string())], "text"),
        ([pa.list_(pa.string()), pa.large_list(pa.string_view())], "a list of text"),
        ([pa.timestamp("us", tz="UTC"), pa.date32()], "times"),
        ([pa.struct([("uri", pa.string())])], "struct"),
        ([pa.binary()], "bytes"),
        ([pa.bool_()], "true or false"),
        ([pa.string(), pa.int64()], None),
        ([pa.null()], None),
        ([], None),
    ],
)
def test_kinds_of_types(types, kind):
    assert kind_of(types) == kind


def test_another_kind_is_refused_and_one_that_was_not_known_is_not():
    check_kinds(KNOWN, KnownColumns({"note_id": ("id", "text"), "topics": ("tags", "a list of text")}))
    check_kinds(KNOWN, KnownColumns({"body": ("other", "numbers")}))
    with pytest.raises(
        SourceColumnsError, match=r"text, which gives the body of notes, was text and is numbers\. Nothing"
    ):
        check_kinds(KNOWN, KnownColumns({"body": ("text", "numbers")}))
    with pytest.raises(
        SourceColumnsError, match=r"was text and is numbers\. Nothing was written\. note_id keeps its type"
    ):
        check_kinds(KNOWN, KnownColumns({"note_id": ("id", "numbers")}))
