"""Notes out of Arrow rows, and the hashes by which a change of them is seen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any

import pyarrow as pa

from uninote.media.fetching import UNREACHABLE, MediaPolicy, file_version
from uninote.notes.attributes import NOTE_ATTRIBUTES
from uninote.notes.hashing import content_hash, meta_hash
from uninote.notes.note import Note, NoteImage

MODEL_COLUMNS = ("title", "body", "topics", "images")

ArrowMap = Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]


def to_note(row: Mapping[str, Any]) -> Note:
    """Return the note of one row of the notes table; nulls become empty."""
    return Note(
        title=row["title"] or "",
        body=row["body"] or "",
        topics=tuple(topic for topic in row["topics"] or () if topic),
        images=tuple(NoteImage(image["uri"] or "", image["ocr"] or "") for image in row["images"] or () if image),
    )


def make_content_hashes(media: MediaPolicy, threads: int, schema: pa.Schema) -> ArrowMap:
    """Map rows of items to `schema`: those of their columns it names, content_hash, meta_hash and unreachable.

    `unreachable`: the store of one of its images does not answer, so that the content_hash says nothing of that one.
    Media are looked at in `threads`, never opened.
    """

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        with ThreadPoolExecutor(threads) as pool:
            for batch in batches:
                yield _hashed(batch, media, pool, schema)

    return run


def _hashed(batch: pa.RecordBatch, media: MediaPolicy, pool: Executor, schema: pa.Schema) -> pa.RecordBatch:
    columns = {name: batch.column(name) for name in schema.names if name in batch.schema.names}
    rows = batch.select([*MODEL_COLUMNS, *NOTE_ATTRIBUTES]).to_pylist()
    notes = [to_note(row) for row in rows]
    # Each file of a batch is asked for once, in threads: a store takes its time to answer.
    uris = sorted({image.uri for note in notes for image in note.images})
    found = dict(zip(uris, pool.map(lambda uri: file_version(uri, media), uris), strict=True))
    hashes = [content_hash(note, [found[image.uri] for image in note.images]) for note in notes]
    columns["content_hash"] = pa.array(hashes)
    columns["unreachable"] = pa.array(
        [any(found[image.uri] == UNREACHABLE for image in note.images) for note in notes], pa.bool_()
    )
    columns["meta_hash"] = pa.array([meta_hash([row[column] for column in NOTE_ATTRIBUTES]) for row in rows])
    return pa.RecordBatch.from_arrays(
        [columns[name].cast(schema.field(name).type) for name in schema.names], schema=schema
    )
