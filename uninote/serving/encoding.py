"""Lists of a neighbour table as bodies of an online store, straight from Arrow's buffers."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pyarrow as pa

from uninote.serving.layout import BODY, NUMBERS, TEXTS, NoteId, StoreError

_LONGEST_ID = 65_535  # bytes: lengths are uint16


def encoded(rows: pa.Table) -> Iterator[tuple[NoteId, bytes]]:
    """Yield (note_id, body) of each row of `rows`: note_id, and neighbours, array<struct<note_id, score>>.

    Raises StoreError for an id of a neighbour of more than 65,535 bytes.
    """
    lists = rows["neighbours"].combine_chunks()
    entries = lists.flatten()
    starts = np.concatenate(
        [[0], np.cumsum(lists.value_lengths().fill_null(0).to_numpy(zero_copy_only=False))]
    ).tolist()
    scores = np.ascontiguousarray(entries.field("score").to_numpy(zero_copy_only=False), "<f4")
    ids = entries.field("note_id")
    numeric = pa.types.is_integer(ids.type)
    bodies = _numbers(ids, scores, starts) if numeric else _texts(ids, scores, starts)
    return zip(rows["note_id"].to_pylist(), bodies, strict=True)


def _numbers(ids: pa.Array, scores: np.ndarray, starts: list[int]) -> Iterator[bytes]:
    numbers = np.ascontiguousarray(ids.to_numpy(zero_copy_only=False), "<i8")
    for low, high in pairwise(starts):
        yield BODY.pack(NUMBERS, high - low) + numbers[low:high].tobytes() + scores[low:high].tobytes()


def _texts(ids: pa.Array, scores: np.ndarray, starts: list[int]) -> Iterator[bytes]:
    texts = ids.cast(pa.binary())
    _, where, data = texts.buffers()
    # A slice of an array shares its buffers: its first offset is not the buffer's, nor always 0.
    offsets = np.frombuffer(where, "<i4", len(texts) + 1, texts.offset * 4) if len(texts) else np.zeros(1, np.int32)
    lengths = np.diff(offsets)
    if len(lengths) and lengths.max() > _LONGEST_ID:
        raise StoreError(
            f"an id of a note has {lengths.max():,} bytes, and an online store takes at most {_LONGEST_ID:,}; give such notes "
            "shorter ids"
        )
    lengths = lengths.astype("<u2")
    raw = memoryview(data) if data is not None else memoryview(b"")
    for low, high in pairwise(starts):
        words = bytes(raw[offsets[low] : offsets[high]])
        yield BODY.pack(TEXTS, high - low) + lengths[low:high].tobytes() + words + scores[low:high].tobytes()
