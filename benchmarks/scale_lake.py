"""A lake of drawn vectors of any number, as embed would leave it: tasks draw and write parts, and no process holds all."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql.types import LongType, StringType, StructField, StructType

from udfs.arrow import to_array, to_matrix
from udfs.neighbours.files import file_record
from uninote.lake.delta_files import files_of, replace_files
from uninote.lake.parquet_files import DataFile, write_file
from uninote.lake.paths import embeddings_name
from uninote.lake.schemas import embeddings_table, items_table, notes_table
from uninote.pipelines.embed.commit import versions
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.run import Outcome, Run, record
from uninote.pipelines.neighbours.output.files import RECORD_FIELDS

PART_ROWS = 250_000
CLUSTER_ROWS = 1000  # on average


@dataclass(frozen=True)
class Drawn:
    """Unit vectors around random centres, as far from them as the centres are from the origin, in parts of PART_ROWS.

    The n-th largest cluster has rows in proportion to n ** -skew: 0 gives clusters of one size.
    """

    rows: int
    width: int
    skew: float
    seed: int

    @property
    def parts(self) -> int:
        """How many parts there are."""
        return -(-self.rows // PART_ROWS)

    def part(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Return (keys int64, vectors float32) of one part: the same whoever draws it."""
        start = number * PART_ROWS
        keys = np.arange(start, min(start + PART_ROWS, self.rows))
        clusters = max(1, self.rows // CLUSTER_ROWS)
        centres = np.random.default_rng(self.seed).standard_normal((clusters, self.width), dtype=np.float32)
        shares = np.arange(1, clusters + 1) ** -self.skew
        random = np.random.default_rng([self.seed, number])
        vectors = centres[random.choice(clusters, len(keys), p=shares / shares.sum())]
        vectors += random.standard_normal(vectors.shape, dtype=np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return keys, vectors


def make_lake(run: Run, drawn: Drawn) -> None:
    """Write notes without texts, their items and vectors, and the ledger's entry of embed."""
    note_id = LongType()
    notes = notes_table(note_id)
    empty = []
    for field in notes.schema:
        if field.name != "note_id":
            empty.append(f"CAST(NULL AS {field.dataType.simpleString()}) AS {field.name}")
    tables.overwrite(run.spark.range(drawn.rows).selectExpr("id AS note_id", *empty), notes, run.lake.uri("notes"))
    specs = [items_table(note_id), embeddings_table(note_id, embeddings_name(drawn.width))]
    folders = [run.generation.uri(spec.name) for spec in specs]
    columns = [spec.columns for spec in specs]
    generation = run.model.generation

    def write(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for number in batch.column(0).to_pylist():
                rows = _rows(*drawn.part(number), generation)
                for folder, names in zip(folders, columns, strict=True):
                    written = file_record(folder, write_file(rows.select(names), folder))
                    yield written

    numbers = run.spark.range(0, drawn.parts, 1, drawn.parts)
    written = numbers.mapInArrow(write, StructType([StructField("kind", StringType()), *RECORD_FIELDS.fields[1:]]))
    found = written.collect()
    for spec, folder in zip(specs, folders, strict=True):
        files = []
        for row in found:
            if row["kind"] == folder:
                bounds = json.loads(row["low"]), json.loads(row["high"])
                files.append(DataFile(row["path"], row["size"], row["rows"], *bounds))
        replace_files(folder, spec.schema.json(), files)
    outcome = Outcome("done", {}, {"notes": 0}, versions(run, (drawn.width,)), next_key=10**9)
    record(run, "embed", "all", outcome, time.time())


def _rows(keys: np.ndarray, vectors: np.ndarray, generation: str) -> pa.Table:
    count = len(keys)

    def constant(value: str) -> pa.Array:
        return pa.repeat(pa.scalar(value), count)

    columns = {
        "item_key": pa.array(keys),
        "item_id": pa.array(keys).cast(pa.string()),
        "note_id": pa.array(keys),
        "kind": constant("note"),
        "content_hash": constant("drawn"),
        "meta_hash": constant(""),
        "degraded": pa.repeat(pa.scalar(False), count),
        "generation": constant(generation),
        "tokens_cut": pa.nulls(count, pa.int32()),
        "tokens_cut_estimated": pa.nulls(count, pa.bool_()),
        "images_left_out": pa.nulls(count, pa.int32()),
        "vector": to_array(vectors),
    }
    return pa.table(columns)


def stored_parts(run: Run, width: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield (keys, vectors) of each file of the stored vectors."""
    for file in files_of(run.generation.uri(embeddings_name(width))):
        table = pq.read_table(file.path, columns=["item_key", "vector"])
        yield table["item_key"].to_numpy(), to_matrix(table["vector"].combine_chunks())
