"""Merging partial rankings gives the ranking of everything."""

from __future__ import annotations

import numpy as np
import pytest

from uninote.neighbours.kernel.merge_lists import FlatLists, merge_groups
from uninote.neighbours.merge import MergeError, merge_topk


@pytest.mark.parametrize("k", [1, 5, 40])
def test_merged_parts_equal_the_ranking_of_all(k):
    generator = np.random.default_rng(0)
    keys, scores = generator.integers(0, 15, (30, 24)), generator.integers(0, 6, (30, 24)).astype(np.float32)
    merged, merged_scores = merge_topk(keys, scores, k)
    for row in range(30):
        best: dict[int, float] = {}
        for key, score in zip(keys[row].tolist(), scores[row].tolist(), strict=True):
            best[key] = max(score, best.get(key, -np.inf))
        expected = sorted(best.items(), key=lambda entry: (-entry[1], entry[0]))[:k]
        expected += [(-1, -np.inf)] * (k - len(expected))
        assert list(zip(merged[row].tolist(), merged_scores[row].tolist(), strict=True)) == expected


def test_padding_never_takes_a_place():
    keys, scores = merge_topk(np.array([[-1, 7, -1]]), np.array([[9, 1, np.inf]], np.float32), 2)
    assert keys.tolist() == [[7, -1]]
    assert scores.tolist() == [[1, -np.inf]]
    assert (keys.dtype, scores.dtype) == (np.int64, np.float32)


def test_nothing_merges_to_padding():
    keys, scores = merge_topk(np.empty((2, 0), np.int64), np.empty((2, 0), np.float32), 3)
    assert (keys == -1).all()
    assert scores.shape == (2, 3)


def test_matrices_of_two_shapes_are_refused():
    with pytest.raises(MergeError, match=r"keys \(1, 2\) and scores \(1, 3\)"):
        merge_topk(np.zeros((1, 2), np.int64), np.zeros((1, 3), np.float32), 1)


@pytest.mark.parametrize("k", [1, 3, 50])
def test_lists_of_a_group_become_one(k):
    generator = np.random.default_rng(1)
    lengths = generator.integers(0, 9, 60)
    lists = FlatLists(
        np.concatenate([[0], np.cumsum(lengths)]),
        np.concatenate([generator.permutation(12)[:length] for length in lengths]),
        generator.integers(0, 5, lengths.sum()).astype(np.float32),
        generator.random(lengths.sum()) < 0.8,
    )
    rows, bounds = generator.permutation(60), np.array([0, 0, 1, 4, 4, 30, 60])
    entries, offsets = merge_groups(lists, rows, bounds, k)
    for group in range(len(bounds) - 1):
        best: dict[int, float] = {}
        for row in rows[bounds[group] : bounds[group + 1]]:
            for entry in range(lists.starts[row], lists.starts[row + 1]):
                if lists.kept[entry]:
                    key, score = int(lists.keys[entry]), float(lists.scores[entry])
                    best[key] = max(score, best.get(key, -np.inf))
        found = entries[offsets[group] : offsets[group + 1]]
        merged = list(zip(lists.keys[found].tolist(), lists.scores[found].tolist(), strict=True))
        assert merged == sorted(best.items(), key=lambda entry: (-entry[1], entry[0]))[:k]
