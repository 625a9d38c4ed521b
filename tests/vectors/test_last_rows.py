"""The last row of each key, where later rows replace earlier ones."""

from __future__ import annotations

import numpy as np
import pytest

from uninote.vectors.last_rows import last_rows


@pytest.mark.parametrize("count", [0, 1, 2, 30, 200])
def test_it_is_the_greatest_or_the_one_that_stands_last(count):
    generator = np.random.default_rng(count)
    keys, versions, there = (generator.integers(0, end, count) for end in (6, 4, 2))
    rows = list(zip(keys.tolist(), versions.tolist(), there.tolist(), strict=True))
    by_place = {key: number for number, key in enumerate(keys.tolist())}
    assert last_rows(keys).tolist() == [by_place[key] for key in sorted(by_place)]
    by_value = {}
    for number in sorted(range(len(rows)), key=lambda number: (rows[number][1:], number)):
        by_value[rows[number][0]] = number
    assert last_rows(keys, versions, there).tolist() == [by_value[key] for key in sorted(by_value)]
