"""Images by what they look like: hashed where nobody has yet, and held against those of a gallery's entries."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from udfs.arrow import ArrowMap, to_batch
from udfs.notes.image_content import look_into
from uninote.media.fetching import MediaPolicy
from uninote.media.near_copies import BITS, MAX_DISTANCE, image_hash
from uninote.vectors.hamming import BitStrings

_BYTES = BITS // 8


def make_image_hashes(media: MediaPolicy, count: Callable[[int], None], schema: pa.Schema) -> ArrowMap:
    """Map (digest, uri, content), content null but for inline images, to `schema`: digest, bits, quality, reason.

    What a store does not give now, or gives with other bytes, has no row: it is asked for again. `count` is called with 1 for
    each.
    """

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            found = []
            for row in batch.to_pylist():
                hashed = _hashed(row, media)
                if hashed is not None:
                    found.append(hashed)
                count(1)
            yield pa.RecordBatch.from_pylist(found, schema)

    return run


def _hashed(row: dict[str, Any], media: MediaPolicy) -> dict[str, Any] | None:
    looked = look_into(row, media, image_hash)
    if looked is None:
        return None
    made, reason = looked
    known = {"bits": None, "quality": None} if made is None else made._asdict()
    return {"digest": row["digest"], "reason": reason} | known


def make_near_copies(entries: Callable[[], pa.Table], schema: pa.Schema) -> ArrowMap:
    """Map images of notes, with their `bits` and whether the note `note_changed`, to `schema`: a row for each near copy.

    Out: the columns of the image but those two, those of the entry's image, and `score`, the share of bits that are equal.
    `entries` have `bits` as well, and `entry_changed`: pairs of which neither side changed are left out.
    """

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        parts = entries()
        strings = BitStrings(_as_rows(parts["bits"].combine_chunks()))
        changed = parts["entry_changed"].to_numpy(zero_copy_only=False)
        for batch in batches:
            near = strings.within(_as_rows(batch.column("bits")), MAX_DISTANCE)
            in_scope = batch.column("note_changed").to_numpy(zero_copy_only=False)[near.rows] | changed[near.others]
            rows, found = pa.array(near.rows[in_scope]), pa.array(near.others[in_scope])
            columns = dict(zip(batch.schema.names, batch.take(rows).columns, strict=True))
            columns |= {name: parts[name].combine_chunks().take(found) for name in parts.schema.names}
            columns["score"] = pa.array((1 - near.distances[in_scope] / BITS).astype(np.float32))
            yield to_batch(columns, schema)

    return run


def _as_rows(bits: pa.Array) -> np.ndarray:
    """Return uint8 (n, 32)."""
    return np.frombuffer(b"".join(bits.to_pylist()), np.uint8).reshape(-1, _BYTES)
