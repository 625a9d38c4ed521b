"""Foreign vectors inside executors: rows of their table in, keys with hashes or vectors out, and checks of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from udfs.arrow import ArrowMap, to_nullable
from uninote.foreign_vectors.checks import Checks, Verdict, check_vector, explain_missing, hash_vector
from uninote.notes.attributes import NOTE_ATTRIBUTES
from uninote.notes.hashing import meta_hash
from uninote.notes.ingest.fields import FieldError, id_number, id_text
from uninote.notes.ingest.formats.parquet_files import Groups, read_groups
from uninote.storage.types import S3Options


@dataclass(frozen=True)
class VectorColumns:
    """Which columns hold keys and vectors, and of which type the lake's note_ids are."""

    key: str
    vector: str
    note_id: pa.DataType

    def note_id_of(self, value: Any) -> str | int | None:
        """Return the note that a key names, null where it can name none."""
        try:
            if not pa.types.is_integer(self.note_id):
                return id_text(value)
            # A text of digits is the number that it is: exports of tables write one as often as the other.
            is_digits = isinstance(value, str) and value.strip().removeprefix("-").isdecimal()
            return id_number(int(value) if is_digits else value)
        except FieldError:
            return None


def make_file_rows(pieces: Sequence[Groups], columns: VectorColumns, s3: S3Options, schema: pa.Schema) -> ArrowMap:
    """Map (id), numbers of pieces, to `schema`: those it names of note_id, key (text), content_hash and foreign (float32)."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for number in (number for batch in batches for number in batch.column(0).to_pylist()):
            for batch in read_groups(pieces[number], [columns.key, columns.vector], s3):
                named = {name: batch.column(name) for name in (columns.key, columns.vector)}
                yield _rows(named[columns.key], named[columns.vector], columns, schema)

    return run


def make_table_rows(columns: VectorColumns, schema: pa.Schema) -> ArrowMap:
    """Map rows of a table, the key and the vector, to `schema` as `make_file_rows` does."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            yield _rows(batch.column(0), batch.column(1), columns, schema)

    return run


def make_meta_hashes(schema: pa.Schema) -> ArrowMap:
    """Map rows of notes with NOTE_ATTRIBUTES to `schema`, which their meta_hash is added for."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            rows = batch.select([*NOTE_ATTRIBUTES]).to_pylist()
            made = pa.array([meta_hash([row[name] for name in NOTE_ATTRIBUTES]) for row in rows], pa.string())
            columns = [made if name == "meta_hash" else batch.column(name) for name in schema.names]
            yield pa.RecordBatch.from_arrays(columns, schema=schema)

    return run


def make_checked(checks: Checks, count: Callable[[int], None], schema: pa.Schema) -> ArrowMap:
    """Map items with their `foreign` vector, null for none, to `schema`: as the model's answers look (see `make_embed`).

    `count` is called with the number of rows done.
    """

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            yield _checked(batch, checks, schema)
            count(batch.num_rows)

    return run


def _rows(keys: pa.Array, vectors: pa.Array, columns: VectorColumns, schema: pa.Schema) -> pa.RecordBatch:
    values = keys.to_pylist()
    rows = _to_rows(vectors)
    made = {
        "note_id": pa.array([columns.note_id_of(value) for value in values], columns.note_id),
        "key": pa.array([None if value is None else str(value) for value in values], pa.string()),
        "content_hash": pa.array([hash_vector(row) for row in rows], pa.string()),
    }
    if "foreign" in schema.names:
        made["foreign"] = _as_list(rows)
    return pa.RecordBatch.from_arrays(
        [made[name].cast(schema.field(name).type) for name in schema.names], schema=schema
    )


def _to_rows(vectors: pa.Array) -> list[np.ndarray | None]:
    """Return each row of a list column as float32 (any,), None for null; a null inside is NaN."""
    # Offsets of any list type become those of one of 64 bits; what is too large for float32 becomes infinity.
    plain = vectors.cast(pa.large_list(vectors.type.value_type))
    with np.errstate(over="ignore"):
        flat = np.asarray(plain.values.to_numpy(zero_copy_only=False), np.float64).astype(np.float32)
    starts = plain.offsets.to_numpy()
    is_there = plain.is_valid().to_numpy(zero_copy_only=False)
    return [flat[starts[n] : starts[n + 1]] if is_there[n] else None for n in range(len(plain))]


def _as_list(rows: Sequence[np.ndarray | None]) -> pa.ListArray:
    """Return rows of any lengths as a list column of float32."""
    lengths = [0 if row is None else len(row) for row in rows]
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    there = [row for row in rows if row is not None]
    flat = np.concatenate(there) if there else np.empty(0, np.float32)
    absent = pa.array([row is None for row in rows], pa.bool_())
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(flat, pa.float32()), mask=absent)


def _checked(batch: pa.RecordBatch, checks: Checks, schema: pa.Schema) -> pa.RecordBatch:
    hashes = batch.column("content_hash").to_pylist()
    verdicts = []
    for row, content_hash in zip(_to_rows(batch.column("foreign")), hashes, strict=True):
        verdicts.append(explain_missing(content_hash) if row is None else check_vector(row, checks))
    ids = batch.column("item_id").to_pylist()
    rejects = [_rejects(item_id, verdict) for item_id, verdict in zip(ids, verdicts, strict=True)]
    columns = {name: batch.column(name) for name in schema.names if name in batch.schema.names}
    columns["vector"] = to_nullable([verdict.vector for verdict in verdicts])
    columns["rejects"] = pa.array(rejects, schema.field("rejects").type)
    zeros = pa.array(np.zeros(batch.num_rows, np.int8))
    made = [columns.get(name, zeros).cast(schema.field(name).type) for name in schema.names]  # nothing was computed
    return pa.RecordBatch.from_arrays(made, schema=schema)


def _rejects(item_id: str, verdict: Verdict) -> list[dict[str, str]]:
    if verdict.vector is not None:
        return []
    return [{"item_id": item_id, "kind": "note", "reason": verdict.reason, "message": verdict.message}]
