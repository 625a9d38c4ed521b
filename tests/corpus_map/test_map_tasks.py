"""What executors run for the map: word counts, labels of a branch and its children, and the nearest notes of a task."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest

from udfs.arrow import to_array
from udfs.corpus_map.labels import make_labels
from udfs.corpus_map.typical import make_nearest
from udfs.corpus_map.words import NOTES, WHOLE, WORDS, count_words
from uninote.codes.codebook import Codebook

TEXTS = {
    (0, 0): ["latte art", "latte milk", "a latte"],
    (0, 1): ["espresso beans", "espresso crema", "espresso"],
    (1, 0): ["猫咪 cat", "cat toys", "猫咪换粮"],
    (2, 5): ["kyoto maples", "kyoto temple", "kyoto"],
}


def counted(texts=TEXTS) -> list[dict[str, object]]:
    """Return the rows of COUNTED of all branches, each counted by itself."""
    found = []
    for branch in sorted({first for first, _ in texts}):
        rows = [(first, second, text) for (first, second), some in texts.items() for text in some if first == branch]
        first, second, text = zip(*rows, strict=True)
        found += count_words(pa.table({"first": first, "second": second, "text": text})).to_pylist()
    return found


def test_words_are_counted_by_notes_and_branch():
    counts = {(row["first"], row["word"]): row["notes"] for row in counted() if row["word"] is not None}
    assert counts[0, "latte"] == counts[0, "espresso"] == 3
    assert counts[1, "猫咪"] == 2
    assert [counts[first, NOTES] for first in (0, 1, 2)] == [6, 3, 3]
    assert counts[0, WORDS] == 10  # latte art, latte milk, latte; espresso beans, espresso crema, espresso
    labels = {(row["first"], row["second"]): row["label"] for row in counted() if row["word"] is None}
    assert (labels[0, 0], labels[0, 1]) == (["latte"], ["espresso"])
    assert set(labels) == set(TEXTS)


def test_a_branch_is_told_from_the_corpus():
    rows = [row for row in counted() if row["word"] is not None]
    totals = Counter()
    for row in rows:
        totals[row["word"]] += row["notes"]
    labels = {}
    for first in (0, 1, 2):
        mine = [row | {"total": totals[row["word"]]} for row in rows if row["first"] == first]
        (row,) = make_labels(3)(pa.Table.from_pylist(mine)).to_pylist()
        assert (row["first"], row["second"]) == (first, WHOLE)
        labels[first] = row["label"]
    assert set(labels[0]) == {"latte", "espresso"}
    assert set(labels[1]) == {"cat", "猫咪"}
    assert labels[2] == ["kyoto"]


def test_branches_without_a_second_level_have_no_labels_below():
    below = [row for row in counted({(0, WHOLE): TEXTS[0, 0], (1, WHOLE): TEXTS[1, 0]}) if row["word"] is None]
    assert below == []


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_each_task_keeps_the_nearest_of_each_branch_whatever_its_batches(levels):
    draw = np.random.default_rng(3)
    zeros = np.zeros((levels, 4), np.float32)
    centroids = draw.normal(size=(levels, 4, 6)).astype(np.float32)
    codebook = Codebook(1, "g", draw.normal(size=6).astype(np.float32), centroids, zeros)
    vectors = draw.normal(size=(200, 6)).astype(np.float32)
    codes = codebook.encode(vectors)
    second = codes[:, 1] if levels > 1 else np.full(200, WHOLE)
    columns = {"first": pa.array(codes[:, 0]), "second": pa.array(second, pa.int32()), "vector": to_array(vectors)}
    table = pa.table(columns | {"note_id": pa.array([f"n{number}" for number in range(200)])})
    found = pa.Table.from_batches(list(make_nearest(codebook, 3, 2)(iter(table.to_batches(max_chunksize=37)))))
    got = {}
    for row in found.to_pylist():
        got.setdefault((row["first"], row["second"]), []).append((row["distance"], row["note_id"]))
    for (first, below), notes in got.items():
        mine = codes[:, 0] == first
        prefix = [[first]]
        if below != WHOLE:
            mine &= second == below
            prefix = [[first, below]]
        true = np.linalg.norm(vectors - codebook.decode(np.array(prefix)), axis=1) ** 2
        most = 3 if below == WHOLE else 2
        wanted = sorted((true[row], f"n{row}") for row in np.flatnonzero(mine))[:most]
        assert [note for _, note in sorted(notes)] == [note for _, note in wanted]
        assert [distance for distance, _ in sorted(notes)] == pytest.approx(
            [distance for distance, _ in wanted], rel=1e-4
        )
    whole = {first for first, below in got if below == WHOLE}
    assert whole == set(codes[:, 0].tolist())
    assert (
        {key for key in got if key[1] != WHOLE} == set(zip(codes[:, 0].tolist(), second.tolist(), strict=True))
    ) == (levels > 1)


def test_a_task_without_rows_says_nothing():
    codebook = Codebook(1, "g", np.zeros(2, np.float32), np.zeros((2, 3, 2), np.float32), np.zeros((2, 3), np.float32))
    assert list(make_nearest(codebook, 3, 2)(iter([]))) == []
