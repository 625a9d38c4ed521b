"""Descriptions of images from the source to the training set: no model sees them, and no edit of one calls a model."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest
from builders import make_image, make_note, rows_at, table_at, write_source
from deltalake import DeltaTable, write_deltalake

from uninote.lake.record import FORMAT
from uninote.pipelines.embed.stage import embed
from uninote.pipelines.notes.stage import ingest
from uninote.pipelines.training.training_set import training_set
from uninote.training.dataset.strategies import Strategy

pytestmark = pytest.mark.spark

NUM_NOTES = 12


def write_night(source: Path, word: str) -> None:
    """Notes of two images, each described by itself; the first of note 0 by its note alone; note 1 has none."""
    notes = []
    for number in range(NUM_NOTES):
        names = [f"{number}-{place}.png" for place in (0, 1)] if number != 1 else []
        images = [{"path": name, "caption": f"{word} {name}"} for name in names]
        for place, name in enumerate(names):
            make_image(source / name, (20 * number, 100 * place, 50))
        note = make_note(number, images=images, topics=["colours"], caption=f"{word} of note {number}")
        if number == 0:
            del images[0]["caption"]
        notes.append(note)
    write_source(source, notes)


def hashes(run):
    return {row["item_id"]: (row["content_hash"], row["meta_hash"]) for row in rows_at(run.generation.uri("items"))}


def captions(run):
    rows = {row["note_id"]: row for row in rows_at(run.lake.uri("notes"))}
    return {number: [image["caption"] for image in row["images"]] for number, row in rows.items()}


@pytest.fixture
def run_of(make_run, quick_model, tmp_path):
    settings = (f"ingest.source={tmp_path / 'source'}", "embed.kinds=[note, image]", "embed.widths=[64]")
    return lambda *more: make_run(*quick_model, *settings, "training.eval_share=0.3", *more)


def test_an_edit_of_a_caption_calls_no_model_and_reaches_training(run_of, tmp_path):
    source = tmp_path / "source"
    write_night(source, "first")
    run = run_of()
    ingest(run)
    assert captions(run)[2] == ["first 2-0.png", "first 2-1.png"]
    assert embed(run)["computed"] == NUM_NOTES + 2 * (NUM_NOTES - 1)
    before = hashes(run)
    vectors = DeltaTable(run.generation.uri("embeddings/w64")).version()

    write_night(source, "second")
    assert ingest(run_of())["updated"] == NUM_NOTES
    assert captions(run)[2] == ["second 2-0.png", "second 2-1.png"]
    summary = embed(run_of())
    assert [summary[name] for name in ("computed", "embedded", "attributes_changed", "deleted")] == [0, 0, 0, 0]
    assert hashes(run) == before
    assert DeltaTable(run.generation.uri("embeddings/w64")).version() == vectors

    data = training_set(run_of())
    described = {}
    for split in ("train", "eval"):
        examples = data.examples(Strategy.IMAGE_TO_TEXT, split)
        for query, positive in zip(examples.queries, examples.candidates[:, 0], strict=True):
            described[data.note(positive).body] = data.images(data.note(query))[0].getpixel((0, 0))
    names = [f"second {number}-{place}.png" for number in range(2, NUM_NOTES) for place in (0, 1)]
    assert set(described) == {"second of note 0", "second 0-1.png", *names}
    assert all(
        described[f"second {n}-{place}.png"] == (20 * n, 100 * place, 50) for n in range(2, 12) for place in (0, 1)
    )
    assert described["second of note 0"] == (0, 0, 50)
    # A held-out note is asked for with the description of the image and without.
    examples = data.examples(Strategy.IMAGE_TO_NOTE, "eval")
    told = [bool(data.note(note).described) for note in examples.candidates[:, 0]]
    assert sum(told) == len(told) / 2 > 0


def without_captions(run):
    """Make the notes those of a former release."""
    uri = run.lake.uri("notes")
    rows = table_at(uri)
    images = pa.list_(pa.struct([("uri", pa.string()), ("ocr", pa.string())]))
    schema = pa.schema([field.with_type(images) if field.name == "images" else field for field in rows.schema])
    values = [
        row | {"images": [{"uri": one["uri"], "ocr": one["ocr"]} for one in row["images"]]} for row in rows.to_pylist()
    ]
    write_deltalake(uri, pa.Table.from_pylist(values, schema), mode="overwrite", schema_mode="overwrite")


def test_notes_whose_images_have_no_captions_are_read_and_a_former_lake_gets_them(run_of, tmp_path):
    write_night(tmp_path / "source", "first")
    run = run_of()
    ingest(run)
    embed(run)
    before = hashes(run)
    without_captions(run)
    assert embed(run_of())["computed"] == 0  # as another program may write them
    assert (
        training_set(run_of()).manifest["counts"]["image_to_text/train"] > 0
    )  # of first images, by their notes' captions

    record = Path(run.lake.root) / "lake.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"format": 4}))
    assert ingest(run_of())["updated"] == NUM_NOTES - 1
    assert json.loads(record.read_text())["format"] == FORMAT
    assert captions(run)[0] == [None, "first 0-1.png"]
    assert embed(run_of())["computed"] == 0
    assert hashes(run) == before
