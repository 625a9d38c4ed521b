"""Marks in columns: Parquet and Arrow files decoded leaf by leaf, whatever encoding and compression their pages have."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from uninote.takedown.marks import ID, KEY, OF_ITEMS, OF_NOTES, Marks

Found = tuple[str, str, str]
"""A note_id, what of it was found, and where in the file."""


def in_parquet(content: bytes, marks: Marks) -> Iterator[Found]:
    """Yield what a Parquet file has: in its rows, in the bounds of its column chunks, and in the metadata of its footer."""
    file = pq.ParquetFile(io.BytesIO(content))
    for batch in file.iter_batches():
        yield from _in_batch(batch, marks)
    for key, value in (file.metadata.metadata or {}).items():
        for note_id, what in marks.in_text(value.decode("utf-8", "replace")):
            yield note_id, what, f"metadata {key.decode('utf-8', 'replace')}"
    for group in range(file.metadata.num_row_groups):
        for number in range(file.metadata.num_columns):
            column = file.metadata.row_group(group).column(number)
            if column.is_stats_set and column.statistics.has_min_max:
                for value in (column.statistics.min, column.statistics.max):
                    for note_id, what in _in_value(column.path_in_schema, value, marks):
                        yield note_id, what, f"bounds of column {column.path_in_schema}"


def in_arrow(content: bytes, marks: Marks) -> Iterator[Found]:
    """Yield what an Arrow file has."""
    with pa.ipc.open_file(io.BytesIO(content)) as file:
        for number in range(file.num_record_batches):
            yield from _in_batch(file.get_batch(number), marks)


def in_keys(keys: np.ndarray, marks: Marks) -> Iterator[tuple[str, str]]:
    """Yield (note_id, KEY) of those of some int64 keys that are asked for."""
    for key in np.intersect1d(keys, np.fromiter(marks.keys, np.int64, len(marks.keys))).tolist():
        yield marks.keys[key], KEY


def _in_batch(batch: pa.RecordBatch, marks: Marks) -> Iterator[Found]:
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        for path, leaf in _leaves(name, column):
            for note_id, what in set(_in_leaf(path, leaf, marks)):
                yield note_id, what, f"column {path}"


def _leaves(path: str, column: pa.Array) -> Iterator[tuple[str, pa.Array]]:
    """Yield the columns of values within a column, each with its path."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        yield from _leaves(path, column.dictionary_decode())
    elif pa.types.is_struct(kind):
        for number, field in enumerate(kind):
            yield from _leaves(f"{path}.{field.name}", column.field(number))
    elif pa.types.is_map(kind):
        yield from _leaves(f"{path}.key", column.keys)
        yield from _leaves(f"{path}.value", column.items)
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        yield from _leaves(path, column.flatten())
    else:
        yield path, column


def _in_leaf(path: str, leaf: pa.Array, marks: Marks) -> Iterator[tuple[str, str]]:
    kind = leaf.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        if marks.pattern:
            texts = leaf.cast(pa.large_string())
            for text in texts.filter(pc.match_substring_regex(texts, marks.pattern)).unique().to_pylist():
                yield from marks.in_text(text)
    elif pa.types.is_integer(kind):
        parts = path.split(".")
        values = leaf.drop_null().cast(pa.int64(), safe=False).to_numpy()
        if any(part in OF_ITEMS for part in parts):
            yield from in_keys(values, marks)
        if any(part in OF_NOTES for part in parts):
            wanted = [int(one) for one in marks.note_ids if one.removeprefix("-").isdecimal()]
            for value in np.intersect1d(values, np.array(wanted, np.int64)).tolist():
                yield str(value), ID
    elif pa.types.is_binary(kind) and path.split(".")[-1] in OF_ITEMS:
        yield from in_keys(np.frombuffer(b"".join(leaf.drop_null().to_pylist()), np.int64), marks)


def _in_value(path: str, value: object, marks: Marks) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield from marks.in_text(value)
    elif isinstance(value, int):
        yield from marks.in_number(path, value)
