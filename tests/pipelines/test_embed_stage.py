"""Embed: every note exactly once, whatever happened before."""

from __future__ import annotations

import numpy as np
import pytest
from builders import make_image, make_note, rows_at, table_at, write_notes
from power_cuts import power_cut_at

from udfs.arrow import to_matrix
from uninote.errors import ConfigError, UninoteError
from uninote.pipelines.embed.stage import embed
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.reading.snapshot import newest_snapshot
from uninote.pipelines.notes.note_ids import NoteIdError
from uninote.vectors.widths import truncate

pytestmark = pytest.mark.spark

NOTHING = {"title": "", "body": ""}


@pytest.fixture
def night(make_run, quick_model, tmp_path):
    """Return a function that makes the notes what is given, embeds them, and returns (run, summary)."""

    def run_on(notes, *overrides):
        run = make_run(*quick_model, *overrides)
        write_notes(run, notes, tmp_path / "media")
        return run, embed(run)

    return run_on


def vectors(run, width):
    """Return item_id -> vector of what is stored now; no item is stored twice."""
    table = table_at(run.generation.uri(f"embeddings/w{width}"))
    ids = table["item_id"].to_pylist()
    assert len(ids) == len(set(ids))
    return dict(zip(ids, to_matrix(table["vector"].combine_chunks()), strict=True))


def items(run):
    return {row["item_id"]: row for row in rows_at(run.generation.uri("items"))}


def quarantined(run):
    return [(row["item_id"], row["reason"]) for row in rows_at(run.lake.uri("quarantine"))]


def counts(summary):
    return tuple(summary[name] for name in ("notes_in", "embedded", "unchanged", "quarantined", "deleted"))


def test_a_few_nights(night):
    """Inserts, edits of content and of attributes, deletes, a re-insert, a repost, and a night on which nothing happens."""
    run, summary = night([make_note("a"), make_note("b"), make_note("c"), make_note("d", category="x")])
    assert counts(summary) == (4, 4, 0, 0, 0)
    first, before = items(run), vectors(run, 64)

    repost = make_note("e", title="note a", body="about a")
    run, summary = night([make_note("a"), make_note("b", body="edited"), make_note("d", category="y"), repost])
    assert counts(summary) == (4, 2, 2, 0, 1)
    assert summary["attributes_changed"] == 1
    second, after = items(run), vectors(run, 64)
    assert set(after) == set(vectors(run, 256)) == set(second) == {"a", "b", "d", "e"}
    np.testing.assert_array_equal(after["a"], before["a"])
    np.testing.assert_allclose(after["e"], after["a"], atol=1e-6)
    assert not np.allclose(after["b"], before["b"])
    assert second["b"]["item_key"] == first["b"]["item_key"]
    assert second["d"]["meta_hash"] != first["d"]["meta_hash"]

    versions = newest_snapshot(run).versions
    run, summary = night([make_note("a"), make_note("b", body="edited"), make_note("d", category="y"), repost])
    assert counts(summary) == (4, 0, 4, 0, 0)
    assert summary["state"] == "unchanged"
    assert newest_snapshot(run).versions == versions

    run, summary = night([make_note("a"), make_note("c")])
    assert counts(summary) == (2, 1, 1, 0, 3)
    given_out = {row["item_key"] for row in [*first.values(), *second.values()]}
    assert items(run)["c"]["item_key"] not in given_out
    for width in (256, 64):
        for item_id, vector in vectors(run, width).items():
            np.testing.assert_allclose(vector, truncate(vectors(run, 256)[item_id][None], width)[0], atol=1e-6)
            np.testing.assert_allclose(np.linalg.norm(vector), 1, atol=1e-5)


@pytest.mark.more
def test_what_is_broken_is_quarantined_once_and_tried_again_when_it_changes(night, tmp_path):
    make_image(tmp_path / "media" / "ok.png")
    (tmp_path / "media" / "cut.png").write_bytes((tmp_path / "media" / "ok.png").read_bytes()[:40])
    notes = [
        make_note("whole", images=["ok.png"]),
        make_note("degraded", images=["cut.png", "ok.png"]),
        make_note("unusable", **NOTHING, images=["late.png"]),
        make_note("empty", **NOTHING),
        make_note("thief", images=["../../../etc/passwd"]),
        make_note("good"),
    ]
    run, summary = night(notes)
    assert counts(summary) == (6, 4, 0, 2, 0)
    assert {item_id for item_id, row in items(run).items() if row["degraded"]} == {"degraded", "thief"}
    assert sorted(quarantined(run)) == [
        ("degraded#image/0", "media_undecodable"),
        ("empty", "note_empty"),
        ("thief#image/0", "media_outside_roots"),
        ("unusable", "note_unusable"),
        ("unusable#image/0", "media_missing"),
    ]

    run, summary = night(notes)
    assert counts(summary) == (6, 0, 4, 2, 0)
    assert len(quarantined(run)) == 5

    make_image(tmp_path / "media" / "late.png")
    run, summary = night([*notes[:-1], make_note("good", **NOTHING)])
    assert counts(summary) == (6, 1, 3, 2, 0)
    assert set(items(run)) == set(vectors(run, 256)) == {"whole", "degraded", "thief", "unusable"}


def test_too_many_rejects_publish_nothing_but_their_reasons(night):
    with pytest.raises(
        UninoteError,
        match=r"2 of 3 notes cannot be embedded, or not whole, more than embed\.max_quarantined_share=0\.5",
    ):
        night([make_note("a", **NOTHING), make_note("b", **NOTHING), make_note("c")])
    run, summary = night([make_note("a", **NOTHING), make_note("c"), make_note("d")])
    assert counts(summary) == (3, 2, 0, 1, 0)
    assert sorted(set(quarantined(run))) == [("a", "note_empty"), ("b", "note_empty")]


@pytest.mark.long  # every commit of embed is a point at which the fault harness may kill
@pytest.mark.parametrize("fatal", ["items", "embeddings/w64"])
def test_a_run_that_dies_while_publishing_is_undone_and_done_again(night, monkeypatch, fatal):
    first = [make_note("a"), make_note("b"), make_note("gone")]
    second = [make_note("a", body="edited"), make_note("b"), make_note("c")]
    night(first)
    with power_cut_at(monkeypatch, fatal):
        night(second)
    run, summary = night(second)
    assert counts(summary) == (3, 2, 1, 0, 1)
    for width in summary["widths"]:
        assert set(vectors(run, width)) == {"a", "b", "c"} == set(items(run))


@pytest.mark.more
def test_widths_come_and_go_without_the_model_unless_the_widest_is_new(night):
    run, _ = night([make_note("a")], "embed.widths=[128]")
    keys = {item_id: row["item_key"] for item_id, row in items(run).items()}
    run, summary = night([make_note("a")], "embed.widths=[128, 64]")
    assert summary["embedded"] == 0
    assert vectors(run, 128)["a"].shape == (128,)
    np.testing.assert_allclose(vectors(run, 64)["a"], truncate(vectors(run, 128)["a"][None], 64)[0], atol=1e-6)
    night([make_note("a"), make_note("b")], "embed.widths=[128]")
    run, summary = night([make_note("a"), make_note("b")], "embed.widths=[128, 64]")
    assert (summary["embedded"], set(vectors(run, 64))) == (0, {"a", "b"})
    run, summary = night([make_note("a"), make_note("b")], "embed.widths=[256, 100]", "embed.undeclared_widths=true")
    assert summary["embedded"] == 2
    assert items(run)["a"]["item_key"] == keys["a"]
    assert vectors(run, 100)["a"].shape == (100,)


def test_an_undeclared_width_is_refused(night):
    with pytest.raises(
        ConfigError, match=r"embed\.widths: \[100\] not declared by the model .* declares \[256, 128, 64\]"
    ):
        night([make_note("a")], "embed.widths=[256, 100]")


def test_a_repeated_note_id_stops_the_run_before_anything_is_written(night, make_run):
    with pytest.raises(NoteIdError, match=r"1 repeat or are null: 7 \(2 times\)"):
        night([make_note(7), make_note(8), make_note(7)])
    assert not tables.has_table(make_run().generation.uri("items"))


def test_integer_note_ids_stay_integers(night):
    run, _ = night([make_note(7), make_note(8)])
    assert {row["note_id"] for row in items(run).values()} == {7, 8}
