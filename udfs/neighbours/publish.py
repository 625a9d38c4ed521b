"""Public lists that take all lists to make: without more than one of a group of duplicates, and with hubs ranked lower."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from udfs.arrow import ArrowMap, unpack
from udfs.neighbours.duplicates import read_keyed
from udfs.neighbours.files import file_record, public_entries, public_lists, ranks_of, write_public
from udfs.table_files import gathered
from uninote.lake.parquet_files import read_columns, write_file

CLOSENESS = "closeness"  # a kind of files


@dataclass(frozen=True)
class Ranking:
    """How lists become public ones of `k`, in `folder`.

    `closeness` are the files that `make_closeness` wrote; times `hubness`, it is taken off an entry's score while ranking, not
    in the table.
    `groups` are the files of groups of duplicates, where a list keeps the first of each group, else none. `sample` and
    `min_strength`: see ListFolders.
    """

    folder: str
    k: int
    hubness: float
    sample: np.ndarray
    min_strength: float | None = None
    closeness: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()

    @cached_property
    def means(self) -> np.ndarray:
        """float32 by item_key: the mean score of each note's own list, read where it is needed."""
        tables = [read_columns(path, ["item_key", "mean"]) for path in self.closeness]
        most = max((int(table["item_key"].to_numpy().max()) for table in tables), default=-1)
        means = np.zeros(most + 1, np.float32)
        for table in tables:
            means[table["item_key"].to_numpy()] = table["mean"].to_numpy()
        return means

    @cached_property
    def members(self) -> tuple[np.ndarray, np.ndarray]:
        """(keys int64 ascending, the keys of their groups) of all notes that have duplicates, read where it is needed."""
        return read_keyed(self.groups, "group_key")

    def order(self, owners: np.ndarray, keys: np.ndarray, scores: np.ndarray) -> np.ndarray:
        """Return the positions of the entries that stay, by owner, best first, before the cut to `k`."""
        ranked = scores - np.float32(self.hubness) * self.means[keys] if self.hubness else scores
        # By owner, then the best first, then by key: the same lists whatever the order of the entries.
        order = np.lexsort((keys, -ranked, owners))
        if not self.groups:
            return order
        members, groups = self.members
        place = np.minimum(np.searchsorted(members, keys), len(members) - 1)
        group = np.where(members[place] == keys, groups[place], keys)
        pairs = np.stack([owners[order], group[order]], axis=1)
        return np.asarray(order[np.sort(np.unique(pairs, axis=0, return_index=True)[1])])


def make_closeness(k: int, folder: str) -> ArrowMap:
    """Write what ranks hubs lower of LISTS, `item_key` and the `mean` score of its first `k` entries; yield a FILE_RECORD.

    As in cross-domain similarity local scaling (Conneau et al., 2018): what is close to its own neighbours is close to all.
    """

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        parts = []
        for batch in batches:
            owners, scores, rank = _entries(batch)
            first = rank < k
            count = np.bincount(owners[first], minlength=len(batch))
            total = np.bincount(owners[first], weights=scores[first], minlength=len(batch))
            mean = (total / np.maximum(count, 1)).astype(np.float32)
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
                owners, scores, _ = _entries(batch)
                order = wanted.order(owners, unpack(batch.column("neighbour_keys"), np.int64)[0], scores)
                counts = np.bincount(owners[order], minlength=len(batch))
                _, entries = public_entries(batch, wanted.sample, wanted.k)
                yield public_lists(batch.column("note_id"), counts, entries.take(order), wanted.k, wanted.min_strength)

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


def _entries(lists: pa.RecordBatch) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (owners, scores, ranks) of all entries, flat; owners are positions in the batch."""
    scores, starts = unpack(lists.column("scores"), np.float32)
    owners = np.repeat(np.arange(len(lists)), np.diff(starts))
    return owners, scores, np.arange(len(owners)) - starts[owners]
