"""The vectors of one width in a pinned version, as workers read them from the table's files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, BinaryType, FloatType, LongType, StringType, StructField, StructType

from udfs.arrow import ArrowMap, read_rows, to_matrix
from udfs.neighbours.cells import vectors_as_bytes
from udfs.samples import make_exact, make_sample, make_share
from udfs.table_files import Keys, as_read, make_item_reader, make_reader
from uninote.errors import UninoteError
from uninote.evaluation.estimates import Estimate, estimate_recall
from uninote.lake.delta_files import MissingFilesError, present_files
from uninote.lake.parquet_files import DataFile, remedy_of
from uninote.lake.schemas import VECTOR, embeddings_table
from uninote.neighbours.recall import count_found, exact_scores, known_scores
from uninote.neighbours.results.lists import Lists
from uninote.pipelines.lake.reading.file_rows import FileRows, is_small, shared
from uninote.pipelines.lake.reading.snapshot import Snapshot
from uninote.pipelines.lake.run import Run
from uninote.vectors.sampling import first_in_order, share_of
from uninote.vectors.top_k import merge_topk

_TIE = 1e-5  # scores that differ by less may be those of neighbours that are as near
_KEY = StructField("item_key", LongType())
_KIND = StructField("kind", StringType())
_LISTS = StructType(
    [
        _KEY,
        StructField("neighbour_keys", ArrayType(LongType(), False)),
        StructField("scores", ArrayType(FloatType(), False)),
    ]
)


@dataclass(frozen=True)
class VectorSample:
    """How many rows there are, and a sample of them: `keys` int64 ascending, their `note_ids` and `vectors` float32."""

    rows: int
    keys: np.ndarray
    note_ids: pa.Array
    vectors: np.ndarray


@dataclass(frozen=True)
class StoredVectors:
    """The embeddings of `width` of items of these kinds, as a snapshot left them.

    Reading a vector that another encoder made fails: two generations never meet.
    """

    run: Run
    snapshot: Snapshot
    width: int
    kinds: Sequence[str] = ("note",)

    @cached_property
    def files(self) -> list[DataFile]:
        """The table's files. Raises MissingTableError when the width is not embedded, UninoteError where one is gone."""
        name = self.snapshot.vectors_name(self.width)
        try:
            return present_files(self.run.generation.uri(name), self.snapshot.versions[name])
        except MissingFilesError as error:
            raise UninoteError(f"{error}{remedy_of(name)}") from error

    @cached_property
    def count(self) -> int:
        """How many rows there are."""
        if is_small(self.files):
            kinds = FileRows(self.run, self.files, make_reader(["kind"])).collect(as_read, StructType([_KIND]))
            return int(pc.sum(pc.is_in(kinds["kind"], pa.array([*self.kinds]))).as_py() or 0)
        # By Spark: it reads the column of kinds alone, and starts no Python for it.
        stored = self.snapshot.read(self.snapshot.vectors_name(self.width))
        return stored.where(F.col("kind").isin(*self.kinds)).count()

    def scan(
        self,
        function: ArrowMap,
        schema: StructType,
        columns: Sequence[str],
        parts: int | None = None,
        keys: Keys | None = None,
    ) -> DataFrame:
        """Return what `function` makes of some columns of all rows, or of those of `keys`, perhaps in `parts` tasks."""
        return self._rows(columns, keys).scan(function, schema, parts)

    def _rows(self, columns: Sequence[str], keys: Keys | None = None) -> FileRows:
        return FileRows(self.run, self.files, make_item_reader(columns, self.kinds, self.run.model.generation, keys))

    def sample(self, count: int, seed: int, *, read_vectors: bool = True) -> VectorSample:
        """Count the rows, and draw `count` of them; unless vectors are to be read, there are none."""
        columns = self._columns if read_vectors else StructType(self._columns.fields[:2])
        # A row for each task: how many rows it read, and those that it drew, a list for each column.
        schema = StructType([StructField("rows", LongType())])
        for field in columns:
            schema.add(field.name, ArrayType(field.dataType))
        found = self._rows(columns.names).collect(make_sample(count, seed), schema)
        drawn = {}
        for name in columns.names:
            drawn[name] = found[name].combine_chunks().flatten()
        sampled = pa.table(drawn)
        first = first_in_order(sampled["item_key"].to_numpy(), count, seed)
        sampled = sampled.take(pa.array(first)).sort_by("item_key")
        matrix = read_rows(sampled.to_batches())[1] if read_vectors else np.empty((0, 0), np.float32)
        keys = sampled["item_key"].to_numpy()
        note_ids = sampled["note_id"].combine_chunks()
        return VectorSample(sum(found["rows"].to_pylist()), keys, note_ids, matrix.reshape(-1, self.width))

    def draw(self, count: int, seed: int) -> np.ndarray:
        """Return float32 (at most count, width), in order of key: the vectors of the sample that `sample` draws.

        For samples so large that a task could not hold one: only a share that is cut by hash leaves the tasks.
        """
        schema = with_bytes(StructType([_KEY, StructField("vector", VECTOR)]))
        share = share_of(count, self.count)
        found = self._rows(schema.names).collect(make_share(share, seed, vectors_as_bytes), schema)
        keys = found["item_key"].to_numpy()
        chosen = np.zeros(len(keys), dtype=bool)
        chosen[first_in_order(keys, count, seed)] = True
        # By batch, since all vectors together may be more than a column of bytes can hold.
        _, matrix = read_rows(found.filter(pa.array(chosen)).to_batches())
        return matrix.reshape(-1, self.width)[np.argsort(keys[chosen])]

    def pick(self, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (keys int64 ascending, vectors float32) of those of `keys` that are there."""
        rows = self.held(("item_key", "vector"), np.unique(keys))
        found, matrix = read_rows(rows.to_batches())
        order = np.argsort(found)
        return found[order], matrix.reshape(-1, self.width)[order]

    def held(self, columns: Sequence[str], keys: np.ndarray | None = None) -> pa.Table:
        """Return what `rows` does, held by this process: some columns of all rows, or of those of `keys` that are there."""
        with shared(self.run, self.files, np.empty(0, np.int64) if keys is None else keys) as wanted:
            rows = self._rows(columns, None if keys is None else wanted)
            return rows.collect(vectors_as_bytes, self._as_bytes(columns))

    def rows(self, columns: Sequence[str], keys: Keys | None = None) -> DataFrame:
        """Return some columns of all rows, or of those of `keys` that are there; vectors are bytes.

        Of files without any of `keys` the keys alone are read.
        """
        return self._rows(columns, keys).scan(vectors_as_bytes, self._as_bytes(columns))

    def _as_bytes(self, columns: Sequence[str]) -> StructType:
        table = embeddings_table(self.run.note_id, self.snapshot.vectors_name(self.width)).schema
        return with_bytes(StructType([table[name] for name in columns]))

    @property
    def _columns(self) -> StructType:
        return StructType([_KEY, StructField("note_id", self.run.note_id), StructField("vector", VECTOR)])

    def exact(self, keys: np.ndarray, vectors: np.ndarray, k: int) -> Lists:
        """Return the true lists of some rows, (len(keys), k), whose ids are keys.

        Those are `keys`, int64 ascending, and their `vectors`.
        """
        if not len(keys):
            return Lists(np.empty((0, k), np.int64), np.empty((0, k), np.float32))
        with shared(self.run, self.files, (keys, vectors)) as queries:
            found = self._rows(["item_key", "vector"]).collect(make_exact(queries, k), _LISTS)
        # Each task answers every query once: after sorting, a query's lists stand side by side.
        by_query = found.sort_by("item_key")
        partial_keys = to_matrix(by_query["neighbour_keys"].combine_chunks()).reshape(len(keys), -1)
        partial_scores = to_matrix(by_query["scores"].combine_chunks()).reshape(len(keys), -1)
        return Lists(*merge_topk(partial_keys, partial_scores, k))

    def recall(self, keys: np.ndarray, found: np.ndarray, truth: Lists, *, k: int, rows: int) -> Estimate:
        """Estimate the tie-aware recall at `k` of all `rows` by `found`, int64 (len(keys), any), -1 for none, of a sample.

        `truth` is what `exact` returned. What was found is scored from the stored vectors, never by the word of whoever found
        it. What is not in a truth of more than `k`, whose last score is below the k-th, counts for nothing: its vector is not
        even read.
        """
        scores = known_scores(found, truth)
        ends_in_tie = (
            truth.scores[:, -1] >= truth.scores[:, k - 1] - _TIE if truth.scores.shape[1] else np.ones(0, bool)
        )
        others = np.where(np.isneginf(scores) & ends_in_tie[:, None], found, -1)
        asked = np.flatnonzero((others >= 0).any(axis=1))
        if len(asked):
            known, matrix = self.pick(np.concatenate([keys[asked], others[others >= 0]]))
            queries = matrix[np.searchsorted(known, keys[asked])]
            scores[asked] = np.maximum(scores[asked], exact_scores(queries, iter([(known, matrix)]), others[asked]))
        return estimate_recall(*count_found(scores, truth.scores, k), rows)


def with_bytes(schema: StructType) -> StructType:
    """Return the columns of rows whose `vector` is bytes."""
    stored = StructType()
    for field in schema:
        stored.add(field.name, BinaryType() if field.name == "vector" else field.dataType)
    return stored
