"""What the scores of a search mean: strengths by the background of neighbours, confidences by their map."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from uninote.confidence.confidence_map import ConfidenceMap
from uninote.confidence.features import features_of, gaps
from uninote.confidence.stored_maps import read_maps
from uninote.lake.paths import GenerationLake
from uninote.lake.releases.readers import place_for_readers
from uninote.lake.reserved import NEIGHBOURS
from uninote.lake.small_tables import read_batches
from uninote.neighbours.background import Background, FlatScores, strengths
from uninote.vectors.widths import truncate

BACKGROUND = "neighbour_background"  # the table of the notes that scores are held against
MAPS = "confidence_maps"


@dataclass(frozen=True)
class Answers:
    """What was found for n queries, best first and flat: `notes`, their `scores` float32, and the `lengths` (n,) of lists."""

    notes: pa.Array
    scores: np.ndarray
    lengths: np.ndarray


@dataclass(frozen=True)
class Scale:
    """What scores of `width` are held against: the `background`, whose keys are places among `ids`.

    The first `k` found are relatives. `confidence` is the map of the table neighbours; null where there is none, or it is of
    another width.
    """

    ids: pa.Array
    background: Background
    width: int
    k: int
    confidence: ConfidenceMap | None

    def strengths(self, found: Answers, backgrounds: np.ndarray) -> np.ndarray:
        """Return float32, flat, NaN where unknown; `backgrounds` (n, 2) of the queries as `Background.of_rows` returns them."""
        ids = self.ids.cast(found.notes.type)
        places = pc.index_in(found.notes, value_set=ids).fill_null(-1).to_numpy(zero_copy_only=False)
        # A query is no part of the sample, nor are its parts.
        lists = FlatScores(np.full(len(found.lengths), -1), places.astype(np.int64), found.scores, found.lengths)
        return strengths(lists, backgrounds, self.background.keys, self.k)

    def confidences(self, found: Answers, values: np.ndarray, means: np.ndarray) -> np.ndarray:
        """Return float32, flat, NaN where unknown, by strengths and the mean scores of the notes' own lists, both flat."""
        if self.confidence is None:
            return np.full(len(values), np.nan, np.float32)
        gap = gaps(found.scores, found.lengths, self.k)
        return self.confidence.of(features_of(values, found.scores, means, gap))


def open_scale(generation: GenerationLake, width: int, k: int) -> Scale | None:
    """Return what scores of `width` are held against; null where neighbours have no background of it.

    Vectors of a narrower width are cut from those of the join, which those of a wider one are not known from. Raises MapError.
    """
    place = place_for_readers(generation, BACKGROUND)
    batches = [] if place is None else [*read_batches(place[0], ("note_id", "vector"), place[1])]
    drawn = pa.Table.from_batches(batches) if batches else None
    if not drawn:
        return None
    vectors = vectors_in(drawn["vector"])
    if vectors.shape[1] < width:
        return None
    background = Background.of(np.arange(len(drawn)), truncate(vectors, width))
    found = None if vectors.shape[1] != width else _map(generation)
    return Scale(drawn["note_id"].combine_chunks(), background, width, k, found)


def vectors_in(column: pa.ChunkedArray) -> np.ndarray:
    """Return float32 (rows, width) of a column of lists of one length, of at least one row and without nulls."""
    flat = column.combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return np.asarray(flat, np.float32).reshape(len(column), -1)


def _map(generation: GenerationLake) -> ConfidenceMap | None:
    place = place_for_readers(generation, MAPS)
    stored = None if place is None else read_maps(generation, place[1]).get(NEIGHBOURS)
    return None if stored is None else stored.found
