"""Texts in images from the source to the vector: read once, whatever the name; and embedded again when they changed."""

from __future__ import annotations

import shutil

import pyarrow as pa
import pytest
from builders import make_image, make_note, rows_at, write_source
from deltalake import write_deltalake

from uninote.errors import ConfigError
from uninote.lake.schemas import IMAGE_DIGESTS
from uninote.ocr.reader import TextReader
from uninote.pipelines.embed.stage import embed
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.run import last_entry
from uninote.pipelines.notes.images import image_texts
from uninote.pipelines.notes.images.image_texts import Unread, count_unread
from uninote.pipelines.notes.stage import ingest

pytestmark = pytest.mark.spark


def colour_reader(engine="colours-1", word="red"):
    """Return a reader that reads an image of one colour as the number of its red; of a black one, nothing."""

    def read(pixels):
        red = int(pixels[0, 0, 0])
        return f"{word} {red}" if red else ""

    return TextReader(engine, lambda: read)


def texts(run):
    return sorted((row["text"], row["engine"]) for row in rows_at(run.lake.uri("image_texts")))


def content_hashes(run):
    return {row["item_id"]: row["content_hash"] for row in rows_at(run.generation.uri("items"))}


def write_notes_with_images(source):
    """A source of five notes, two of which show equal bytes under two names, and one an image that is not there."""
    for name, colour in (("a", "#640000"), ("b", "#c80000"), ("dark", "black")):
        make_image(source / f"{name}.png", colour)
    shutil.copy(source / "a.png", source / "twin.png")
    images = [["a.png"], ["twin.png", "b.png"], ["dark.png"], [], ["none.png"]]
    notes = [make_note(number, images=names) for number, names in enumerate(images)]
    write_source(source, notes)
    return notes


@pytest.mark.long
def test_an_image_is_read_once_and_its_text_embeds_its_note(make_run, tmp_path):
    source = tmp_path / "notes"
    notes = write_notes_with_images(source)
    overrides = (f"ingest.source={source}", "embed.widths=[256]")
    run = make_run(*overrides, "ingest.ocr=off")
    assert "images_read" not in ingest(run)
    embed(run)
    hashes = content_hashes(run)

    run = make_run(*overrides)
    summary = ingest(run, colour_reader())
    assert [summary[name] for name in ("state", "images_read", "images_with_text", "images_unread")] == [
        "unchanged",
        3,
        2,
        0,
    ]
    assert texts(run) == [("", "colours-1"), ("red 100", "colours-1"), ("red 200", "colours-1")]
    assert last_entry(run, "ingest", "images")["metrics"]["ocr_s_per_image"] > 0
    assert {image["ocr"] for row in rows_at(run.lake.uri("notes")) for image in row["images"]} == {None}
    assert embed(make_run(*overrides))["embedded"] == 2
    now = content_hashes(run)
    assert {item_id for item_id in now if now[item_id] != hashes[item_id]} == {"0", "1"}
    assert embed(make_run(*overrides))["computed"] == 0

    # Another version of the reader reads nothing again unasked; asked, it does, and only notes whose text changed follow.
    write_source(source, [*notes, make_note(5, images=["twin.png"])])
    newer = colour_reader("colours-2", "rot")
    assert ingest(make_run(*overrides), newer)["images_read"] == 0
    assert embed(make_run(*overrides))["embedded"] == 1
    assert ingest(make_run(*overrides, "ingest.ocr_again=true"), newer)["images_read"] == 3
    assert [text for text, _ in texts(run)] == ["", "rot 100", "rot 200"]
    assert embed(make_run(*overrides))["embedded"] == 3


def test_a_source_with_ocr_is_left_alone_and_a_missing_reader_is_said(make_run, tmp_path, capsys, monkeypatch):
    source = tmp_path / "notes"
    make_image(source / "a.png", "#640000")
    make_image(source / "b.png", "#c80000")
    write_source(source, [make_note(0, images=["a.png"], ocr=["words"]), make_note(1, images=["b.png"])])
    run = make_run(f"ingest.source={source}")
    assert "images_read" not in ingest(run, colour_reader())
    run = make_run(f"ingest.source={source}", "ingest.ocr=on")
    assert ingest(run, colour_reader())["images_read"] == 1
    assert texts(run) == [("red 200", "colours-1")]

    make_image(source / "c.png", "#960000")
    write_source(
        source,
        [make_note(0, images=["a.png"], ocr=["words"]), make_note(1, images=["b.png"]), make_note(2, images=["c.png"])],
    )
    ingest(make_run(f"ingest.source={source}", "ingest.ocr=off"))
    notes = tables.read_table(run.spark, run.lake.uri("notes"))
    monkeypatch.setattr(image_texts, "find_reader", colour_reader)
    one = last_entry(run, "ingest", "images")["metrics"]["ocr_s_per_image"]
    assert count_unread(run, notes) == Unread(1, one)
    monkeypatch.setattr(image_texts, "find_reader", lambda: None)
    assert count_unread(make_run("ingest.ocr=auto"), notes) == Unread(0, 0.0)  # the source has some
    assert count_unread(make_run("ingest.ocr=off"), notes) == Unread(0, 0.0)

    monkeypatch.setattr(image_texts, "find_reader", lambda: None)
    with pytest.raises(ConfigError, match=r"ingest\.ocr=on needs .* pip install 'uninote\[ocr\]'"):
        ingest(run)
    write_source(source, [make_note(0, images=["a.png"]), make_note(1, images=["b.png"])])
    assert ingest(make_run(f"ingest.source={source}"))["images_unread"] == 2
    assert "2 images stay unread; pip install 'uninote[ocr]'" in capsys.readouterr().err


@pytest.mark.more
def test_a_lake_with_the_digests_of_a_former_release_reads_and_computes_nothing_again(make_run, tmp_path):
    source = tmp_path / "notes"
    make_image(source / "a.png", "#640000")
    write_source(source, [make_note(0, images=["a.png"]), make_note(1)])
    overrides = (f"ingest.source={source}", "embed.widths=[256]")
    run = make_run(*overrides)
    assert ingest(run, colour_reader())["images_read"] == 1
    assert embed(run)["computed"] == 2
    (known,) = rows_at(run.lake.uri("image_files"))
    former = pa.table({name: [known["files"][0][name]] for name in ("uri", "version", "digest")})
    write_deltalake(run.lake.uri(IMAGE_DIGESTS.name), former)
    tables.remove(run.lake.uri("image_files"))
    write_source(source, [make_note(0, images=["a.png"]), make_note(1, category="other")])
    ingest(make_run(*overrides, "ingest.ocr=off"))
    assert embed(make_run(*overrides))["computed"] == 0
    assert ingest(make_run(*overrides), colour_reader())["images_read"] == 0
    assert not tables.has_table(run.lake.uri(IMAGE_DIGESTS.name))
    assert rows_at(run.lake.uri("image_files"))[0]["files"][0]["digest"] == former["digest"][0].as_py()
    assert embed(make_run(*overrides))["computed"] == 0
