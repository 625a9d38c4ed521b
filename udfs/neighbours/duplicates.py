"""Groups of duplicates inside executors: from the files of pairs that a join wrote to the files of a table.

Most chains of pairs are a note and its direct duplicates, and are groups as they are. The notes of the others are compared by
their vectors.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from udfs.arrow import ArrowMap, from_bytes
from udfs.neighbours.files import FILE_ROWS, file_record
from uninote.lake.parquet_files import read_columns, write_file
from uninote.neighbours.components import Links
from uninote.neighbours.duplicate_groups import Chains, chains_of, nearest_representatives
from uninote.vectors.kmeans import compute_in_one_thread

MEMBERS = "members"  # the kinds of files: rows of the table `duplicates`,
GROUPS = "groups"  # the same as (item_key, group_key), for tables that show one note of a group,
CHAINS = "chains"  # and (item_key, chain): of all notes in pairs,
OPEN = "open"  # or of those in chains whose groups the vectors have to tell
_GROUPED = ("item_key", "note_id", "group_key", "group_id", "score", "chain_id")


@dataclass(frozen=True)
class GroupFolders:
    """Where files are written: `members` for readers, `scratch` for this run."""

    members: str
    scratch: str


@dataclass(frozen=True)
class Notes:
    """Some notes: their keys, int64, and note_ids, in one order."""

    keys: np.ndarray
    ids: pa.Array


def make_groups(folders: GroupFolders) -> ArrowMap:
    """Write the groups of the chains whose notes are all duplicates of the first, and the notes of the OPEN chains.

    All pairs of a chain are in one partition. Yields a FILE_RECORD for each file.
    """

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        rows = [batch for batch in batches if len(batch)]
        if not rows:
            return
        pairs = pa.Table.from_batches(rows)
        keys, ids = _notes(pairs)
        # Numbers follow note_ids: keys are ours, and would differ in a lake that was made anew.
        order = pc.sort_indices(ids).to_numpy()
        number = np.empty(len(order), np.int64)
        number[order] = np.arange(len(order))
        first = number[np.searchsorted(keys, pairs["item_key"].to_numpy())]
        second = number[np.searchsorted(keys, pairs["other_key"].to_numpy())]
        chains = chains_of(first, second, pairs["score"].to_numpy())
        yield from _write_chains(folders, keys[order], ids.take(pa.array(order)), chains)

    return run


def _notes(pairs: pa.Table) -> tuple[np.ndarray, pa.Array]:
    """Return (keys int64 ascending, their note_ids) of all notes on either side of some pairs."""
    both = np.concatenate([pairs["item_key"].to_numpy(), pairs["other_key"].to_numpy()])
    keys, places = np.unique(both, return_index=True)
    ids = pa.chunked_array([*pairs["note_id"].chunks, *pairs["other_id"].chunks])
    return keys, ids.take(pa.array(places)).combine_chunks()


def _write_chains(folders: GroupFolders, keys: np.ndarray, ids: pa.Array, chains: Chains) -> Iterator[pa.RecordBatch]:
    settled = np.flatnonzero(chains.settled)
    if len(settled):
        least = chains.least[settled]
        yield from _write_groups(folders, _grouped(Notes(keys, ids), settled, least, chains.scores[settled], least))
    rest = np.flatnonzero(~chains.settled)
    if len(rest):
        table = pa.table({"item_key": keys[rest], "chain": keys[chains.least[rest]]})
        yield file_record(OPEN, write_file(table, f"{folders.scratch}/{OPEN}"))


def _grouped(
    among: Notes, notes: np.ndarray, groups: np.ndarray, scores: np.ndarray, chains: np.ndarray
) -> pa.RecordBatch:
    """Return _GROUPED of some `notes`, with their `groups` and `chains`: places in `among`."""
    columns = [
        among.keys[notes],
        among.ids.take(pa.array(notes)),
        among.keys[groups],
        among.ids.take(pa.array(groups)),
        scores,
        among.ids.take(pa.array(chains)),
    ]
    return pa.RecordBatch.from_arrays(list(map(pa.array, columns)), names=[*_GROUPED])


def _write_groups(folders: GroupFolders, rows: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    table = pa.Table.from_batches([rows]).sort_by("note_id")
    members = table.select(["note_id", "group_id", "score", "chain_id"])
    yield file_record(MEMBERS, write_file(members, folders.members))
    yield file_record(GROUPS, write_file(table.select(["item_key", "group_key"]), f"{folders.scratch}/{GROUPS}"))


def make_chains(folders: GroupFolders) -> ArrowMap:
    """Write (item_key, chain) of all notes in the pairs of the one partition; yield a FILE_RECORD.

    Pairs are let go of batch by batch: what is held is 8 bytes for each item_key.
    """

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        links = Links()
        for batch in batches:
            links.add(batch.column("item_key").to_numpy(), batch.column("other_key").to_numpy())
        least = links.least()
        is_linked = least != np.arange(len(least))
        is_linked[least[is_linked]] = True
        keys = np.flatnonzero(is_linked)
        table = pa.table({"item_key": keys, "chain": least[keys]})
        yield file_record(CHAINS, write_file(table, f"{folders.scratch}/{CHAINS}"))

    return run


@lru_cache(1)  # a task asks for each of its files
def read_keyed(paths: tuple[str, ...], column: str) -> tuple[np.ndarray, np.ndarray]:
    """Return (keys int64 ascending, their values in `column`) of files of CHAINS, OPEN or GROUPS."""
    all_keys = [np.empty(0, np.int64)]
    all_values = [np.empty(0, np.int64)]
    for path in paths:
        table = read_columns(path, ["item_key", column])
        all_keys.append(table["item_key"].to_numpy())
        all_values.append(table[column].to_numpy())
    keys = np.concatenate(all_keys)
    order = np.argsort(keys)
    return keys[order], np.concatenate(all_values)[order]


def make_with_chain(paths: Sequence[str], inner: ArrowMap) -> ArrowMap:
    """Append to what `inner` yields the `chain` of each item_key, by files of CHAINS or OPEN."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        keys, chains = read_keyed(tuple(paths), "chain")
        for batch in inner(batches):
            places = np.searchsorted(keys, batch.column("item_key").to_numpy())
            yield batch.append_column("chain", pa.array(chains[places]))

    return run


def make_compared(folders: GroupFolders, width: int, least_score: float) -> ArrowMap:
    """Write the groups of chains whose notes come by chain and note_id, with their vectors as bytes.

    Yields a FILE_RECORD for each file. The vectors of one chain are held at once.
    """

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        compute_in_one_thread()
        held = []
        count = 0
        for chain in _by_chain(batches):
            held.append(_compare(chain, width, least_score))
            count += len(chain)
            if count >= FILE_ROWS:
                yield from _write_groups(folders, pa.concat_batches(held))
                held = []
                count = 0
        if held:
            yield from _write_groups(folders, pa.concat_batches(held))

    return run


def _compare(chain: pa.Table, width: int, least_score: float) -> pa.RecordBatch:
    """Return _GROUPED of the notes of a chain, which come in order of note_id."""
    vectors = np.concatenate([from_bytes(part, width) for part in chain["vector"].chunks])
    groups, scores = nearest_representatives(vectors, least_score)
    ids = chain["note_id"].combine_chunks()
    notes = np.arange(len(chain))
    # The first note of a chain has the least note_id, which names the chain.
    return _grouped(Notes(chain["item_key"].to_numpy(), ids), notes, groups, scores, np.zeros_like(notes))


def _by_chain(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Yield the rows of one chain after the other."""
    held: list[pa.RecordBatch] = []
    for batch in batches:
        chain = batch.column("chain").to_numpy()
        starts = np.flatnonzero(np.diff(chain, prepend=-1))
        for start, end in zip(starts, np.append(starts[1:], len(chain)), strict=True):
            part = batch.slice(start, end - start)
            if held and held[0].column("chain")[0] != part.column("chain")[0]:
                yield pa.Table.from_batches(held)
                held = []
            held.append(part)
    if held:
        yield pa.Table.from_batches(held)
