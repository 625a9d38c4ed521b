"""What executors run for the map: word counts, labels of a branch and its children, and the nearest notes of a task."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest

from udfs.arrow import to_array
from udfs.corpus_map.labels import WHOLE, make_labels
from udfs.corpus_map.typical import make_nearest
from udfs.corpus_map.words import NOTES, WORDS, count_words
from uninote.codes.codebook import Codebook

TEXTS = {
    (0, 0): ["latte art", "latte milk", "a latte"],
    (0, 1): ["espresso beans", "espresso crema", "espresso"],
    (1, 0): ["猫咪 cat", "cat toys", "猫咪换粮"],
    (2, 5): ["kyoto maples", "kyoto temple", "kyoto"],
}


def counted() -> pa.Table:
    rows = [(first, second, text) for (first, second), texts in TEXTS.items() for text in texts]
    first, second, text = zip(*rows, strict=True)
    batch = pa.RecordBatch.from_pydict({"first": first, "second": second, "text": text})
    return pa.Table.from_batches(list(count_words(iter([batch.slice(0, 5), batch.slice(5)]))))


def with_totals(counts: pa.Table) -> pa.Table:
    totals = Counter()
    for row in counts.to_pylist():
        totals[row["word"]] += row["notes"]
    return counts.append_column("total", pa.array([totals[word] for word in counts["word"].to_pylist()], pa.int64()))


def test_words_are_counted_by_notes_and_branch():
    counts = Counter()
    for row in counted().to_pylist():
        counts[row["first"], row["second"], row["word"]] += row["notes"]
    assert counts[0, 0, "latte"] == 3
    assert counts[0, 1, "espresso"] == 3
    assert counts[1, 0, "猫咪"] == 2
    assert [counts[first, second, NOTES] for first, second in TEXTS] == [3, 3, 3, 3]
    assert counts[0, 0, WORDS] == 5  # latte art, latte milk, latte


def test_a_branch_is_told_from_the_corpus_and_its_children_from_each_other():
    rows = with_totals(counted())
    labels = {}
    for first in (0, 1, 2):
        mine = rows.filter(pa.array(rows["first"].to_numpy() == first))
        for row in make_labels(3)(mine).to_pylist():
            labels[row["first"], row["second"]] = row["label"]
    assert set(labels) == {(0, WHOLE), (0, 0), (0, 1), (1, WHOLE), (1, 0), (2, WHOLE), (2, 5)}
    assert set(labels[0, WHOLE]) == {"latte", "espresso"}
    assert (labels[0, 0], labels[0, 1]) == (["latte"], ["espresso"])
    assert set(labels[1, WHOLE]) == {"cat", "猫咪"}
    assert labels[2, WHOLE] == ["kyoto"]


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
    assert list(count_words(iter([]))) == []
