"""Searching an index inside executors, and scoring what was found by stored vectors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from udfs.arrow import ArrowMap, as_matrix, to_bytes
from udfs.worker import load_once
from uninote.index.files.folder import IndexFolder
from uninote.index.note_keys import Constraint
from uninote.index.search import Index
from uninote.search.fusion import background_of, log_fit, strength_of
from uninote.search.hubness import hubness
from uninote.vectors.kmeans import compute_in_one_thread
from uninote.vectors.widths import truncate

Vectors = Callable[[], np.ndarray]  # shared with tasks

_QUERIES = 1024  # searched together: each shard is searched once for all of them


@dataclass(frozen=True)
class IndexSearch:
    """Which index is searched, by the name of its `manifest`, for how many items a query, and how.

    `finds_notes`: it holds notes as wholes alone.
    """

    folder: IndexFolder
    manifest: str
    width: int
    k: int
    nprobe: int | None
    constraint: Constraint
    finds_notes: bool = True

    def open(self) -> Index:
        """Return the index, opened once a process."""
        compute_in_one_thread()
        return load_once(
            f"index {self.folder} {self.manifest}", lambda: Index.open(self.folder, manifest=self.manifest)
        )


def make_search(search: IndexSearch) -> ArrowMap:
    """Map (item_id, vector) to (item_id, keys, notes, scores): of each query the best items, lists of `k` at most.

    Where the index holds notes alone those are notes; else a note stands for its best item, whose key is not returned.
    """

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        index = search.open()
        for batch in _slices(batches):
            vectors = truncate(as_matrix(batch.column("vector")), search.width)
            if index.manifest.kinds == ("note",):
                keys, scores = index.search(vectors, search.k, search.nprobe, search.constraint)
                notes = index.note_ids(keys)
            else:
                notes, scores = index.search_notes(vectors, search.k, search.nprobe, search.constraint)
                keys = np.full(notes.shape, -1, dtype=np.int64)
            # Free slots, of score -inf, are cut off: where the index holds fewer items that qualify.
            found = np.isfinite(scores)
            columns = {
                "item_id": batch.column("item_id"),
                "keys": _cut(keys, found),
                "notes": _cut(notes, found),
                "scores": pa.array(_cut(scores, found), pa.list_(pa.float32())),
            }
            yield pa.RecordBatch.from_pydict(columns)

    return run


def _cut(matrix: np.ndarray, found: np.ndarray) -> list[list[Any]]:
    """Return the entries of each row of `matrix`, (n, k), where `found`, bool (n, k), is true."""
    rows = []
    for row, is_found in zip(matrix, found, strict=True):
        rows.append(row[is_found].tolist())
    return rows


def make_scores(width: int) -> ArrowMap:
    """Map (vector, query, and any other columns) to those others and `score`: products of vectors, the query's truncated."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            if len(batch):
                yield batch.drop_columns(["vector", "query"]).append_column("score", pa.array(_products(batch, width)))

    return run


def _products(pairs: pa.RecordBatch, width: int) -> np.ndarray:
    """Return float32 (rows,): of each row its `vector` times its `query`, truncated."""
    queries = truncate(as_matrix(pairs.column("query")), width)
    products: np.ndarray = np.einsum("nd,nd->n", queries, as_matrix(pairs.column("vector")))
    return products


def make_corrected(bank: Vectors, width: int, temperature: float) -> ArrowMap:
    """Map (item_id, note_id, score, vector), the note's of `width`, to (item_id, note_id, score, corrected).

    `corrected` is the score less how near the note is to the queries of `bank`, float32 (m, any width from `width` on).
    """

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        compute_in_one_thread()
        queries = truncate(bank(), width)
        for batch in batches:
            if len(batch):
                corrected = batch.column("score").to_numpy() - _hubness(batch, queries, temperature)
                yield batch.drop_columns(["vector"]).append_column("corrected", pa.array(corrected))

    return run


def _hubness(batch: pa.RecordBatch, queries: np.ndarray, temperature: float) -> np.ndarray:
    """Return float32 (rows,); a note that stands in several rows is compared with the bank once."""
    numbers = batch.column("note_id").dictionary_encode().indices.to_numpy()
    _, first, places = np.unique(numbers, return_index=True, return_inverse=True)
    near = hubness(as_matrix(batch.column("vector").take(pa.array(first))), queries, temperature)
    return near[places]


def make_backgrounds(sample: Vectors, width: int) -> ArrowMap:
    """Map (item_id, vector), a part of a query each, to (item_id, query, mean, spread).

    Those are of its scores with the vectors of `sample`, float32 (m, width).
    """

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in _slices(batches):
            queries = truncate(as_matrix(batch.column("vector")), width)
            columns = {"item_id": batch.column("item_id"), "query": to_bytes(queries)}
            mean, spread = background_of(queries, sample()).T
            yield pa.RecordBatch.from_pydict(columns | {"mean": pa.array(mean), "spread": pa.array(spread)})

    return run


def make_fits(width: int) -> ArrowMap:
    """Map (item_id, note_id, vector, query, mean, spread) to (item_id, note_id, fit): how well a note fits a part."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            if len(batch):
                backgrounds = np.stack([batch.column(name).to_numpy() for name in ("mean", "spread")], axis=1)
                fits = log_fit(strength_of(_products(batch, width), backgrounds))
                yield batch.select(["item_id", "note_id"]).append_column("fit", pa.array(fits, pa.float32()))

    return run


def _slices(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Cut into batches of _QUERIES rows at most; empty ones are left out."""
    for batch in batches:
        for start in range(0, len(batch), _QUERIES):
            yield batch.slice(start, _QUERIES)
