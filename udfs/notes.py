"""Notes out of Arrow rows, and their fingerprints."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa

from uninote.hashing import content_hash, meta_hash
from uninote.media import MediaPolicy, fingerprint
from uninote.notes import Note, NoteImage

MODEL_COLUMNS = ("title", "body", "topics", "images")
META_COLUMNS = ("category", "author", "language", "visibility")

ArrowMap = Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]


def to_note(row: dict[str, Any]) -> Note:
    """Return the note of one row of the notes table; nulls become empty."""
    return Note(
        title=row["title"] or "",
        body=row["body"] or "",
        topics=tuple(topic for topic in row["topics"] or () if topic),
        images=tuple(NoteImage(image["uri"] or "", image["ocr"] or "") for image in row["images"] or () if image),
    )


def make_fingerprint(media: MediaPolicy, schema: pa.Schema) -> ArrowMap:
    """Map rows of the notes table to `schema`: note_id, item_id, content_hash, meta_hash. Opens no file, only looks."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            rows = [_fingerprint_row(row, media) for row in batch.to_pylist()]
            yield pa.RecordBatch.from_pylist(rows, schema=schema)

    return run


def _fingerprint_row(row: dict[str, Any], media: MediaPolicy) -> dict[str, Any]:
    note = to_note(row)
    return {
        "note_id": row["note_id"],
        "item_id": str(row["note_id"]),
        "content_hash": content_hash(note, [fingerprint(image.uri, media) for image in note.images]),
        "meta_hash": meta_hash([row[column] for column in META_COLUMNS]),
    }
