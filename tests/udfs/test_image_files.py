"""Which images of a batch are opened to see whether they changed, and what is found out: without Spark."""

from __future__ import annotations

import os

import pyarrow as pa
import pytest
from builders import make_image

from udfs.notes import image_files
from udfs.notes.fingerprints import MODEL_COLUMNS, HashTask, make_content_hashes
from uninote.media.fetching import MediaPolicy, inline_uri
from uninote.notes.attributes import NOTE_ATTRIBUTES

FILE = pa.struct([(name, pa.string()) for name in ("uri", "version", "first_version", "digest")])
TEXTS = ("content_hash", "former_hash", "meta_hash", "kind", "note_id")
OUT = pa.schema(
    [(name, pa.string()) for name in TEXTS]
    + [(name, pa.bool_()) for name in ("unreachable", "images_changed", "recorded")]
    + [("opened", pa.int32()), ("files", pa.list_(FILE))]
)


@pytest.fixture
def media(tmp_path):
    """A folder of two pictures of one colour, and one of another."""
    for name, colour in (("a", "red"), ("b", "red"), ("c", "blue")):
        make_image(tmp_path / "media" / f"{name}.png", colour)
    return tmp_path / "media"


@pytest.fixture
def opened(monkeypatch):
    """The names of the files that are read, as they are."""
    names, real = [], image_files.file_digest
    monkeypatch.setattr(image_files, "file_digest", lambda uri, policy: names.append(uri) or real(uri, policy))
    return names


def item(note_id, *uris, before=None, **fields):
    values = {"note_id": note_id, "kind": "note", "title": "text", "is_there": True, **fields}
    values["images"] = [{"uri": uri, "ocr": ""} for uri in uris]
    values |= {"old_content": before["content_hash"], "files": before["files"]} if before else {}
    return dict.fromkeys((*MODEL_COLUMNS, *NOTE_ATTRIBUTES, "old_content", "files")) | values


def look(media, *rows, sees_images=True):
    policy = MediaPolicy((str(media),), 1 << 20, 10**6)
    task = HashTask(policy, 2, sees_images)
    image = pa.struct([("uri", pa.string()), ("ocr", pa.string())])
    kinds = {
        "images": pa.list_(image),
        "topics": pa.list_(pa.string()),
        "is_there": pa.bool_(),
        "files": pa.list_(FILE),
    }
    schema = pa.schema([(name, kinds.get(name, pa.string())) for name in rows[0]])
    batch = pa.RecordBatch.from_pylist(list(rows), schema=schema)
    found = pa.Table.from_batches(make_content_hashes(task, OUT)(iter([batch])), OUT).to_pylist()
    return found if len(found) > 1 else found[0]


def test_a_file_that_did_not_change_is_not_opened_again(media, opened):
    first = look(media, item("n", "a.png", "c.png", "no.png"))
    assert sorted(opened) == ["a.png", "c.png"]
    assert (first["opened"], first["recorded"], len(first["files"])) == (2, False, 2)
    again = look(media, item("n", "a.png", "c.png", "no.png", before=first))
    assert again["content_hash"] == first["content_hash"]
    assert (again["opened"], again["files"], again["images_changed"], len(opened)) == (0, None, False, 2)


def test_a_touch_costs_reading_and_the_former_hash_stays(media, opened):
    first = look(media, item("n", "a.png"))
    os.utime(media / "a.png", (1, 1))
    touched = look(media, item("n", "a.png", before=first))
    assert opened == ["a.png", "a.png"]
    assert [touched[name] for name in TEXTS] == [first[name] for name in TEXTS]
    assert touched["files"][0]["version"] != first["files"][0]["version"]
    assert look(media, item("n", "a.png", before=touched))["opened"] == 0


def test_other_bytes_are_another_content_and_another_name_is_not(media):
    first, renamed, other = look(media, item("n", "a.png"), item("n", "b.png"), item("n", "c.png"))
    assert renamed["content_hash"] == first["content_hash"] != other["content_hash"]
    assert renamed["former_hash"] != first["former_hash"]
    make_image(media / "a.png", "green")
    replaced = look(media, item("n", "a.png", before=first))
    assert replaced["content_hash"] not in (first["content_hash"], other["content_hash"])
    assert replaced["images_changed"]
    edited = look(media, item("n", "a.png", before=replaced, title="other"))
    assert edited["content_hash"] != replaced["content_hash"]
    assert not edited["images_changed"]


def test_a_file_is_opened_once_in_a_batch_and_by_nobody_where_one_note_knows_it(media, opened):
    known = look(media, item("n", "a.png"))
    opened.clear()
    rows = [item("n", "a.png", before=known), *(item(f"m{number}", "a.png", "c.png") for number in range(5))]
    found = look(media, *rows)
    assert opened == ["c.png"]
    assert len({one["content_hash"] for one in found[1:]}) == 1
    assert all(len(one["files"]) == 2 for one in found[1:])


def test_a_model_without_eyes_looks_at_files_only_where_an_item_was_hashed_otherwise(media, opened):
    first = look(media, item("n", "a.png"), sees_images=False)
    make_image(media / "a.png", "green")
    again = look(media, item("n", "a.png", before=first), sees_images=False)
    assert (again["content_hash"], again["former_hash"], again["files"]) == (first["content_hash"], None, None)
    older = look(media, item("n", "a.png", before={"content_hash": "of format 3", "files": None}), sees_images=False)
    assert older["former_hash"] is not None
    assert opened == []


def test_what_cannot_be_used_is_opened_once_and_what_is_in_the_row_never(media, opened):
    (media / "empty.png").write_bytes(b"")
    (media / "large.png").write_bytes(bytes(2 << 20))
    names = ("empty.png", "large.png", inline_uri(b"one"))
    first = look(media, item("n", *names))
    assert {file["digest"] for file in first["files"]} == {"media_empty", "media_too_large"}
    opened.clear()
    again = look(media, item("n", *names, before=first))
    assert (again["content_hash"], again["opened"]) == (first["content_hash"], 0)
    assert opened == [names[2]]  # whose digest is in its name


def test_an_item_that_is_gone_has_no_hash(media):
    gone = look(media, item("n") | {"is_there": False}, item("m"))[0]
    assert (gone["content_hash"], gone["meta_hash"], gone["unreachable"]) == (None, None, False)
