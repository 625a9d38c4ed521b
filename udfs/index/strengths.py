"""Strengths and confidences of what a search found: by the background of each query, and by the map of neighbours."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa

from udfs.arrow import ArrowMap, as_matrix, unpack
from uninote.confidence.features import mean_scores
from uninote.search.scale import Answers, Scale
from uninote.vectors.widths import truncate

FOUND = ("query_id", "reason", "vector", "notes", "scores", "means", "corrected")
"""A row for each query: of what was found, best first, `notes`, `scores` float32, and perhaps null `means` (of the notes' own
lists) and `corrected` scores.

`vector` is null of a query without an answer.
"""
_ENTRY = ("note_id", "score", "strength", "confidence", "corrected")


def make_strengths(scale: Callable[[], Scale]) -> ArrowMap:
    """Map FOUND to (query_id, reason, neighbours), with strengths and confidences."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            if len(batch):
                yield _with_strengths(batch, scale())

    return run


def _with_strengths(batch: pa.RecordBatch, scale: Scale) -> pa.RecordBatch:
    lists = batch.column("notes")
    lengths = np.asarray(lists.value_lengths().fill_null(0).to_numpy(zero_copy_only=False), np.int64)
    found = Answers(lists.flatten(), _floats(batch.column("scores")), lengths)
    values = scale.strengths(found, _backgrounds(batch.column("vector"), scale))
    chances = scale.confidences(found, values, _floats(batch.column("means")))
    columns = [found.notes, pa.array(found.scores)]
    columns += [pa.array(one, mask=np.isnan(one)) for one in (values, chances)]
    columns.append(batch.column("corrected").flatten())
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    entries = pa.ListArray.from_arrays(pa.array(offsets), pa.StructArray.from_arrays(columns, [*_ENTRY]))
    return pa.RecordBatch.from_arrays(
        [batch.column("query_id"), batch.column("reason"), entries], names=["query_id", "reason", "neighbours"]
    )


def _floats(lists: pa.Array) -> np.ndarray:
    """Return float32, flat, NaN where null."""
    return np.asarray(lists.flatten().to_numpy(zero_copy_only=False), np.float32)


def _backgrounds(vectors: pa.Array, scale: Scale) -> np.ndarray:
    """Return float32 (n, 2) as `Background.of_rows` does, NaN of a query without a vector."""
    found = np.full((len(vectors), 2), np.nan, np.float32)
    answered = np.flatnonzero(vectors.is_valid().to_numpy(zero_copy_only=False))
    if len(answered):
        queries = truncate(as_matrix(vectors.take(pa.array(answered))), scale.width)
        found[answered] = scale.background.of_rows(queries)
    return found


def make_note_means(k: int) -> ArrowMap:
    """Map (note_id, scores as bytes) of stored lists to (note_id, own_mean): the mean of the first `k` scores."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            scores, starts = unpack(batch.column("scores"), np.float32)
            means = mean_scores(scores, np.diff(starts), k)
            yield pa.RecordBatch.from_arrays([batch.column("note_id"), pa.array(means)], names=["note_id", "own_mean"])

    return run
