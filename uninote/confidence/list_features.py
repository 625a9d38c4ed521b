"""What the stored lists of a release say of some pairs, read by note: nothing else of the table is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from uninote.confidence.features import FEATURES, features_of, gaps, mean_scores
from uninote.confidence.fitting import FitError
from uninote.confidence.judged_pairs import Pair
from uninote.lake.rows_by_id import NoteId, RowsById
from uninote.lake.small_tables import read_batches
from uninote.neighbours.background import FlatScores, strengths

_OWN = ("note_id", "item_key", "neighbour_keys", "neighbour_ids", "scores", "mean", "spread")
_BACKGROUND = "neighbour_background"


@dataclass(frozen=True)
class ListFeatures:
    """The private lists of a neighbour table: readers see `k` of their entries; `sample` are the background's keys."""

    lists: RowsById
    sample: np.ndarray
    k: int

    def of(self, pairs: Sequence[Pair]) -> tuple[np.ndarray, np.ndarray]:
        """Return (float64 (n, 4) in the order of FEATURES, int64 (n,)) of pairs: their features, NaN, and ranks, from 1, or 0.

        A pair that is among none of the stored candidates of its first note has neither.
        """
        rows = self.lists.find([a for a, _ in pairs])
        places = _places(rows)
        where = np.array([places.get(pair, -1) for pair in pairs], np.int64)
        is_there = where >= 0
        means = self._means([b for (_, b), there in zip(pairs, is_there, strict=True) if there])
        flat = _flat(rows)
        found = np.full((len(pairs), len(FEATURES)), np.nan)
        ranks = np.zeros(len(pairs), np.int64)
        if not is_there.any():
            return found, ranks
        backgrounds = np.stack([rows[name].to_numpy() for name in ("mean", "spread")], axis=1)
        values = strengths(flat, backgrounds, self.sample, self.k)
        chosen = where[is_there]
        gap = gaps(flat.scores, flat.lengths, self.k)
        starts = np.cumsum(flat.lengths) - flat.lengths
        found[is_there] = features_of(values[chosen], flat.scores[chosen], means, gap[chosen])
        ranks[is_there] = 1 + (np.arange(len(flat.scores)) - np.repeat(starts, flat.lengths))[chosen]
        return found, ranks

    def _means(self, notes: Sequence[NoteId]) -> np.ndarray:
        """Return float32 (n,): the mean score of each note's own list, NaN where it has none."""
        rows = self.lists.find(notes)
        own = mean_scores(*_scores(rows), self.k)
        by_note = dict(zip(rows["note_id"].to_pylist(), own.tolist(), strict=True))
        return np.array([by_note.get(note, np.nan) for note in notes], np.float32)


def open_features(tables: Mapping[str, tuple[str, int]], table: str, k: int) -> ListFeatures:
    """Return what the lists of a table say of pairs, by its `tables` (name -> URI and version); readers see `k` entries.

    Raises FitError where there are no such lists, or they do not have what it takes.
    """
    name = f"neighbour_state/{table}"
    if name not in tables:
        raise FitError(f"there are no lists of {table!r}; name one of neighbours.tables")
    if _BACKGROUND not in tables:
        raise FitError(f"the lists of {table!r} are of an earlier version, without strengths; run jobs/refresh.py once")
    background = tables[_BACKGROUND]
    keys = [batch.column(0).to_numpy() for batch in read_batches(background[0], ["item_key"], background[1])]
    sample = np.sort(np.concatenate(keys)) if keys else np.empty(0, np.int64)
    return ListFeatures(RowsById(*tables[name], _OWN), sample, k)


def _places(rows: pa.Table) -> dict[Pair, int]:
    """Return where each pair of lists stands, flat."""
    found: dict[Pair, int] = {}
    for note, others in zip(rows["note_id"].to_pylist(), rows["neighbour_ids"].to_pylist(), strict=True):
        for other in others:
            found[note, other] = len(found)
    return found


def _flat(rows: pa.Table) -> FlatScores:
    scores, lengths = _scores(rows)
    keys = np.frombuffer(b"".join(rows["neighbour_keys"].to_pylist()), np.int64)
    return FlatScores(rows["item_key"].to_numpy(), keys, scores, lengths)


def _scores(rows: pa.Table) -> tuple[np.ndarray, np.ndarray]:
    """Return (scores float32, flat; lengths int64 (n,)) of lists."""
    stored = rows["scores"].to_pylist()
    return np.frombuffer(b"".join(stored), np.float32), np.array([len(one) // 4 for one in stored], np.int64)
