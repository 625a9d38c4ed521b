"""The vectors of one width in a pinned version, as workers read them from the table's files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql.types import ArrayType, FloatType, LongType, StructField, StructType

from udfs.arrow_vectors import read_rows, to_matrix
from udfs.notes import ArrowMap
from udfs.samples import make_exact, make_pick, make_survey
from udfs.stored_rows import Read, make_item_reader, over_files
from uninote.delta_files import files_of
from uninote.neighbours.merge import merge_topk
from uninote.neighbours.recall import tie_aware_recall
from uninote.neighbours.truth import exact_scores
from uninote.parquet_files import DataFile
from uninote.pipelines.run import Run
from uninote.pipelines.snapshot import Snapshot
from uninote.sampling import first_in_order
from uninote.schemas import VECTOR

_TASK_BYTES = 256 << 20  # of the files that one task reads
_KEY = StructField("item_key", LongType())
_LISTS = StructType(
    [
        _KEY,
        StructField("neighbour_keys", ArrayType(LongType(), False)),
        StructField("scores", ArrayType(FloatType(), False)),
    ]
)


@dataclass(frozen=True)
class Survey:
    """How many rows there are, and a sample of them: `keys` int64 and `note_ids`, in the order of the sample."""

    rows: int
    keys: np.ndarray
    note_ids: pa.Array


@dataclass(frozen=True)
class StoredVectors:
    """The embeddings of `width` of items of these kinds, as a snapshot left them."""

    run: Run
    snapshot: Snapshot
    width: int
    kinds: Sequence[str] = ("note",)

    @cached_property
    def files(self) -> list[DataFile]:
        """The table's files. Raises MissingTableError when the width is not embedded."""
        name = self.snapshot.vectors_name(self.width)
        return files_of(self.run.generation.uri(name), self.snapshot.versions[name])

    def scan(
        self, function: ArrowMap, schema: StructType, columns: Sequence[str], parts: int | None = None
    ) -> DataFrame:
        """Return what `function` makes of some columns of all rows, perhaps in `parts` tasks."""
        read = make_item_reader(columns, self.kinds, self.run.model.generation)
        return scan_files(self.run, self.files, read, function, schema, parts)

    def survey(self, count: int, seed: int) -> Survey:
        """Count the rows, and draw `count` of them."""
        note_id = self.run.note_id
        fields = [StructField("rows", LongType()), StructField("item_key", ArrayType(LongType()))]
        schema = StructType([*fields, StructField("note_id", ArrayType(note_id))])
        found = self.scan(make_survey(count, seed), schema, ["item_key", "note_id"]).toArrow()
        keys, ids = (found[name].combine_chunks().flatten() for name in ("item_key", "note_id"))
        chosen = pa.array(first_in_order(keys.to_numpy(), count, seed))
        return Survey(sum(found["rows"].to_pylist()), keys.take(chosen).to_numpy(), ids.take(chosen))

    def pick(self, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (keys int64 ascending, vectors float32) of those of `keys` that are there."""
        wanted = self.run.spark.sparkContext.broadcast(np.unique(keys))
        schema = StructType([_KEY, StructField("vector", VECTOR)])
        rows = self.scan(make_pick(lambda: wanted.value), schema, ["item_key", "vector"]).toArrow()
        wanted.destroy()
        found, matrix = read_rows(rows.to_batches())
        order = np.argsort(found)
        return found[order], matrix.reshape(-1, self.width)[order]

    def exact(self, keys: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the true (keys, scores) of the rows `keys`, ascending, each (len(keys), k), best first, -1 and -inf padded."""
        if not len(keys):
            return np.empty((0, k), np.int64), np.empty((0, k), np.float32)
        queries = self.run.spark.sparkContext.broadcast(self.pick(keys))
        found = self.scan(make_exact(lambda: queries.value, k), _LISTS, ["item_key", "vector"]).toArrow()
        queries.destroy()
        # Each task answers every query once: after sorting, a query's lists stand side by side.
        by_query = found.sort_by("item_key")
        partial_keys, partial_scores = (
            to_matrix(by_query[name].combine_chunks()).reshape(len(keys), -1) for name in ("neighbour_keys", "scores")
        )
        return merge_topk(partial_keys, partial_scores, k)

    def recall(self, keys: np.ndarray, found: np.ndarray, best: np.ndarray) -> float:
        """Return the tie-aware recall of `found`, int64 (len(keys), any), -1 where there is none, against scores `best`.

        What was found is scored from the stored vectors, never by the word of whoever found it.
        """
        known, matrix = self.pick(np.concatenate([keys, found[found >= 0]]))
        scores = exact_scores(matrix[np.searchsorted(known, keys)], iter([(known, matrix)]), found)
        return tie_aware_recall(scores, best, best.shape[1])


def scan_files(
    run: Run, files: Sequence[DataFile], read: Read, function: ArrowMap, schema: StructType, parts: int | None = None
) -> DataFrame:
    """Return what `function` makes of the rows that `read` finds in files, in `parts` tasks or as many as suit their sizes."""
    cores = run.spark.sparkContext.defaultParallelism
    parts = parts or max(1, min(len(files), max(cores, sum(file.size for file in files) // _TASK_BYTES)))
    numbers = run.spark.range(0, len(files), 1, parts)
    return numbers.mapInArrow(over_files(function, read, [file.path for file in files]), schema)
