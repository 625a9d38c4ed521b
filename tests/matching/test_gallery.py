"""Scores by blocks, thresholds, volumes and generic entries against numpy, and a gallery opened without Spark."""

from __future__ import annotations

import time

import numpy as np
import pyarrow as pa
import pytest

from uninote.errors import UninoteError
from uninote.gallery import comparing
from uninote.gallery.comparing import compare
from uninote.gallery.entries import make_entries
from uninote.gallery.fitting import fit_volume, interval
from uninote.gallery.generic import generic_entries
from uninote.gallery.histograms import bin_from, bins_of, dense, reaching
from uninote.gallery.kinds import KINDS, positions_of
from uninote.gallery.opening import Gallery
from uninote.gallery.stored import in_force
from uninote.gallery.thresholds import Limits, Pair, Thresholds
from uninote.model.encoder import HASHING, load_encoder
from uninote.model.hashing.folder import write_card
from uninote.notes.note import Note

WIDTH = 32
LIMITED = Thresholds({Pair("*", entry, note): Limits(0.5, 0.3) for entry in KINDS for note in KINDS})


def unit(rng, rows, width=WIDTH):
    made = rng.normal(size=(rows, width)).astype(np.float32)
    return made / np.linalg.norm(made, axis=1, keepdims=True)


def entry_rows(vectors, kinds, categories, ids=None, **columns):
    count = len(vectors)
    values = {
        "entry_id": ids or [f"e{number}" for number in range(count)],
        "kind": kinds,
        "position": pa.array([0] * count, pa.int32()),
        "category": categories,
        "enabled": [True] * count,
        "generic": [False] * count,
        "content_hash": [""] * count,
        "generation": ["g"] * count,
        "vector": pa.array([None if one is None else one.tolist() for one in vectors], pa.list_(pa.float32())),
    }
    return pa.table(values | columns)


def test_blocks_find_what_one_product_finds(monkeypatch):
    monkeypatch.setattr(comparing, "_BLOCK_SCORES", 500)
    rng = np.random.default_rng(0)
    vectors = [*unit(rng, 40), None]
    kinds = ["image", "text"] * 20 + ["text"]
    categories = ["a", "a", "b", "b"] * 10 + ["b"]
    entries = make_entries(entry_rows(vectors, kinds, categories, enabled=[True] * 39 + [False, True]), WIDTH)
    assert len(entries) == 39
    assert [tuple(group) for group in entries.groups] == [("image", "a"), ("image", "b"), ("text", "a"), ("text", "b")]
    items = unit(rng, 97)
    reviews = np.array([0.2, np.inf, 0.1, 0.3])
    found = set()
    best = []
    for block in compare(entries, items, reviews):
        best.append(block.best)
        found.update(zip((block.first + block.hits.rows).tolist(), block.hits.parts.tolist(), strict=True))
    scores = items @ entries.vectors.T
    limit = np.repeat(reviews, np.diff([*entries.starts, len(entries)]))
    assert found == set(map(tuple, np.argwhere(scores >= limit).tolist()))
    expected = np.stack([scores[:, entries.rows_of(group)].max(axis=1) for group in range(4)], axis=1)
    np.testing.assert_allclose(np.concatenate(best), expected, atol=1e-6)


def test_a_histogram_counts_what_reaches_a_threshold():
    scores = np.array([-1, -0.5, 0.0, 0.8499, 0.85, 0.851, 1.0], np.float32)
    bins, counts = np.unique(bins_of(scores), return_counts=True)
    for threshold in (-0.5, 0.0, 0.85, 0.851, 1.0):
        assert reaching(bins.tolist(), counts.tolist(), threshold) == (scores >= np.float32(threshold) - 1e-6).sum()
    assert dense(bins.tolist(), counts.tolist()).sum() == len(scores)
    assert bin_from(1.0) == bins_of(np.array([1.0]))[0]


def test_positions_are_those_of_item_ids():
    ids = pa.array(["n1", "n#text", "n1#image/0", "n#image/3#ocr/12", "n#image/x"])
    assert positions_of(ids).tolist() == [0, 0, 0, 12, 0]


def test_a_volume_holds_on_notes_that_calibration_did_not_see():
    rng = np.random.default_rng(1)
    entries = unit(rng, 20)
    seen, unseen = (unit(rng, 50_000) @ entries.T for _ in range(2))
    counts = np.bincount(bins_of(seen.max(axis=1)), minlength=2001)
    fit = fit_volume(counts, volume=30, notes_per_night=10_000)
    assert fit.notes <= 150
    found = (unseen.max(axis=1) >= fit.threshold).sum() / 5
    assert fit.low * 0.8 <= found <= fit.high * 1.2
    assert fit.low < 30 * 1.3


def test_a_rate_is_told_only_down_to_ten_of_the_notes_counted():
    counts = np.zeros(2001, np.int64)
    counts[1500:1600] = 10
    assert fit_volume(counts, volume=1, notes_per_night=100).threshold is not None
    few = fit_volume(counts, volume=0.9, notes_per_night=100)
    assert few.threshold is None
    assert "10/1,000" in few.message
    assert "1,112 notes" in few.message
    # More notes than the volume at the highest score there is.
    counts[2000] = 500
    assert "highest score" in fit_volume(counts, volume=1, notes_per_night=100).message


def test_intervals_hold_the_rate_in_19_of_20_samples():
    rng = np.random.default_rng(2)
    found = rng.binomial(2000, 0.01, 2000)
    holds = [low <= 0.01 <= high for low, high in (interval(one, 2000) for one in found.tolist())]
    assert 0.93 <= np.mean(holds) <= 0.97


def test_an_entry_near_to_everything_is_generic_and_copies_of_a_good_one_are_not():
    rng = np.random.default_rng(3)
    centre = unit(rng, 1)[0]
    items = unit(rng, 4000) + 0.6 * centre
    items = (items / np.linalg.norm(items, axis=1, keepdims=True)).astype(np.float32)
    usual = unit(rng, 30) - 0.6 * centre
    usual = (usual / np.linalg.norm(usual, axis=1, keepdims=True)).astype(np.float32)
    ids = [f"e{number}" for number in range(30)]
    assert generic_entries(usual, ids, items, 40) == []
    parts = np.concatenate([usual, centre[None], centre[None], np.repeat(usual[:1], 5, axis=0)])
    names = [*ids, "blank", "blank2", *(f"copy{number}" for number in range(5))]
    assert generic_entries(parts, names, items, 40) == ["blank", "blank2"]
    assert generic_entries(parts[-6:], names[-6:], items, 40) == []


def gallery_of(vectors, limits, **columns):
    count = len(vectors)
    rows = entry_rows(vectors, ["image"] * count, ["a"] * count, **columns)
    given = {Pair("*", "image", kind): Limits(*limits) for kind in ("note", "image", "text", "ocr")}
    return Gallery(make_entries(rows, vectors.shape[1]), Thresholds(given), "g")


def test_a_note_is_held_against_a_thousand_entries_in_less_than_a_millisecond():
    rng = np.random.default_rng(4)
    vectors = unit(rng, 1000, 256)
    gallery = gallery_of(vectors, (0.9, 0.3), generic=[False] * 999 + [True])
    query = vectors[17]
    found = gallery.match(query)
    assert (found[0].entry_id, found[0].decision) == ("e17", "act")
    assert {one.entry_id for one in found} == {f"e{row}" for row in np.flatnonzero(vectors @ query >= 0.3)}
    (generic,) = [one for one in gallery.match(vectors[999]) if one.entry_id == "e999"]
    assert (generic.decision, generic.threshold) == ("review", 0.3)
    seconds = []
    for _ in range(30):
        started = time.perf_counter()
        gallery.match(query)
        seconds.append(time.perf_counter() - started)
    assert min(seconds) < 0.001


def test_what_is_no_vector_of_the_gallery_is_refused_in_a_sentence():
    rng = np.random.default_rng(4)
    vectors = unit(rng, 3, 16)
    gallery = gallery_of(vectors, (0.9, 0.5))
    for wrong in (vectors[:, :8], vectors[None]):
        with pytest.raises(UninoteError, match=r"they must be \(n, 16\)"):
            gallery.match(wrong)
    for wrong in (2 * vectors, np.full(16, np.nan)):
        with pytest.raises(UninoteError, match="are not of unit length"):
            gallery.match(wrong)
    with pytest.raises(UninoteError, match="the kind is 'picture'; items are of note, "):
        gallery.match(vectors, kind="picture")


def test_a_gallery_without_vectors_finds_nothing_by_them(tmp_path):
    write_card(tmp_path, (64,))
    encoder = load_encoder(tmp_path, HASHING)
    gallery = gallery_of(np.ones((1, 1), np.float32), (0.9, 0.5), enabled=[False])
    assert gallery.match(unit(np.random.default_rng(4), 1, 16)) == []
    assert gallery.match_note(encoder, Note(body="tent lake")) == []


def test_a_note_with_its_parts_is_embedded_and_matched(tmp_path):
    write_card(tmp_path, (64, 128, 256))
    encoder = load_encoder(tmp_path, HASHING)
    texts = ("bread oven", "tent lake", "red lamp")
    vectors = np.asarray(encoder.embed([encoder.prepare(Note(body=text), []) for text in texts]))
    gallery = gallery_of(vectors, (0.9, 0.5))
    (found,) = gallery.match_note(encoder, Note(body="tent lake"))
    assert (found.entry_id, found.decision) == ("e1", "act")
    assert found.score == pytest.approx(1, abs=1e-5)


def test_given_thresholds_go_before_fitted_ones():
    row = {"category": "a", "entry_kind": "image", "note_kind": "note", "given": True, "act": 0.9, "review": 0.8}
    other = {**row, "given": False, "act": None, "review": 0.7}
    pair = Pair("a", "image", "note")
    assert in_force([row, other]).of(pair) == Limits(0.9, 0.8)
    assert in_force([other]).of(pair) == Limits(np.inf, 0.7)
    everyone = in_force([{**row, "category": "*"}])
    assert everyone.of(pair) == everyone.of(replace_category(pair)) == Limits(0.9, 0.8)


def replace_category(pair):
    return pair._replace(category="b")
