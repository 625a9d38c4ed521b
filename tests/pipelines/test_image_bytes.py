"""Images that a source holds as bytes: kept once each, found by their notes, gone with the last of these."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from builders import make_image, rows_at

from uninote.media.fetching import inline_uri
from uninote.pipelines.embed.stage import embed
from uninote.pipelines.notes.stage import ingest

pytestmark = pytest.mark.spark


@pytest.fixture
def content(tmp_path):
    """Bytes of two images."""
    return {name: make_image(tmp_path / f"{name}.png", name).read_bytes() for name in ("red", "blue")}


def shapes(content):
    """The ways in which tables hold images, each with the same red image in it."""
    red = content["red"]
    return {
        "bytes": (pa.binary(), red),
        "array": (pa.list_(pa.binary()), [red]),
        "structs": (
            pa.list_(pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
            [{"bytes": red, "path": "r.png"}],
        ),
        "ocr": (
            pa.list_(pa.struct([("content", pa.binary()), ("ocr", pa.string())])),
            [{"content": red, "ocr": "words"}],
        ),
    }


def write(path, kind, values):
    table = {"note_id": pa.array(range(len(values))), "images": pa.array(values, kind)}
    pq.write_table(pa.table(table), path)


OTHERS = [pytest.param(shape, marks=pytest.mark.more) for shape in ("array", "structs")]


@pytest.mark.parametrize("shape", ["bytes", "ocr", *OTHERS])
def test_bytes_of_any_shape_become_a_uri_and_a_row_of_their_own(make_run, tmp_path, content, shape):
    kind, value = shapes(content)[shape]
    write(tmp_path / "notes.parquet", kind, [value, None, value])
    run = make_run(f"ingest.source={tmp_path / 'notes.parquet'}")
    assert ingest(run)["images_stored"] == 1
    notes = {row["note_id"]: row["images"] for row in rows_at(run.lake.uri("notes"))}
    assert [image["uri"] for image in notes[0]] == [inline_uri(content["red"])]
    assert notes[0][0]["ocr"] == ("words" if shape == "ocr" else None)
    assert notes[1] == []
    stored = rows_at(run.lake.uri("image_bytes"))
    assert [(row["uri"], bytes(row["content"])) for row in stored] == [(inline_uri(content["red"]), content["red"])]


@pytest.mark.more
def test_they_are_embedded_and_forgotten_like_files(make_run, tmp_path, content):
    kind, source = pa.list_(pa.binary()), tmp_path / "notes.parquet"
    run = make_run(f"ingest.source={source}", "embed.widths=[64]")
    write(source, kind, [[content["red"]], [content["blue"], b"no image"], [content["red"]]])
    ingest(run)
    summary = embed(run)
    assert (summary["embedded"], summary["degraded"], summary["computed"]) == (3, 1, 2)

    write(source, kind, [[content["red"]], [content["red"]], [content["red"]]])
    assert ingest(run)["images_stored"] == 0
    assert embed(run)["computed"] == 1
    stored = rows_at(run.lake.uri("image_bytes"))
    assert [row["uri"] for row in stored] == [inline_uri(content["red"])]
