"""What limits stored lists set to new neighbours goes from task to task by files."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from udfs.neighbours.limits import StoredLimits, make_limit_files, read_limits
from udfs.neighbours.lists import Entries, Owners, make_lists


def lists(first, count):
    """LISTS of `count` owners from `first` on, each with the three notes behind it."""
    owners = np.arange(first, first + count)
    keys = (owners[:, None] + [1, 2, 3]).ravel()
    scores = np.tile(np.array([0.9, 0.8, 0.7], np.float32), count)
    entries = Entries(keys, pa.array([f"n{key}" for key in keys]), scores)
    ids = pa.array([f"n{key}" for key in owners])
    return make_lists(Owners.unknown(owners, ids), entries, np.arange(count + 1) * 3, np.zeros(count, bool))


def test_tasks_of_an_update_read_what_those_before_wrote(tmp_path):
    make = make_limit_files(lambda: np.array([5, 6, 12]), 2, str(tmp_path))
    written = []
    for part in ([lists(0, 4), lists(4, 4)], [], [lists(10, 2)]):
        written += [row for batch in make(iter(part)) for row in batch.to_pylist()]
    assert len(written) == 2
    paths = tuple(row["path"] for row in written)
    limits = read_limits(paths)
    assert len(limits) == 12
    # Note 3 lost 5 and 6, note 4 too: one entry is left of two that are wanted.
    short = np.concatenate([np.frombuffer(row["short"], np.int64) for row in written])
    assert sorted(short.tolist()) == [3, 4]
    known = {0: 0.7, 1: 0.7, 2: 0.8, 3: 0.9, 4: 0.7, 7: 0.7, 10: 0.7, 11: 0.7}
    for key, limit in enumerate(limits.tolist()):
        assert np.isclose(limit, known[key]) if key in known else limit == -np.inf
    before = StoredLimits(np.array([5]), {"neighbours": paths, "empty": ()}).read()
    np.testing.assert_array_equal(before.limits["neighbours"], limits)
    assert len(before.limits["empty"]) == 0
