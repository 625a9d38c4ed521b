"""Texts in images inside executors: which files changed, by size and time and then by their bytes; and what they say."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import Any

import pyarrow as pa

from udfs.arrow import ArrowMap
from udfs.notes.image_content import look_into
from udfs.notes.image_files import ImageLook
from udfs.worker import load_once
from uninote.media.fetching import MediaPolicy
from uninote.notes.note import Note, NoteImage
from uninote.ocr.reader import ReadText, TextReader


def make_note_files(media: MediaPolicy, threads: int, schema: pa.Schema) -> ArrowMap:
    """Map (note_id, images, files) to `schema`: note_id, and the files behind its images as they are now.

    `files` is what the lake knows of them; notes of which that is still true are left out, and their files not opened.
    """

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        with ThreadPoolExecutor(threads) as pool:
            for batch in batches:
                rows = batch.to_pylist()
                looked = ImageLook(media, pool, opens=True).look(
                    list(map(_note, rows)), [row["files"] or () for row in rows]
                )
                changed = []
                for row, found in zip(rows, looked, strict=True):
                    if found.is_new:
                        changed.append({"note_id": row["note_id"], "files": found.stored})
                yield pa.RecordBatch.from_pylist(changed, schema)

    return run


def _note(row: Mapping[str, Any]) -> Note:
    images = []
    for image in filter(None, row["images"] or ()):
        images.append(NoteImage(image["uri"] or "", ""))
    return Note(images=tuple(images))


def make_texts(reader: TextReader, media: MediaPolicy, count: Callable[[int], None], schema: pa.Schema) -> ArrowMap:
    """Map (digest, uri, content), content null but for inline images, to `schema`: digest, engine, text, reason, seconds.

    `text` is "" where nothing is written, null where the image cannot be decoded, which `reason` names. What a store does
    not give now has no row: it is asked for again. One image at a time is in memory. `count` is called with 1 for each.
    """

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        read = load_once(f"ocr-{reader.engine}", reader.load)
        for batch in batches:
            found = []
            for row in batch.to_pylist():
                text = _text_of(row, reader, read, media)
                if text is not None:
                    found.append(text)
                count(1)
            yield pa.RecordBatch.from_pylist(found, schema)

    return run


def _text_of(row: dict[str, Any], reader: TextReader, read: ReadText, media: MediaPolicy) -> dict[str, Any] | None:
    started = perf_counter()
    looked = look_into(row, media, reader.fit)
    if looked is None:
        return None
    image, reason = looked
    text = None if image is None else read(image)
    made = {"digest": row["digest"], "engine": reader.engine, "text": text, "reason": reason}
    return made | {"seconds": perf_counter() - started}
