"""Embed looks at names, sizes and times of images, opens those that differ, and calls the model for other bytes alone."""

from __future__ import annotations

import os
import shutil

import pytest
from builders import make_image, make_note, rows_at, write_notes

from uninote.errors import UninoteError
from uninote.index.files.folder import IndexFolder
from uninote.notes.note import Note
from uninote.pipelines.embed.stage import embed
from uninote.pipelines.lake.run import ledger
from uninote.search.query import encoder_of

pytestmark = pytest.mark.spark

COLOURS = ("red", "green", "blue", "white")


@pytest.fixture
def run_of(make_run, quick_model):
    """Return a run that writes one width, so that a night is short."""
    return lambda *overrides: make_run("embed.widths=[256]", *quick_model, *overrides)


@pytest.fixture
def source(tmp_path):
    """A folder with four pictures."""
    for colour in COLOURS:
        make_image(tmp_path / "media" / f"{colour}.png", colour)
    return tmp_path / "media"


def notes_of(names):
    return [make_note(number, images=[f"{name}.png"]) for number, name in enumerate(names)]


def night(run):
    """Return how many items the model computed, and how many images were opened."""
    summary = embed(run)
    assert summary["notes_in"] == summary["embedded"] + summary["unchanged"] + summary["quarantined"]
    return summary["computed"], summary["images_opened"]


def touch(folder):
    for path in folder.iterdir():
        os.utime(path, (1_600_000_000, 1_600_000_000))


def test_touched_and_renamed_images_cost_reading_and_other_bytes_the_model(run_of, source):
    run = run_of()
    write_notes(run, notes_of(COLOURS), source)
    assert night(run) == (4, 4)  # the model sees the bytes that were hashed
    before = {row["item_id"]: row["content_hash"] for row in rows_at(run.generation.uri("items"))}

    touch(source)
    (source / "blue.png").rename(source / "navy.png")
    make_image(source / "white.png", "black")
    write_notes(run, notes_of(("red", "green", "navy", "white")))
    assert night(run_of()) == (1, 4)
    after = {row["item_id"]: row["content_hash"] for row in rows_at(run.generation.uri("items"))}
    assert {item for item in after if after[item] != before[item]} == {"3"}
    files = rows_at(run.lake.uri("image_files"))
    assert sorted(row["files"][0]["uri"] for row in files) == ["green.png", "navy.png", "red.png", "white.png"]

    assert night(run_of()) == (0, 0)
    assert ledger(run, "embed")[0]["counts"]["images_opened"] == 0


@pytest.mark.long
def test_a_copied_source_and_a_second_model_open_what_they_must(run_of, source, tmp_path):
    run = run_of("embed.kinds=[note, image]")
    write_notes(run, [*notes_of(COLOURS), make_note(9)], source)
    assert night(run)[0] == 9
    shutil.copytree(source, tmp_path / "copy", copy_function=shutil.copy)  # times are new
    write_notes(run, [*notes_of(COLOURS), make_note(9)], tmp_path / "copy")
    shutil.rmtree(source)
    computed, opened = night(run_of("embed.kinds=[note, image]"))
    assert computed == 0
    assert 4 <= opened <= 8  # a note and its image may be in two batches
    assert night(run_of("embed.kinds=[note, image]")) == (0, 0)
    hashing = tmp_path / "hashing"
    hashing.mkdir()
    (hashing / "feature_hashing.json").write_text('{"widths": [256], "seed": 1, "vocabulary_size": 65536}')
    other = run_of("model.kind=feature-hashing", f"model.checkpoint={hashing}")
    assert night(other) == (5, 4)  # for the model alone: the lake knows the bytes


@pytest.mark.more
def test_what_the_model_does_not_see_is_counted_and_held_to_a_limit(make_run, source):
    def run_of(*overrides):
        return make_run("embed.widths=[256]", *overrides)

    notes = [make_note(0, body="many words " * 2000), make_note(1, images=["red.png"] * 6), make_note(2)]
    run = run_of("embed.max_cut_share=0.3")
    write_notes(run, notes, source)
    with pytest.raises(
        UninoteError, match=r"all texts of 1 of 3 notes, more than embed\.max_cut_share=0\.3; this chunk"
    ):
        embed(run)
    with pytest.raises(
        UninoteError, match=r"all images of 1 of 3 notes, more than embed\.max_lacking_images_share=0\.0"
    ):
        embed(run_of("embed.max_lacking_images_share=0"))
    summary = embed(run_of())
    assert (summary["notes_cut"], summary["notes_cut_estimated"]) == (1, 1)
    assert (summary["notes_lacking_images"], summary["images_left_out"], summary["cut_unknown"]) == (1, 2, 0)
    assert ledger(run, "embed")[0]["metrics"]["cut_share"] == pytest.approx(1 / 3)
    items = {row["item_id"]: row for row in rows_at(run.generation.uri("items"))}
    assert 2000 < items["0"]["tokens_cut"] < 20_000
    assert (items["2"]["tokens_cut"], items["2"]["images_left_out"]) == (0, 0)
    write_notes(run, [note | {"category": "new"} for note in notes])
    assert embed(run_of())["images_left_out"] == 2  # an edit of attributes knows nothing of it


@pytest.mark.more
def test_other_limits_are_embedded_beside_the_own_ones_and_search_keeps_to_them(make_run, source):
    def run_of(*overrides):
        return make_run("embed.widths=[256]", *overrides)

    few = "model.limits={max_tokens: 200, max_images: 3}"
    run = run_of()
    write_notes(run, [make_note(0, body="many words " * 60), make_note(1, images=["red.png"] * 6)], source)
    own = embed(run)
    assert (own["notes_cut"], own["images_left_out"]) == (0, 2)
    fewer = embed(run_of(few))
    assert fewer["generation"] != own["generation"]
    assert (fewer["computed"], fewer["notes_cut"], fewer["images_left_out"]) == (2, 1, 3)
    for again in ((few,), (), (few,), ("model.checkpoint=auto",)):
        assert embed(run_of(*again))["computed"] == 0
    # The newest vectors are those of few: auto goes on with them, and so does a search from a terminal.
    assert run_of("model.checkpoint=auto").model.generation == fewer["generation"]
    place = IndexFolder(run_of(few).generation.uri("index/w256"))
    encoder = encoder_of(place, fewer["generation"])
    assert 190 < encoder.prepare(Note(body="many words " * 600), []).num_tokens <= 200
    with pytest.raises(UninoteError, match="their vectors do not compare"):
        encoder_of(place, "0" * 16, model="demo")


@pytest.mark.long
def test_an_edit_of_attributes_and_a_touch_at_once_cost_no_model_call(run_of, source):
    run = run_of()
    write_notes(run, notes_of(COLOURS), source)
    night(run)
    touch(source)
    write_notes(run, [note | {"category": "new"} for note in notes_of(COLOURS)])
    summary = embed(run_of())
    assert (summary["computed"], summary["attributes_changed"]) == (0, 4)
    assert night(run_of()) == (0, 0)
    items = rows_at(run.generation.uri("items"))
    vectors = {row["item_key"]: row["content_hash"] for row in rows_at(run.generation.uri("embeddings/w256"))}
    assert {row["item_key"]: row["content_hash"] for row in items} == vectors
    assert {row["images_left_out"] for row in items} == {0}
