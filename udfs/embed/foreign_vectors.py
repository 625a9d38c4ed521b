"""Foreign vectors inside executors: rows of their table in, keys with hashes or vectors out, and checks of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from udfs.arrow import ArrowMap, numbers_in, to_batch, to_nullable
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
        for number in numbers_in(batches):
            for batch in read_groups(pieces[number], [columns.key, columns.vector], s3):
                yield _rows(batch.column(columns.key), batch.column(columns.vector), columns, schema)

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
            columns = dict(zip(batch.schema.names, batch.columns, strict=True))
            hashes = []
            for row in batch.select([*NOTE_ATTRIBUTES]).to_pylist():
                hashes.append(meta_hash([row[name] for name in NOTE_ATTRIBUTES]))
            columns["meta_hash"] = pa.array(hashes, pa.string())
            yield to_batch(columns, schema)

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
        "note_id": pa.array(list(map(columns.note_id_of, values)), columns.note_id),
        "key": pa.array([None if value is None else str(value) for value in values], pa.string()),
        "content_hash": pa.array(list(map(hash_vector, rows)), pa.string()),
    }
    if "foreign" in schema.names:
        made["foreign"] = _as_list(rows)
    return to_batch(made, schema)


def _to_rows(vectors: pa.Array) -> list[np.ndarray | None]:
    """Return each row of a list column as float32 (any,), None for null; a null inside is NaN."""
    # Offsets of any list type become those of one of 64 bits; what is too large for float32 becomes infinity.
    plain = vectors.cast(pa.large_list(vectors.type.value_type))
    with np.errstate(over="ignore"):
        flat = np.asarray(plain.values.to_numpy(zero_copy_only=False), np.float64).astype(np.float32)
    starts = plain.offsets.to_numpy()
    is_there = plain.is_valid().to_pylist()
    rows: list[np.ndarray | None] = []
    for there, start, end in zip(is_there, starts[:-1], starts[1:], strict=True):
        rows.append(flat[start:end] if there else None)
    return rows


def _as_list(rows: Sequence[np.ndarray | None]) -> pa.ListArray:
    """Return rows of any lengths as a list column of float32."""
    ends = [0]
    absent = []
    values = [np.empty(0, np.float32)]
    for row in rows:
        absent.append(row is None)
        if row is not None:
            values.append(row)
        ends.append(ends[-1] + (0 if row is None else len(row)))
    offsets = pa.array(ends, pa.int32())
    flat = pa.array(np.concatenate(values), pa.float32())
    return pa.ListArray.from_arrays(offsets, flat, mask=pa.array(absent, pa.bool_()))


def _checked(batch: pa.RecordBatch, checks: Checks, schema: pa.Schema) -> pa.RecordBatch:
    hashes = batch.column("content_hash").to_pylist()
    ids = batch.column("item_id").to_pylist()
    vectors = []
    rejects = []
    for row, content_hash, item_id in zip(_to_rows(batch.column("foreign")), hashes, ids, strict=True):
        verdict = explain_missing(content_hash) if row is None else check_vector(row, checks)
        vectors.append(verdict.vector)
        rejects.append(_rejects(item_id, verdict))
    # Nothing was computed, so that whatever a model would have taken is 0.
    columns = dict.fromkeys(schema.names, pa.array(np.zeros(batch.num_rows, np.int8)))
    columns |= dict.fromkeys(("device", "known_cosine", "image_hashes"), pa.nulls(batch.num_rows))
    columns |= dict(zip(batch.schema.names, batch.columns, strict=True))
    columns["vector"] = to_nullable(vectors)
    columns["rejects"] = pa.array(rejects, schema.field("rejects").type)
    return to_batch(columns, schema)


def _rejects(item_id: str, verdict: Verdict) -> list[dict[str, str]]:
    if verdict.vector is not None:
        return []
    return [{"item_id": item_id, "kind": "note", "reason": verdict.reason, "message": verdict.message}]
