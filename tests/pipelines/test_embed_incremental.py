"""Embed night after night: cost follows the changes, whatever form they come in, and killed runs go on where they were."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from builders import make_image, make_note, rows_at, table_at, write_notes
from deltalake import DeltaTable

from udfs.arrow import to_matrix
from uninote.errors import UninoteError
from uninote.lake.schemas import notes_table
from uninote.pipelines.embed import commit as embed_commit
from uninote.pipelines.embed import small_changes
from uninote.pipelines.embed.stage import embed
from uninote.pipelines.embed.steps import scope
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.reading.snapshot import newest_snapshot
from uninote.pipelines.lake.reading.stored_vectors import StoredVectors
from uninote.pipelines.lake.run import ledger

pytestmark = pytest.mark.spark


@pytest.fixture
def run_of(make_run, quick_model):
    """Return a run that writes one width, so that a night is short."""
    return lambda *overrides: make_run("embed.widths=[256]", *quick_model, *overrides)


def stored(run):
    """Return item_id -> (item_key, vector); no item twice, and items and vectors agree."""
    items = rows_at(run.generation.uri("items"))
    vectors = table_at(run.generation.uri("embeddings/w256"))
    ids, keys = vectors["item_id"].to_pylist(), vectors["item_key"].to_pylist()
    hashes = vectors["content_hash"].to_pylist()
    assert sorted(zip(ids, keys, hashes, strict=True)) == sorted(
        (row["item_id"], row["item_key"], row["content_hash"]) for row in items
    )
    assert len(ids) == len(set(ids))
    return dict(zip(ids, zip(keys, to_matrix(vectors["vector"].combine_chunks()), strict=True), strict=True))


def edit(run, sql):
    run.spark.sql(sql.format(notes=f"delta.`{run.lake.uri('notes')}`"))


def by_spark(monkeypatch):
    """So few notes would be compared and committed by the driver."""
    monkeypatch.setattr(small_changes, "MOST_NOTES", 0)


@pytest.mark.long
def test_the_feed_of_many_commits_is_read_once_and_an_overwrite_costs_no_model_call(run_of, monkeypatch):
    first = [make_note(number) for number in range(6)]
    run = run_of()
    write_notes(run, first)
    assert embed(run)["computed"] == 6
    before = stored(run)

    write_notes(run, first)  # all of it again: the feed tells six deletes and six inserts
    assert embed(run_of())["computed"] == 0
    assert {item_id: key for item_id, (key, _) in stored(run).items()} == {i: k for i, (k, _) in before.items()}

    edit(run, "UPDATE {notes} SET body = 'once' WHERE note_id = 1")
    edit(run, "UPDATE {notes} SET body = 'twice' WHERE note_id = 1")
    edit(run, "DELETE FROM {notes} WHERE note_id IN (2, 3)")
    edit(
        run,
        "INSERT INTO {notes} SELECT 3, title, 'back', caption, topics, images, category, author, language, "
        "visibility, updated_at FROM {notes} WHERE note_id = 4",
    )
    edit(run, "UPDATE {notes} SET category = 'new' WHERE note_id = 5")
    by_spark(monkeypatch)
    looked_at = []
    real = scope.within
    monkeypatch.setattr("uninote.pipelines.embed.planning.within", lambda f, s: looked_at.append(s) or real(f, s))
    summary = embed(run_of())
    assert {row["note_id"] for row in looked_at[0].collect()} == {1, 2, 3, 5}
    names = ("notes_in", "embedded", "computed", "unchanged", "deleted", "attributes_changed")
    assert [summary[name] for name in names] == [5, 2, 2, 3, 1, 1]
    after = stored(run)
    assert set(after) == {"0", "1", "3", "4", "5"}
    assert not np.allclose(after["1"][1], before["1"][1])
    assert after["3"][0] == before["3"][0]


@pytest.mark.more
def test_an_expired_feed_falls_back_to_comparing_everything(run_of, capsys):
    run = run_of()
    write_notes(run, [make_note(number) for number in range(3)])
    embed(run)
    write_notes(run, [make_note(number) for number in range(3)])
    write_notes(run, [make_note(0), make_note(1, body="edited"), make_note(7)])
    DeltaTable(run.lake.uri("notes")).vacuum(0, enforce_retention_duration=False, dry_run=False)
    summary = embed(run_of())
    assert "comparing all of them" in capsys.readouterr().err
    assert (summary["embedded"], summary["deleted"], summary["unchanged"]) == (2, 1, 1)
    assert set(stored(run)) == {"0", "1", "7"}


@pytest.mark.long
def test_a_table_without_a_feed_is_compared_whole(run_of):
    run = run_of()
    spec = notes_table(run.spark.sql("SELECT 1L AS n").schema["n"].dataType)
    tables.overwrite(run.spark.createDataFrame([], spec.schema), replace(spec, feed=False), run.lake.uri("notes"))
    for body in ("first", "second"):
        write_notes(run, [make_note(0), make_note(1, body=body)])
        assert embed(run_of())["computed"] == {"first": 2, "second": 1}[body]


@pytest.mark.more
def test_a_replaced_image_is_noticed_unless_media_are_taken_to_stay(run_of, tmp_path):
    run = run_of()
    make_image(tmp_path / "media" / "a.png", "red")
    write_notes(run, [make_note(0, images=["a.png"]), make_note(1)], tmp_path / "media")
    embed(run)
    before = stored(run)
    make_image(tmp_path / "media" / "a.png", "green", (64, 64))
    assert embed(run_of("embed.recheck_media=false"))["computed"] == 0
    assert embed(run_of())["computed"] == 1
    assert not np.allclose(stored(run)["0"][1], before["0"][1])


@pytest.mark.more
def test_parts_of_notes_are_items_that_lead_back_to_them(run_of, tmp_path):
    make_image(tmp_path / "media" / "a.png", "red")
    (tmp_path / "media" / "cut.png").write_bytes(b"\x89PNG")
    notes = [
        make_note(0, images=[("a.png", "sale"), ("cut.png", "  "), ("a.png", None)]),
        make_note(1, title="", body="", images=["a.png"]),
    ]
    run = run_of("embed.kinds=[note, image, text, ocr]")
    write_notes(run, notes, tmp_path / "media")
    summary = embed(run)
    assert (summary["notes_in"], summary["embedded"], summary["quarantined"]) == (2, 2, 0)
    vectors = stored(run)
    assert set(vectors) == {"0", "0#text", "0#ocr/0", "0#image/0", "0#image/2", "1", "1#image/0"}
    np.testing.assert_allclose(vectors["0#image/0"][1], vectors["1"][1], atol=1e-6)
    table = rows_at(run.generation.uri("items"))
    assert {(row["item_id"], row["note_id"], row["kind"]) for row in table if row["note_id"] == 1} == {
        ("1", 1, "note"),
        ("1#image/0", 1, "image"),
    }
    aside = rows_at(run.generation.uri("set_aside"))
    assert [(row["item_id"], row["kind"], row["reason"]) for row in aside] == [
        ("0#image/1", "image", "media_undecodable")
    ]
    assert StoredVectors(run, newest_snapshot(run), 256).count == 2

    make_image(tmp_path / "media" / "cut.png", "blue")  # the fifth item, and its note, which was degraded
    assert embed(run_of("embed.kinds=[note, image, text, ocr]"))["computed"] == 2
    assert set(stored(run)) == set(vectors) | {"0#image/1"}
    assert embed(run_of("embed.kinds=[note]"))["computed"] == 0
    assert set(stored(run)) == {"0", "1"}


@pytest.mark.more
def test_what_was_set_aside_is_tried_again_on_request(run_of, tmp_path):
    (tmp_path / "media").mkdir()
    make_image(tmp_path / "media" / "big.png", size=(400, 400))
    run = run_of("media.max_pixels=1000")
    write_notes(
        run, [make_note(0), make_note(1, title="", body="", images=["big.png"]), make_note(2)], tmp_path / "media"
    )
    assert embed(run)["quarantined"] == 1
    assert embed(run_of("embed.recheck_media=false"))["quarantined"] == 1
    summary = embed(run_of("embed.recheck_media=false", "embed.retry_quarantined=true"))
    assert (summary["computed"], summary["quarantined"]) == (1, 0)
    assert set(stored(run)) == {"0", "1", "2"}
    assert table_at(run.generation.uri("set_aside")).num_rows == 0


@pytest.mark.long
def test_a_killed_run_of_several_chunks_repeats_at_most_one(run_of, monkeypatch):
    old = [make_note(number) for number in range(4)]
    new = [make_note(0, body="edited"), *old[2:], *(make_note(number) for number in range(10, 20))]
    run = run_of()
    write_notes(run, old)
    embed(run)
    write_notes(run, new)
    by_spark(monkeypatch)
    real, published = embed_commit.tables.append, []

    def die(frame, spec, uri, **rows):
        if spec.name == "items":
            published.append(spec.name)
            if len(published) == 3:
                raise RuntimeError("power cut")
        real(frame, spec, uri, **rows)

    chunked = ("embed.chunk_items=3", "embed.items_per_task=2")
    with monkeypatch.context() as patch:
        patch.setattr(embed_commit.tables, "append", die)
        with pytest.raises(RuntimeError, match="power cut"):
            embed(run_of(*chunked))
    assert newest_snapshot(run).read("items").count() == 4  # readers see the last whole run
    summary = embed(run_of(*chunked))
    assert summary["notes_in"] == 13
    assert 2 <= summary["computed"] <= 11 - 6  # eleven changed; chunks of about three: two were whole
    assert set(stored(run)) == {"0", "2", "3", *map(str, range(10, 20))}
    units = [entry["unit"] for entry in ledger(run, "embed") if entry["state"] == "done"]
    assert {"all", "chunk 1", "chunk 2"} <= set(units)


def test_the_ledger_says_what_a_run_took(make_run, tmp_path):
    run = make_run("embed.widths=[256]", "embed.chunk_items=1")
    make_image(tmp_path / "media" / "a.png")
    notes = [make_note(number, images=["a.png"], body="longer " * 40) for number in range(2)]
    write_notes(run, notes, tmp_path / "media")
    embed(run)
    entries = [entry for entry in ledger(run, "embed") if entry["state"] == "done"]
    assert {row["unit"] for row in entries} == {"chunk 1", "chunk 2", "all"}
    for row in entries:
        assert {"fetch_s", "decode_s", "tokenise_s", "model_s", "write_s", "padding_share"} <= set(row["metrics"])
        assert row["counts"]["tokens"] > 40
        assert row["config_hash"]
    assert next(row for row in entries if row["unit"] == "all")["inputs"] == {
        "notes": tables.table_version(run.lake.uri("notes"))
    }


def test_vectors_of_another_encoder_are_refused_by_readers(run_of):
    run = run_of()
    write_notes(run, [make_note(0), make_note(1)])
    embed(run)
    edit(run, f"UPDATE delta.`{run.generation.uri('embeddings/w256')}` SET generation = 'other' WHERE item_id = '1'")
    snapshot = newest_snapshot(run)
    newer = {name: tables.table_version(run.generation.uri(name)) for name in snapshot.versions}
    with pytest.raises(Exception, match="a vector of generation other among those of"):
        StoredVectors(run, type(snapshot)(run, newer), 256).rows(["item_key", "vector"]).collect()


@pytest.mark.long
def test_too_many_rejects_stop_a_run_in_the_chunk_that_shows_it(run_of):
    run = run_of("embed.chunk_items=2", "embed.max_quarantined_share=0.2")
    broken = [make_note(f"b{number}", title="", body="") for number in range(4)]
    write_notes(run, [*(make_note(f"a{number}") for number in range(6)), *broken])
    with pytest.raises(UninoteError, match=r"[34] of 10 notes cannot be embedded"):
        embed(run)
    summary = embed(run_of("embed.chunk_items=2"))
    assert (summary["notes_in"], summary["quarantined"]) == (10, 4)
    assert set(stored(run)) == {f"a{number}" for number in range(6)}
