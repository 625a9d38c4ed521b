"""Public lists that take all lists to make: one of a group of duplicates, hubs ranked lower, and confidences."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pyarrow as pa

from udfs.arrow import ArrowMap, unpack
from udfs.neighbours.diversity import Diversity
from udfs.neighbours.duplicates import read_keyed
from udfs.neighbours.files import (
    PublicEntries,
    Shown,
    file_record,
    public_entries,
    public_lists,
    ranks_of,
    write_public,
)
from udfs.table_files import gathered
from uninote.confidence.confidence_map import ConfidenceMap
from uninote.confidence.features import features_of, gaps, mean_scores
from uninote.lake.parquet_files import read_columns, write_file

CLOSENESS = "closeness"  # a kind of files


@dataclass(frozen=True)
class Ranking:
    """How lists become public ones, in `folder`, of which readers see what is `shown`.

    `closeness` are the files that `make_closeness` wrote; times `hubness`, it is taken off an entry's score while ranking, not
    in the table. `groups` are the files of groups of duplicates, where a list keeps the first of each group, else none.
    `sample`: see ListFolders. `confidence` is the table's map, null where it has none, and
    `diversity` how its lists are made diverse.
    """

    folder: str
    shown: Shown
    hubness: float
    sample: np.ndarray
    closeness: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    confidence: ConfidenceMap | None = None
    diversity: Diversity | None = None

    @cached_property
    def means(self) -> np.ndarray:
        """float32 by item_key: the mean score of each note's own list, NaN of an empty one, read where it is needed."""
        tables = [read_columns(path, ["item_key", "mean"]) for path in self.closeness]
        most = max((int(table["item_key"].to_numpy().max()) for table in tables), default=-1)
        means = np.full(most + 1, np.nan, np.float32)
        for table in tables:
            means[table["item_key"].to_numpy()] = table["mean"].to_numpy()
        return means

    @cached_property
    def members(self) -> tuple[np.ndarray, np.ndarray]:
        """(keys int64 ascending, the keys of their groups) of all notes that have duplicates, read where it is needed."""
        return read_keyed(self.groups, "group_key")

    def order(self, owners: np.ndarray, keys: np.ndarray, scores: np.ndarray) -> np.ndarray:
        """Return the positions of the entries that stay, by owner, best first, before the cut to what is shown."""
        if self.diversity is None:
            return self._ranked(owners, keys, scores)
        # Spare entries come and go with updates: what is made of candidates alone is as a full join would make it.
        lengths = np.bincount(owners, minlength=int(owners[-1]) + 1 if len(owners) else 0)
        candidates = np.flatnonzero(ranks_of(lengths) < self.diversity.candidates)
        order = candidates[self._ranked(owners[candidates], keys[candidates], scores[candidates])]
        return np.asarray(order[self.diversity.kept(owners[order], keys[order])])

    def _ranked(self, owners: np.ndarray, keys: np.ndarray, scores: np.ndarray) -> np.ndarray:
        if not self.hubness and not self.groups:
            return np.arange(len(keys))
        ranked = scores - np.float32(self.hubness) * np.nan_to_num(self.means[keys]) if self.hubness else scores
        # By owner, then the best first, then by key: the same lists whatever the order of the entries.
        order = np.lexsort((keys, -ranked, owners))
        if not self.groups:
            return order
        members, groups = self.members
        place = np.minimum(np.searchsorted(members, keys), len(members) - 1)
        group = np.where(members[place] == keys, groups[place], keys)
        pairs = np.stack([owners[order], group[order]], axis=1)
        return np.asarray(order[np.sort(np.unique(pairs, axis=0, return_index=True)[1])])

    def with_confidences(self, entries: PublicEntries, keys: np.ndarray, lengths: np.ndarray) -> PublicEntries:
        """Return the entries of whole lists with confidences, where there is a map; `keys` int64, flat, are those of notes."""
        if self.confidence is None:
            return entries
        gap = gaps(entries.scores, lengths, self.shown.k)
        found = features_of(entries.strengths, entries.scores, self.means[keys], gap)
        return replace(entries, confidences=self.confidence.of(found))


def make_closeness(k: int, folder: str) -> ArrowMap:
    """Write what ranks hubs lower of LISTS, `item_key` and the `mean` score of its first `k` entries; yield a FILE_RECORD.

    As in cross-domain similarity local scaling (Conneau et al., 2018): what is close to its own neighbours is close to all.
    """

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        parts = []
        for batch in batches:
            scores, starts = unpack(batch.column("scores"), np.float32)
            mean = mean_scores(scores, np.diff(starts), k)
            parts.append(pa.table({"item_key": batch.column("item_key"), "mean": mean}))
        if parts:
            yield file_record(CLOSENESS, write_file(pa.concat_tables(parts), folder))

    return run


def make_ranked(ranking: Callable[[], Ranking]) -> ArrowMap:
    """Write public lists out of LISTS, which come in order of note_id; yield a FILE_RECORD for each file."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        wanted = ranking()

        def ranked() -> Iterator[pa.RecordBatch]:
            for batch in gathered(batches):
                lengths, entries = public_entries(batch, wanted.sample, wanted.shown.k)
                keys = unpack(batch.column("neighbour_keys"), np.int64)[0]
                owners = np.repeat(np.arange(len(batch)), lengths)
                order = wanted.order(owners, keys, entries.scores)
                counts = np.bincount(owners[order], minlength=len(batch))
                shown = wanted.with_confidences(entries, keys, lengths).take(order)
                yield public_lists(batch.column("note_id"), counts, shown, wanted.shown)

        yield from write_public(ranked(), wanted.folder)

    return run


def make_occurrences(column: str, k: int) -> ArrowMap:
    """Count how often each note is among the first `k` of the lists in `column`: `note_id` and `count`, once a batch."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            lists = batch.column(column)
            lengths = np.asarray(lists.value_lengths().to_numpy(zero_copy_only=False))
            rank = ranks_of(lengths)
            entries = lists.flatten()
            ids = entries.field("note_id") if pa.types.is_struct(entries.type) else entries
            counted = ids.take(pa.array(np.flatnonzero(rank < k))).value_counts()
            yield pa.RecordBatch.from_arrays(
                [counted.field("values"), counted.field("counts")], names=["note_id", "count"]
            )

    return run
