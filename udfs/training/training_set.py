"""Notes read for training inside executors: their sound images, by digest, and the digests that duplicates share."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

import pyarrow as pa

from udfs.arrow import ArrowMap
from udfs.embed.prefetch import map_ahead
from uninote.media.fetching import MediaError, MediaPolicy, decode, fetch
from uninote.training.from_notes.groups import note_digests
from uninote.training.from_notes.note_rows import SourceNote, described_images, source_note

SOURCES = pa.schema(
    [
        pa.field("note_id", pa.string()),
        pa.field("note", pa.string()),
        pa.field("digests", pa.list_(pa.string())),
        pa.field("files", pa.list_(pa.struct([("digest", pa.string()), ("content", pa.binary())]))),
        pa.field("unreadable", pa.int32()),
    ]
)
"""`note` is a SourceNote as JSON; `digests` are its `note_digests`; `files` its images, encoded;
`unreadable` how many images were left out.
"""


def make_sources(policy: MediaPolicy, threads: int) -> ArrowMap:
    """Map rows of notes, with `inline` images, to SOURCES. An image that cannot be decoded is left out."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        with ThreadPoolExecutor(threads) as pool:
            for batch in batches:
                rows = list(map_ahead(pool, lambda row: _source(row, policy), batch.to_pylist(), 4 * threads))
                yield pa.RecordBatch.from_pylist(rows, schema=SOURCES)

    return run


def read_source(text: str) -> SourceNote:
    """Return the note that `SOURCES.note` holds."""
    return source_note(json.loads(text))


def _source(row: Mapping[str, Any], policy: MediaPolicy) -> dict[str, Any]:
    inline = {image["uri"]: image["content"] for image in row["inline"] or ()}
    images = []
    files = {}
    unreadable = 0
    for image in described_images(row):
        try:
            content = fetch(image["uri"], policy, inline)
            # Decoded only to see whether it can be: training reads the encoded bytes.
            decode(content, image["uri"], policy)
        except MediaError:
            unreadable += 1
            continue
        digest = hashlib.sha256(content).hexdigest()
        files[digest] = content
        images.append({"digest": digest, "ocr": image["ocr"], "caption": image["caption"]})
    note = source_note({**row, "images": images, "caption": None if images else row["caption"]})
    return {
        "note_id": note.note_id,
        "note": json.dumps(asdict(note), ensure_ascii=True),
        "digests": note_digests(note),
        "files": [{"digest": digest, "content": content} for digest, content in files.items()],
        "unreadable": unreadable,
    }
