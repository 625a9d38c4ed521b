"""Embed: every note exactly once, whatever happened before."""

from __future__ import annotations

import numpy as np
import pytest
from builders import make_image, make_note, write_source

from udfs.arrow_vectors import to_matrix
from uninote.errors import ConfigError, UninoteError
from uninote.pipelines import embed_commit, tables
from uninote.pipelines.embed import embed
from uninote.pipelines.ingest import ingest
from uninote.pipelines.snapshot import newest_snapshot
from uninote.widths import truncate

pytestmark = pytest.mark.spark


@pytest.fixture
def refreshed(make_run, tmp_path):
    """Return a function that ingests notes, embeds them, and returns (run, summary)."""

    def run_on(notes, *overrides):
        source = write_source(tmp_path / "source", notes)
        run = make_run(f"ingest.source={source}", *overrides)
        ingest(run)
        return run, embed(run)

    return run_on


def vectors(run, width):
    """item_id -> vector of what is stored now, and that no item is stored twice."""
    table = tables.read_table(run.spark, run.generation.uri(f"embeddings/w{width}")).toArrow()
    ids = table["item_id"].to_pylist()
    assert len(ids) == len(set(ids))
    return dict(zip(ids, to_matrix(table["vector"].combine_chunks()), strict=True))


def items(run):
    return {row["item_id"]: row for row in tables.read_table(run.spark, run.generation.uri("items")).collect()}


def counts(summary):
    return {name: summary[name] for name in ("notes_in", "embedded", "unchanged", "quarantined", "deleted")}


def test_every_width_is_the_renormalised_prefix_of_the_widest(refreshed):
    run, summary = refreshed([make_note(str(n)) for n in range(20)])
    widest = vectors(run, 256)
    for width in summary["widths"]:
        narrow = vectors(run, width)
        assert set(narrow) == set(widest)
        for item_id, vector in narrow.items():
            np.testing.assert_allclose(vector, truncate(widest[item_id][None], width)[0], atol=1e-6)
            np.testing.assert_allclose(np.linalg.norm(vector), 1, atol=1e-5)


def test_only_what_changed_is_embedded(refreshed):
    run, first = refreshed([make_note("a"), make_note("b"), make_note("c"), make_note("d", category="x")])
    before = vectors(run, 64)
    run, second = refreshed(
        [make_note("a"), make_note("b", body="edited"), make_note("d", category="y"), make_note("e")]
    )
    assert counts(first) == {"notes_in": 4, "embedded": 4, "unchanged": 0, "quarantined": 0, "deleted": 0}
    assert counts(second) == {"notes_in": 4, "embedded": 2, "unchanged": 2, "quarantined": 0, "deleted": 1}
    assert second["attributes_changed"] == 1
    after = vectors(run, 64)
    assert set(after) == {"a", "b", "d", "e"} == set(items(run))
    np.testing.assert_array_equal(after["a"], before["a"])
    assert not np.allclose(after["b"], before["b"])


def test_nothing_changed_writes_no_version(refreshed):
    run, _ = refreshed([make_note("a"), make_note("b")])
    before = newest_snapshot(run).versions
    run, summary = refreshed([make_note("a"), make_note("b")])
    assert counts(summary) == {"notes_in": 2, "embedded": 0, "unchanged": 2, "quarantined": 0, "deleted": 0}
    assert newest_snapshot(run).versions == before


def test_keys_are_never_given_out_twice(refreshed):
    run, _ = refreshed([make_note("a"), make_note("b")])
    old = {row["item_key"] for row in items(run).values()}
    refreshed([make_note("a")])
    run, _ = refreshed([make_note("a"), make_note("c"), make_note("b")])
    now = {item_id: row["item_key"] for item_id, row in items(run).items()}
    assert not {now["b"], now["c"]} & old
    assert len(set(now.values())) == 3


def test_reposts_get_the_same_vector_and_keys_of_their_own(refreshed):
    same = {"title": "same", "body": "same"}
    run, _ = refreshed([make_note("a", **same), make_note("b", **same), make_note("c")])
    stored = vectors(run, 256)
    np.testing.assert_array_equal(stored["a"], stored["b"])
    assert len({row["item_key"] for row in items(run).values()}) == 3


def test_broken_parts_and_notes_are_quarantined_with_a_reason(refreshed, tmp_path):
    make_image(tmp_path / "source" / "ok.png")
    (tmp_path / "source" / "cut.png").write_bytes((tmp_path / "source" / "ok.png").read_bytes()[:40])
    nothing = {"title": "", "body": ""}
    notes = [
        make_note("whole", images=["ok.png"]),
        make_note("degraded", images=["cut.png", "ok.png"]),
        make_note("unusable", **nothing, images=["gone.png"]),
        make_note("empty", **nothing, images=[]),
        make_note("thief", images=["../../../etc/passwd"]),
    ]
    run, summary = refreshed(notes)
    assert counts(summary) == {"notes_in": 5, "embedded": 3, "unchanged": 0, "quarantined": 2, "deleted": 0}
    assert {item_id for item_id, row in items(run).items() if row["degraded"]} == {"degraded", "thief"}
    rows = tables.read_table(run.spark, run.lake.uri("quarantine")).collect()
    assert {(row["item_id"], row["reason"]) for row in rows} == {
        ("degraded#image/0", "media_undecodable"),
        ("unusable#image/0", "media_missing"),
        ("unusable", "note_unusable"),
        ("empty", "note_empty"),
        ("thief#image/0", "media_outside_roots"),
    }


def test_a_quarantined_note_is_not_tried_again_until_it_changes(refreshed, tmp_path):
    broken = make_note("x", title="", body="", images=["late.png"])
    refreshed([broken, make_note("a")])
    run, again = refreshed([broken, make_note("a")])
    assert counts(again) == {"notes_in": 2, "embedded": 0, "unchanged": 1, "quarantined": 1, "deleted": 0}
    assert tables.read_table(run.spark, run.lake.uri("quarantine")).count() == 2
    make_image(tmp_path / "source" / "late.png")
    run, repaired = refreshed([broken, make_note("a")])
    assert counts(repaired) == {"notes_in": 2, "embedded": 1, "unchanged": 1, "quarantined": 0, "deleted": 0}


def test_a_good_note_edited_into_an_unusable_one_loses_its_vector(refreshed):
    refreshed([make_note("a"), make_note("b")])
    run, summary = refreshed([make_note("a", title="", body=""), make_note("b")])
    assert counts(summary) == {"notes_in": 2, "embedded": 0, "unchanged": 1, "quarantined": 1, "deleted": 0}
    assert set(items(run)) == {"b"} == set(vectors(run, 256))


def test_too_many_rejects_publish_nothing(refreshed, make_run):
    empty = {"title": "", "body": ""}
    with pytest.raises(
        UninoteError, match=r"2 of 3 notes cannot be embedded, more than embed\.max_quarantined_share=0\.5"
    ):
        refreshed([make_note("a", **empty), make_note("b", **empty), make_note("c")])
    assert not tables.has_table(make_run().spark, make_run().generation.uri("items"))


@pytest.mark.parametrize("fatal", ["items", "embeddings/w64"])
def test_a_run_that_dies_while_publishing_leaves_no_trace(refreshed, monkeypatch, fatal):
    first = [make_note("a"), make_note("b"), make_note("gone")]
    second = [make_note("a", body="edited"), make_note("b"), make_note("c")]
    refreshed(first)
    real = tables.apply_changes

    def die(changes, spec, uri):
        if spec.name == fatal:
            raise RuntimeError("power cut")
        real(changes, spec, uri)

    with monkeypatch.context() as patch:
        patch.setattr(embed_commit.tables, "apply_changes", die)
        with pytest.raises(RuntimeError, match="power cut"):
            refreshed(second)
    run, summary = refreshed(second)
    assert counts(summary) == {"notes_in": 3, "embedded": 2, "unchanged": 1, "quarantined": 0, "deleted": 1}
    for width in summary["widths"]:
        assert set(vectors(run, width)) == {"a", "b", "c"} == set(items(run))


def test_a_width_added_later_is_cut_from_what_is_stored(refreshed):
    notes = [make_note("a"), make_note("b")]
    refreshed(notes, "embed.widths=[256]")
    run, summary = refreshed(notes, "embed.widths=[256, 64]")
    assert summary["embedded"] == 0
    np.testing.assert_allclose(vectors(run, 64)["a"], truncate(vectors(run, 256)["a"][None], 64)[0], atol=1e-6)


def test_a_width_left_out_for_a_night_is_brought_up_to_date(refreshed):
    refreshed([make_note("a")])
    refreshed([make_note("b")], "embed.widths=[256]")
    run, _ = refreshed([make_note("b")])
    assert set(vectors(run, 64)) == {"b"}


def test_a_widest_width_that_was_not_stored_embeds_again_under_the_same_keys(refreshed):
    notes = [make_note("a"), make_note("b")]
    run, _ = refreshed(notes, "embed.widths=[64]")
    before = {item_id: row["item_key"] for item_id, row in items(run).items()}
    run, summary = refreshed(notes, "embed.widths=[256, 64]")
    assert summary["embedded"] == 2
    assert {item_id: row["item_key"] for item_id, row in items(run).items()} == before
    assert set(vectors(run, 256)) == set(vectors(run, 64)) == {"a", "b"}


def test_an_undeclared_width_is_refused_unless_asked_for(refreshed):
    with pytest.raises(
        ConfigError, match=r"embed\.widths: \[100\] not declared by the model .* declares \[256, 128, 64\]"
    ):
        refreshed([make_note("a")], "embed.widths=[256, 100]")
    run, _ = refreshed([make_note("a")], "embed.widths=[256, 100]", "embed.undeclared_widths=true")
    assert vectors(run, 100)["a"].shape == (100,)


def test_integer_note_ids_stay_integers_everywhere(refreshed):
    run, _ = refreshed([make_note(7), make_note(8)])
    assert {row["note_id"] for row in items(run).values()} == {7, 8}
