"""Agreement among a sample's labelled notes alone, by encoder, TF-IDF and chance."""

from __future__ import annotations

import numpy as np
import pytest

from uninote.evaluation.agreement import Facts
from uninote.pipelines.report import quality
from uninote.pipelines.report.labels import Label

NOTES = 60


@pytest.fixture
def sample():
    vectors = np.random.default_rng(1).standard_normal((NOTES, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return quality.Sample(list(range(NOTES)), vectors, {0: [(2, None), (4, None)], 2: [(0, None)]})


def test_notes_without_the_label_neither_ask_nor_answer(sample, monkeypatch):
    monkeypatch.setattr(quality, "QUERIES", 20)
    labels = {note: frozenset(["tea" if note % 4 else "coffee"]) for note in range(0, NOTES, 2)}
    notes = {note: {"text": f"{min(labels.get(note, ['']))} {note}"} for note in range(NOTES)}
    rankings = quality._rankings(sample, notes)
    found = quality._agreement(sample, rankings, Label("kind", "column", "not read", labels), Facts({}, {}), 3)
    agreed = []
    for query in range(0, 20, 2):
        scores = sample.vectors @ sample.vectors[query]
        others = [note for note in labels if note != query]
        agreed.append(labels[max(others, key=lambda note: scores[note])] == labels[query])
    assert found.notes == NOTES // 2
    assert found.shares["encoder, in the sample"].first == pytest.approx(np.mean(agreed))
    assert found.shares["TF-IDF, in the sample"].first == 1.0  # the words say it
    assert found.shares["neighbour lists"].first == 0.0
    assert found.shares["chance, in the sample"].first == pytest.approx(14 / 29, abs=0.02)
    assert found.origin == "column; not read"


def test_a_label_that_only_one_note_has_is_compared_with_nothing(sample):
    label = Label("kind", "column", "not read", {7: frozenset(["tea"])})
    rankings = quality._rankings(sample, {})  # deleted since: their texts are empty
    found = quality._agreement(sample, rankings, label, Facts({}, {}), 3)
    assert (found.notes, list(found.shares)) == (1, ["neighbour lists"])
