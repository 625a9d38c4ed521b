"""Ranking what an index finds for one query otherwise than by its scores: by parts, by a note's items, or less its hubness.

The same as `jobs/search.py` does, without Spark: of the index's vectors, which are rounded to float16, or of the lake's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from uninote.config.sections.base import Kind
from uninote.errors import UninoteError
from uninote.index.search import Index
from uninote.lake.paths import GenerationLake, embeddings_name
from uninote.lake.releases.readers import place_for_readers
from uninote.lake.rows_by_id import NoteId, RowsById
from uninote.lake.small_tables import read_batches
from uninote.search.fusion import background_of, log_fit, strength_of
from uninote.search.hubness import log_mean_exp
from uninote.search.scale import BACKGROUND, vectors_in
from uninote.search.stored_banks import QueryBank
from uninote.vectors.widths import truncate


@dataclass(frozen=True)
class Candidates:
    """What an index found: `keys` int64 (m,), ascending, and `scores` float32 (p, m) with each of the query's parts."""

    keys: np.ndarray
    scores: np.ndarray


def by_parts(found: Candidates, vectors: np.ndarray, sample: np.ndarray) -> np.ndarray:
    """Return float32 (m,), 0 at best: how well each candidate fits all parts of a query, whose `vectors` are (p, width)."""
    backgrounds = background_of(vectors, sample)
    fits = [log_fit(strength_of(row, one[None])) for row, one in zip(found.scores, backgrounds, strict=True)]
    return np.asarray(np.sum(fits, axis=0), np.float32)


def corrected(index: Index, found: Candidates, bank: QueryBank, temperature: float) -> np.ndarray:
    """Return float32 (m,): scores with the first part less how near each candidate is to a bank of queries."""
    near = index.scores(truncate(bank.vectors, index.manifest.width), found.keys)
    return np.asarray(found.scores[0] - log_mean_exp(near.T, temperature), np.float32)


def background_sample(generation: GenerationLake, width: int) -> np.ndarray:
    """Return float32 (m, width): the notes that the last full join of neighbours drew.

    Raises UninoteError where there are none of that width.
    """
    place = place_for_readers(generation, BACKGROUND)
    batches = [] if place is None else [*read_batches(place[0], ("vector",), place[1])]
    vectors = vectors_in(pa.Table.from_batches(batches)["vector"]) if batches else np.empty((0, 0), np.float32)
    if vectors.shape[1] < width:
        raise UninoteError(
            f"--fusion parts holds scores against notes that jobs/neighbours.py draws, and there are none of width {width}; "
            "run it, or search a narrower index"
        )
    return truncate(vectors, width)


def by_items(
    generation: GenerationLake, notes: list[NoteId], vector: np.ndarray, weights: Mapping[Kind, float]
) -> np.ndarray:
    """Return float32 (n,): of each note the weighted sum of the scores of its best item of each kind with a vector (width,).

    A kind of which a note has no item adds nothing. Raises UninoteError where the lake has no vectors of that width, or no
    note has an item of a kind.
    """
    rows = _items_of(generation, notes, len(vector))
    kinds = np.array(rows["kind"].to_pylist(), dtype=object)
    owners = pc.index_in(rows["note_id"], value_set=pa.array(notes, rows["note_id"].type)).to_numpy()
    scores = vectors_in(rows["vector"]) @ vector if len(rows) else np.empty(0, np.float32)
    total = np.zeros(len(notes))
    for kind, weight in weights.items():
        mine = kinds == kind
        if weight and not mine.any():
            raise UninoteError(f"--weights weighs {kind}, and no note found has such an item; add it to embed.kinds")
        best = np.full(len(notes), -np.inf)
        np.maximum.at(best, owners[mine], scores[mine])
        total += weight * np.where(np.isfinite(best), best, 0.0)
    return total.astype(np.float32)


def _items_of(generation: GenerationLake, notes: list[NoteId], width: int) -> pa.Table:
    place = place_for_readers(generation, embeddings_name(width))
    if place is None:
        raise UninoteError(
            f"--weights scores items by the vectors of the index's lake, and {generation.lake.root} has none of width {width}"
        )
    return RowsById(*place, ("note_id", "kind", "vector")).find(notes)
