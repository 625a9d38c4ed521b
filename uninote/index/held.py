"""What opened shards hold of some keys: their notes, and their scores with any vectors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from uninote.index.open_shard import OpenShard

Shards = Mapping[int, OpenShard]  # opened, by number: of a key in several, the one of the highest has the last word


def note_ids_of(shards: Shards, item_keys: np.ndarray) -> np.ndarray:
    """Return the notes of keys, int64 of any shape, as an object array of that shape; None for -1."""
    wanted = np.unique(item_keys[item_keys >= 0])
    notes = np.full(len(wanted), None, dtype=object)
    for shard, positions, places in _holding(shards, wanted):
        notes[places] = shard.notes.note_ids(positions)
    found = np.full(item_keys.shape, None, dtype=object)
    held = item_keys >= 0
    found[held] = notes[np.searchsorted(wanted, item_keys[held])]
    return found


def scores_with(shards: Shards, item_keys: np.ndarray, rotated: np.ndarray) -> np.ndarray:
    """Return float32 (n, m): scores of n vectors, rotated as the shards' are, with the items of keys int64 (m,), ascending."""
    found = np.full((len(rotated), len(item_keys)), -np.inf, np.float32)
    for shard, positions, places in _holding(shards, item_keys):
        found[:, places] = rotated @ shard.vectors[positions].astype(np.float32).T
    return found


def _holding(shards: Shards, keys: np.ndarray) -> Iterator[tuple[OpenShard, np.ndarray, np.ndarray]]:
    """Yield shards that hold some of `keys`, ascending: the shard, positions in it, and places among `keys`."""
    missing = np.ones(len(keys), dtype=bool)
    # The newest segment comes first: it has the last word on a key.
    for number in sorted(shards, reverse=True):
        shard = shards[number]
        positions = shard.notes.positions(keys[missing])
        places = np.searchsorted(keys, shard.notes.keys[positions])
        missing[places] = False
        yield shard, positions, places
