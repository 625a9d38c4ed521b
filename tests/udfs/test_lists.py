"""Merged lists: old ones and new ones of the same notes, without those of notes that were removed."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from udfs.neighbours.lists import Entries, Owners, make_list_limits, make_lists, merge_lists
from uninote.lake.parquet_files import DamagedFileError
from uninote.vectors.key_sets import among


def lists(rows):
    """LISTS of {owner: ({neighbour: score}, complete)}; note n has the note_id "n<n>"."""
    owners = [*rows]
    keys = [key for entries, _ in rows.values() for key in entries]
    scores = [score for entries, _ in rows.values() for score in entries.values()]
    starts = np.concatenate([[0], np.cumsum([len(entries) for entries, _ in rows.values()])]).astype(np.int64)
    entries = Entries(np.array(keys, np.int64), names(keys), np.array(scores, np.float32))
    complete = np.array([complete for _, complete in rows.values()], bool)
    return make_lists(Owners.unknown(np.array(owners, np.int64), names(owners)), entries, starts, complete)


def names(keys):
    return pa.array([f"n{key}" for key in keys], pa.string())


def contents(batch):
    """{owner: ({neighbour: score}, complete)}, in the order of the rows."""
    found = {}
    for row in batch.to_pylist():
        keys = np.frombuffer(row["neighbour_keys"], np.int64).tolist()
        scores = np.frombuffer(row["scores"], np.float32).tolist()
        assert row["note_id"] == f"n{row['item_key']}"
        assert row["neighbour_ids"] == [f"n{key}" for key in keys]
        found[row["item_key"]] = ([*zip(keys, scores, strict=True)], row["whole"])
    return found


def merged(stored, found, removed=(), k=3):
    stored, found = ([lists(rows)] if rows else [] for rows in (stored, found))
    return contents(merge_lists(stored, found, np.array(removed, np.int64), k))


def test_lists_of_one_owner_become_one_list_of_the_best():
    stored = {2: ({7: 0.5, 8: 0.25}, False), 1: ({8: 0.5}, True)}
    found = {2: ({9: 0.75, 7: 0.5, 6: 0.125}, False), 3: ({}, True)}
    assert merged(stored, found) == {
        1: ([(8, 0.5)], True),
        2: ([(9, 0.75), (7, 0.5), (8, 0.25)], False),
        3: ([], True),
    }


def test_removed_notes_are_in_no_stored_list_and_own_none():
    stored = {1: ({5: 0.75, 6: 0.5}, False), 5: ({1: 0.75}, False)}
    found = {1: ({5: 0.25}, False), 5: ({6: 0.5}, True)}
    # Note 5 changed: its old entries go, those of its new content stay.
    assert merged(stored, found, removed=[5]) == {1: ([(6, 0.5), (5, 0.25)], False), 5: ([(6, 0.5)], True)}
    assert merged(stored, {}, removed=[1, 5, 6]) == {}


def test_either_side_may_be_missing():
    rows = {4: ({1: 0.5}, False), 3: ({}, True)}
    expected = {3: ([], True), 4: ([(1, 0.5)], False)}
    assert merged(rows, {}) == merged({}, rows) == expected


def test_limits_are_what_a_new_neighbour_must_exceed():
    batch = lists(
        {
            1: ({5: 0.75, 6: 0.5, 7: 0.25}, False),  # cut: only better ones than its last entry
            2: ({5: 0.75, 6: 0.5}, True),  # complete: takes anyone
            3: ({7: 0.5, 6: 0.25}, False),  # has lost entries, and is short
            4: ({6: 0.5}, False),  # has none left, and takes anyone
            6: ({1: 0.5}, False),
        }
    )
    [found] = make_list_limits(lambda: np.array([6, 7]), 2)(iter([batch]))
    columns = {
        name: np.frombuffer(found.column(name)[0].as_py(), kind).tolist()
        for name, kind in (("item_key", np.int64), ("limit", np.float32), ("short", np.bool_))
    }
    assert columns["item_key"] == [1, 2, 3, 4]
    assert columns["limit"] == [0.75, -np.inf, -np.inf, -np.inf]
    assert columns["short"] == [True, False, True, True]


def test_scores_that_cannot_be_are_damage():
    with pytest.raises(DamagedFileError, match="its lists are none"):
        list(make_list_limits(lambda: np.empty(0, np.int64), 2)(iter([lists({1: ({2: 7.0}, False)})])))


@pytest.mark.parametrize("removed", [[], [3], [0, 3, 9], [-(10**12), 3, 10**12]])
def test_among_is_the_same_by_table_and_by_search(removed):
    keys = np.arange(6)
    assert among(keys, np.array(removed, np.int64)).tolist() == [key in removed for key in keys.tolist()]
