"""Flat lists of one owner, merged into one."""

from __future__ import annotations

import numpy as np
import pytest

from uninote.neighbours.results.merge_lists import FlatLists, merge_groups


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
                if lists.valid[entry]:
                    key, score = int(lists.keys[entry]), float(lists.scores[entry])
                    best[key] = max(score, best.get(key, -np.inf))
        found = entries[offsets[group] : offsets[group + 1]]
        merged = list(zip(lists.keys[found].tolist(), lists.scores[found].tolist(), strict=True))
        assert merged == sorted(best.items(), key=lambda entry: (-entry[1], entry[0]))[:k]
