"""Thresholds by judged notes: the rate of false matches that is asked for holds on notes that the fit did not see."""

from __future__ import annotations

import json

import numpy as np
import pytest
from builders import make_note, rows_at, write_notes, write_source
from test_match_stage import corpus, entry, text_of

from uninote.gallery.histograms import bins_of
from uninote.gallery.judged import JudgedNotes, fit_rate, judged_notes
from uninote.gallery.thresholds import ThresholdError
from uninote.pipelines.embed.stage import embed
from uninote.pipelines.matching.calibrate import calibrate

RATE = 0.01


def scored(generator, count):
    """Return (bins, is_false): one note in fifty is a true match, of higher scores that overlap those of others."""
    is_false = generator.random(count) >= 0.02
    scores = np.where(is_false, generator.normal(0.3, 0.1, count), generator.normal(0.6, 0.1, count))
    return bins_of(np.clip(scores, -1, 1).astype(np.float32)).astype(np.int64), is_false


def test_the_rate_of_false_matches_holds_on_notes_that_the_fit_did_not_see():
    generator = np.random.default_rng(0)
    within = 0
    for _ in range(100):
        bins, is_false = scored(generator, 5000)
        fit = fit_rate(bins, JudgedNotes(tuple(range(5000)), is_false, np.ones(5000)), RATE)
        assert fit.notes / 5000 <= RATE
        unseen, false = scored(generator, 100_000)
        rate = (false & (unseen >= bins_of(np.float32([fit.threshold])))).mean()
        within += fit.low <= rate <= fit.high
        # True matches are no false ones: a volume that counts them would end at a far higher threshold.
        assert fit.threshold < 0.6
    assert within >= 88


def test_notes_weigh_by_the_probability_with_which_they_were_drawn():
    generator = np.random.default_rng(1)
    bins, is_false = scored(generator, 200_000)
    every = fit_rate(bins, JudgedNotes(tuple(range(len(bins))), is_false, np.ones(len(bins))), RATE)
    # High scores are judged ten times as often as others.
    probability = np.where(bins >= 1450, 0.5, 0.05)
    drawn = generator.random(len(bins)) < probability
    some = JudgedNotes(tuple(np.flatnonzero(drawn)), is_false[drawn], 1 / probability[drawn])
    fit = fit_rate(bins[drawn], some, RATE)
    assert abs(fit.threshold - every.threshold) <= 0.01
    assert fit.low < RATE < fit.high * 1.1


def test_too_few_notes_tell_no_rate():
    notes = JudgedNotes(tuple(range(500)), np.ones(500, bool), np.ones(500))
    fit = fit_rate(np.full(500, 1200), notes, RATE)
    assert fit.threshold is None
    assert "1,000 judged notes, and 500 were counted" in fit.message
    # Notes without an item of the kind count for nothing.
    assert "none" in fit_rate(np.full(500, -1), notes, 0.5).message
    assert fit_rate(np.full(500, 2000), notes, 0.5).threshold is None


def pair(note, entry_id="e", relevant=False, probability=None):
    return {"note_id": note, "entry_id": entry_id, "relevant": relevant, "probability": probability}


def test_a_note_is_false_where_no_pair_of_its_category_is_relevant():
    rows = [pair(number) for number in range(60)]
    rows += [
        pair(3, "f", relevant=True),
        pair(4, "other", relevant=True),
        pair(5, "gone", relevant=True),
        pair(7, probability=0.2),
    ]
    found = judged_notes(rows, {"e": "scam", "f": "scam", "other": "brand"})
    scam = found["scam"]
    assert [note for note, false in zip(scam.ids, scam.is_false, strict=True) if not false] == [3]
    assert found["brand"].ids == (4,)
    with pytest.raises(ThresholdError, match="49 judged pairs"):
        judged_notes(rows[:49], {"e": "scam"})


@pytest.mark.spark
def test_thresholds_of_rates_are_those_of_all_pairs(make_run, quick_model, tmp_path):
    gallery = tmp_path / "gallery"
    notes = corpus(80) + [make_note(100 + number, body=text_of(500 + number % 3, 5)) for number in range(20)]
    entries = [entry(f"e{number}", body=text_of(500 + number, 5)) for number in range(3)]
    write_source(gallery, entries)
    judged = tmp_path / "judged.jsonl"
    rows = [{"note_id": note["note_id"], "entry_id": "e0", "relevant": note["note_id"] >= 100} for note in notes]
    judged.write_text("\n".join(map(json.dumps, rows)))
    settings = (*quick_model, "embed.widths=[256]", f"match.gallery={gallery}", f"match.judged={judged}")
    run = make_run(*settings, 'match.rates={"*": {act: 0.1, review: 0.2}}')
    write_notes(run, [note | {"images": []} for note in notes])
    embed(run)
    (fitted,) = calibrate(run)["fitted"]
    assert (fitted["entry_kind"], fitted["note_kind"], fitted["notes_counted"]) == ("text", "note", 100)
    stored = rows_at(run.generation.uri("embeddings/w256"))
    vectors = np.array([row["vector"] for row in stored], np.float32)
    parts = np.array([row["vector"] for row in rows_at(run.generation.uri("gallery"))], np.float32)
    best = (vectors @ parts.T).max(axis=1)
    false = np.array([row["note_id"] < 100 for row in stored])
    for name, rate in (("act", 0.1), ("review", 0.2)):
        assert (best[false] >= fitted[name] - 1e-6).sum() <= rate * 100
        assert (best[false] >= fitted[name] - 0.001 - 1e-6).sum() > rate * 100
    with pytest.raises(ThresholdError, match=r"match\.judged names none"):
        calibrate(make_run(*settings[:-1], 'match.rates={"*": {act: 0.1, review: 0.2}}'))
