"""Texts in images, in a worker: what is opened, what is said of an image, and the reader that is installed."""

from __future__ import annotations

import hashlib
import os

import numpy as np
import pyarrow as pa
import pytest
from builders import make_image
from PIL import Image, ImageDraw, ImageFont

from udfs.notes.image_texts import make_note_files, make_texts
from uninote.media.fetching import MediaPolicy, inline_uri
from uninote.ocr.installed import find_reader
from uninote.ocr.rapid import join_lines
from uninote.ocr.reader import TextReader

FILE = pa.struct([(name, pa.string()) for name in ("uri", "version", "first_version", "digest")])
FILES = pa.schema({"note_id": pa.string(), "files": pa.list_(FILE)})
NOTES = {"note_id": pa.string(), "images": pa.list_(pa.struct([("uri", pa.string())])), "files": pa.list_(FILE)}
TEXTS = pa.schema({name: pa.string() for name in ("digest", "engine", "text", "reason")} | {"seconds": pa.float64()})


def colour_reader(engine="colours-1"):
    """Read an image of one colour as the number of its red."""
    return TextReader(engine, lambda: lambda pixels: f"red {pixels[0, 0, 0]}", most_side=40)


def run(made, rows, names):
    batch = pa.RecordBatch.from_pylist(rows, pa.schema(names))
    return [row for found in made(iter([batch])) for row in found.to_pylist()]


@pytest.fixture
def media(tmp_path):
    return MediaPolicy((str(tmp_path),), max_bytes=1 << 20, max_pixels=10_000)


def test_only_files_of_another_version_are_opened(tmp_path, media, monkeypatch):
    path = make_image(tmp_path / "a.png")
    look = make_note_files(media, 2, FILES)
    note = {"note_id": "n", "images": [{"uri": "a.png"}, None, {"uri": "none.png"}], "files": None}
    (first,) = run(look, [note, {"note_id": "m", "images": None, "files": None}], NOTES)
    assert [file["digest"] for file in first["files"]] == [hashlib.sha256(path.read_bytes()).hexdigest()]
    with monkeypatch.context() as patched:
        patched.setattr("udfs.notes.image_files.file_digest", lambda *_: pytest.fail("a file was opened"))
        assert run(look, [note | first], NOTES) == []
    os.utime(path, ns=(1, 1))
    (touched,) = run(look, [note | first], NOTES)
    assert touched["files"][0]["digest"] == first["files"][0]["digest"]
    assert touched["files"][0]["version"] != first["files"][0]["version"]


def test_a_text_is_that_of_the_bytes_which_were_hashed(tmp_path, media):
    content = make_image(tmp_path / "a.png", "red").read_bytes()
    (tmp_path / "b.png").write_bytes(b"no image")
    make_image(tmp_path / "large.png", "blue", (200, 200))
    digest = hashlib.sha256(content).hexdigest()
    rows = [
        {"digest": digest, "uri": "a.png", "content": None},
        {"digest": digest, "uri": inline_uri(content), "content": content},
        {"digest": "of another file", "uri": "a.png", "content": None},
        {"digest": digest, "uri": "gone.png", "content": None},
        {"digest": hashlib.sha256(b"no image").hexdigest(), "uri": "b.png", "content": None},
        {
            "digest": hashlib.sha256((tmp_path / "large.png").read_bytes()).hexdigest(),
            "uri": "large.png",
            "content": None,
        },
    ]
    done = []
    read = make_texts(colour_reader(), media, done.append, TEXTS)
    found = run(read, rows, {"digest": pa.string(), "uri": pa.string(), "content": pa.binary()})
    assert [(row["text"], row["reason"]) for row in found] == [
        ("red 255", None),
        ("red 255", None),
        (None, "media_undecodable"),
        (None, "media_too_many_pixels"),
    ]
    assert {row["engine"] for row in found} == {"colours-1"}
    assert len(done) == len(rows)


def test_no_side_of_an_image_is_longer_than_the_reader_wants():
    reader = colour_reader()
    assert reader.fit(Image.new("RGB", (20, 40))).shape == (40, 20, 3)
    assert reader.fit(Image.new("RGB", (400, 2))).shape == (1, 40, 3)


def test_words_of_one_line_stay_on_it():
    def box(left, top):
        return [[left, top], [left + 50, top], [left + 50, top + 20], [left, top + 20]]

    boxes = np.array([box(0, 0), box(60, 4), box(0, 30)], np.float32)
    assert join_lines(boxes, ("Fresh", "tomato", "soup")) == "Fresh tomato\nsoup"


def test_the_installed_reader_reads_letters():
    reader = find_reader()
    if reader is None:
        pytest.skip("the extra `ocr` is not installed")
    image = Image.new("RGB", (420, 80), "white")
    ImageDraw.Draw(image).text((20, 20), "Fresh tomato soup", fill="black", font=ImageFont.load_default(40))
    read = reader.load()
    assert reader.engine.startswith("rapidocr-3.10")
    assert read(reader.fit(image)) == "Fresh tomato soup"
    assert read(np.full((60, 60, 3), 200, np.uint8)) == ""
