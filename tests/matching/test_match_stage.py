"""Nights of edits on both sides: the open matches are those that numpy finds among all pairs, and closed ones stay."""

from __future__ import annotations

import itertools
import json
import os
from collections import Counter, defaultdict

import numpy as np
import pytest
from builders import make_image, make_note, rows_at, write_notes, write_source

from uninote.gallery.thresholds import ThresholdError
from uninote.lake.takedowns.orders import add, read_orders
from uninote.model.hashing.folder import write_card
from uninote.pipelines.embed.stage import embed
from uninote.pipelines.lake.run import ledger
from uninote.pipelines.matching.calibrate import calibrate
from uninote.pipelines.matching.gallery.entries import GalleryError
from uninote.pipelines.matching.scores import what_if
from uninote.pipelines.matching.stage import match

pytestmark = pytest.mark.spark

KINDS = ("note", "image", "text", "ocr")
LIMITS = {"act": 0.6, "review": 0.25}
PAIRS = {f"{entry}-{note}": LIMITS for entry, note in itertools.product(KINDS, KINDS)}
WORDS = [
    "red",
    "lamp",
    "desk",
    "river",
    "stone",
    "cheap",
    "offer",
    "click",
    "winner",
    "prize",
    "bread",
    "oven",
    "flour",
    "yeast",
    "tent",
    "hike",
    "lake",
    "trail",
]


def text_of(seed: int, words: int = 6) -> str:
    return " ".join(np.random.default_rng(seed).choice(WORDS, words))


def corpus(count: int) -> list[dict[str, object]]:
    notes = []
    for number in range(count):
        images = [(f"{number % 5}.png", text_of(1000 + number)), ("9.png", None)] if number % 3 == 0 else []
        notes.append(make_note(number, title=text_of(number, 3), body=text_of(number), images=images))
    return notes


def entry(entry_id: str, category: str = "scam", **fields: object) -> dict[str, object]:
    return {"entry_id": entry_id, "category": category, "added_by": "desk", "why": "test", **fields}


@pytest.fixture
def made(make_run, quick_model, tmp_path):
    """A folder of pictures, and a function from thresholds to a run that matches with the gallery in another folder."""
    for number in range(10):
        make_image(tmp_path / "media" / f"{number}.png", f"#{number * 25:02x}{255 - number * 25:02x}40")

    def run_of(*more, thresholds=None):
        settings = (
            "embed.widths=[256]",
            "embed.kinds=[note, image, text, ocr]",
            f"match.gallery={tmp_path / 'gallery'}",
            f"match.thresholds={json.dumps(thresholds or {'*': PAIRS})}",
        )
        return make_run(*quick_model, *settings, *more)

    run_of.media = tmp_path / "media"
    run_of.gallery = tmp_path / "gallery"
    return run_of


def vectors_by_kind(rows, owner):
    found = defaultdict(list)
    for row in rows:
        if row["vector"] is not None:
            found[row[owner]].append((row, np.array(row["vector"], np.float32)))
    return found


def brute_force(run, pairs=PAIRS):
    """Return {(entry, note): (decision, score)} of all pairs, by numpy over all stored vectors."""
    gallery = [row for row in rows_at(run.generation.uri("gallery")) if row["enabled"]]
    entries = vectors_by_kind(gallery, "entry_id")
    notes = vectors_by_kind(rows_at(run.generation.uri("embeddings/w256")), "note_id")
    found = {}
    for (one, parts), (note, items) in itertools.product(entries.items(), notes.items()):
        best = None
        for (part, left), (item, right) in itertools.product(parts, items):
            limits = pairs[f"{part['kind']}-{item['kind']}"]
            score = float(left @ right)
            if score >= limits["review"]:
                acts = score >= limits["act"]
                key = (acts, score - limits["act" if acts else "review"])
                best = max(best or key, key)
        if best is not None:
            decision = "act" if best[0] else "review"
            found[one, note] = (decision, best[1] + LIMITS[decision])
    return found


def open_matches(run):
    rows = [row for row in rows_at(run.lake.uri("matches")) if row["until_run"] is None]
    assert len({(row["entry_id"], row["note_id"]) for row in rows}) == len(rows)
    # Identical bytes are found by no score.
    return {
        (row["entry_id"], row["note_id"]): (row["decision"], row["score"])
        for row in rows
        if row["found_by"] == "embedding"
    }


def check(run):
    expected = brute_force(run)
    found = open_matches(run)
    same_bytes = {
        (row["entry_id"], row["note_id"])
        for row in rows_at(run.lake.uri("matches"))
        if row["until_run"] is None and row["found_by"] == "bytes"
    }
    wanted = {pair: value for pair, value in expected.items() if pair not in same_bytes}
    assert found.keys() == wanted.keys()
    for pair, (decision, score) in wanted.items():
        assert found[pair][0] == decision
        assert found[pair][1] == pytest.approx(score, abs=2e-5)
    return same_bytes


def quarantined(run):
    """Count what the stage put into quarantine, by kind and reason."""
    rows = [row for row in rows_at(run.lake.uri("quarantine")) if row["stage"] == "match"]
    return Counter((row["kind"], row["reason"]) for row in rows)


def night(made, notes, entries, **options):
    run = made(**options)
    write_notes(run, notes, made.media)
    write_source(made.gallery, entries)
    embed(run)
    summary = match(run)
    assert summary["items"] == summary["items_compared"] + summary["items_unchanged"]
    states = ("compared", "disabled", "unreadable", "rejected", "without_part")
    assert summary["entries_in"] == sum(summary[f"entries_{state}"] for state in states)
    return run, summary


def test_matches_after_nights_of_edits_are_those_of_all_pairs(made):
    notes = corpus(24)
    entries = [entry(f"e{number}", body=text_of(number * 3, 5)) for number in range(6)]
    entries.append(entry("picture", "brand", images=[str(make_image(made.gallery / "p.png", "#00ff40"))]))
    entries.append(entry("broken", "brand", images=["gone.png"]))
    entries.append(entry("nameless", "", body="no category"))
    run, first = night(made, notes, entries)
    assert first["entries_unreadable"] == 1
    assert (first["entries_rejected"], first["entry_images_opened"]) == (1, 1)
    assert first["items_compared"] == first["items"]
    assert check(run), "the picture's bytes are those of 0.png"
    assert quarantined(run) == {("image", "media_missing"): 1, ("row", "no_category"): 1}

    # Nothing changed, so no image is opened again, and no row is told again.
    again = match(made())
    assert (again["state"], again["entries_rejected"], again["entry_images_opened"]) == ("unchanged", 1, 0)
    assert quarantined(run) == {("image", "media_missing"): 1, ("row", "no_category"): 1}

    # Both sides change: a note edited, one gone, one new; an entry edited, one disabled, one gone, one new.
    notes[3] = make_note(3, title="bread oven", body=text_of(9))
    notes = [note for note in notes if note["note_id"] != 6] + [make_note(100, body=text_of(6, 5))]
    entries[0] = entry("e0", body=text_of(77, 5))
    entries[1] = entry("e1", body=text_of(3, 5), enabled=False)
    entries = [one for one in entries if one["entry_id"] != "e2"] + [entry("e9", "new", body=text_of(12, 5))]
    # A picture is touched, and one that had no category is another row without one.
    os.utime(made.gallery / "p.png", (1_600_000_000, 1_600_000_000))
    entries = [entry("unnamed", "", body="none") if one["entry_id"] == "nameless" else one for one in entries]
    before = open_matches(run)
    run, second = night(made, notes, entries)
    assert second["items_compared"] < second["items"]
    assert (second["parts_embedded"], second["entry_images_opened"]) == (2, 1)
    assert quarantined(run)["row", "no_category"] == 2
    (kept,) = rows_at(run.lake.uri("gallery_files"))
    assert (kept["entry_id"], kept["kind"], len(kept["files"])) == ("picture", "image", 1)
    assert "p.png" not in str(kept)
    check(run)
    closed = [row for row in rows_at(run.lake.uri("matches")) if row["until_run"] is not None]
    assert {"entry_gone", "entry_disabled", "note_gone"} <= {row["closed_why"] for row in closed}
    assert {(row["entry_id"], row["note_id"]) for row in closed if row["closed_why"] == "entry_gone"} == {
        pair for pair in before if pair[0] == "e2"
    }
    assert all(row["until_run"] == run.run_id and row["until_at"] is not None for row in closed)
    entered = ledger(run, "match")[0]["counts"]
    assert entered["opened"] == second["opened"]

    # A threshold of one category: its entries are compared again, with everything.
    lower = {"*": PAIRS, "new": {name: {"act": 0.6, "review": 0.1} for name in PAIRS}}
    run, third = night(made, notes, entries, thresholds=lower)
    assert third["entries_changed"] == 1
    found = {pair for pair in open_matches(run) if pair[0] == "e9"}
    assert len(found) > len([pair for pair in brute_force(run) if pair[0] == "e9"])
    answer = what_if(run, "scam", 0.25)
    newest = {row["run_id"] for rows in answer["nights"].values() for row in rows}
    assert newest == {ledger(run, "match")[1]["run_id"]}  # the night before: this one compared no note


@pytest.mark.more
def test_thresholds_are_fitted_to_a_volume_and_hold_on_notes_of_later_nights(made):
    notes = corpus(120)
    entries = [entry(f"e{number}", body=text_of(500 + number, 5)) for number in range(5)]
    settings = ('match.volumes={"*": {act: 5, review: 20}}', "match.notes_per_night=50", "embed.kinds=[note]")
    run = made(*settings)
    write_notes(run, notes, made.media)
    write_source(made.gallery, entries)
    embed(run)
    (fitted,) = calibrate(run)["fitted"]
    assert (fitted["entry_kind"], fitted["note_kind"], fitted["notes_counted"]) == ("text", "note", 120)
    vectors = np.array([row["vector"] for row in rows_at(run.generation.uri("embeddings/w256"))], np.float32)
    parts = np.array([row["vector"] for row in rows_at(run.generation.uri("gallery"))], np.float32)
    best = (vectors @ parts.T).max(axis=1)
    for name, volume in (("act", 5), ("review", 20)):
        reaching = (best >= fitted[name] - 1e-6).sum()
        assert reaching <= volume / 50 * 120
        assert (best >= fitted[name] - 0.001 - 1e-6).sum() > volume / 50 * 120, (
            "the least threshold that the volume allows"
        )
    stored = rows_at(run.generation.uri("match_thresholds"))[0]
    assert stored["generation"] == run.model.generation
    assert stored["review_low"] < 20 < stored["review_high"] * 1.5

    fitting = made(*settings, thresholds={"nobody": PAIRS})
    match(fitting)
    opened = open_matches(fitting)
    assert len({note for _, note in opened}) == (best >= fitted["review"] - 1e-6).sum()
    write_notes(run, notes + [make_note(1000 + one, body=text_of(3000 + one)) for one in range(100)], made.media)
    embed(run)
    summary = match(made(*settings, thresholds={"nobody": PAIRS}))
    assert (summary["items_compared"], summary["notes_compared"]) == (100, 100)
    unseen = {note for _, note in open_matches(fitting) if note >= 1000}
    assert len(unseen) / 2 < stored["review_high"] * 1.2


def test_few_notes_tell_no_small_volume_and_a_new_model_no_old_thresholds(made):
    run = made('match.volumes={"*": {act: 0.1, review: 5}}', "match.notes_per_night=50", "embed.kinds=[note]")
    write_notes(run, corpus(100), made.media)
    write_source(made.gallery, [entry("e", body="cheap offer")])
    embed(run)
    (fitted,) = calibrate(run)["fitted"]
    assert fitted["act"] is None
    assert "10/100" in fitted["message"]
    assert fitted["review"] is not None
    with pytest.raises(ThresholdError, match="cannot be compared"):
        match(made("match.generation=feedbeef"))
    write_source(made.gallery, [])
    with pytest.raises(GalleryError, match="has no entry that can be read"):
        match(made())


@pytest.mark.long
def test_of_a_note_that_is_taken_down_matches_keep_a_hash_alone(made):
    notes = corpus(6)
    run, _ = night(made, notes, [entry("e", body=text_of(3))])
    before = [row for row in rows_at(run.lake.uri("matches")) if row["note_id"] == 3]
    assert before
    add(run.lake.root, ["3"], "order")
    again = made()
    write_notes(again, [note for note in notes if note["note_id"] != 3], made.media)
    embed(again)
    assert match(again)["hidden"] == len(before)
    rows = rows_at(run.lake.uri("matches"))
    (order,) = read_orders(run.lake.root)
    hidden = [row for row in rows if row["note_hash"] is not None]
    assert len(hidden) == len(before)
    assert not [row for row in rows if row["note_id"] == 3]
    for row in hidden:
        assert row["note_hash"] == order.digest
        assert row["closed_why"] == "note_taken_down"
        assert (row["kind"], row["position"], row["content_hash"]) == (None, None, None)
        assert row["entry_id"] == "e"
        assert row["score"] is not None
    assert match(made())["state"] == "unchanged"


@pytest.mark.more
def test_matches_of_another_model_are_closed_and_found_again_on_the_way_back(made, tmp_path):
    write_card(tmp_path / "other", (64, 256), seed=1)
    other = f"model.checkpoint={tmp_path / 'other'}"
    run, _ = night(made, corpus(12), [entry("e", body=text_of(3))])
    first = open_matches(run)
    assert first
    changed = made(other)
    assert changed.model.generation != run.model.generation
    embed(changed)
    match(changed)
    rows = rows_at(run.lake.uri("matches"))
    assert {row["closed_why"] for row in rows if row["until_run"] == changed.run_id} == {"generation"}
    assert {row["generation"] for row in rows if row["until_run"] is None} == {changed.model.generation}
    back = made()
    embed(back)
    match(back)
    assert open_matches(back) == first
    assert {row["first_run"] for row in rows_at(run.lake.uri("matches")) if row["until_run"] is None} == {back.run_id}
