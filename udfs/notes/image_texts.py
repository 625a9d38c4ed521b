"""Texts in images inside executors: which files changed, by size and time and then by their bytes; and what they say."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import Any

import pyarrow as pa

from udfs.arrow import ArrowMap
from udfs.worker import load_once
from uninote.media.fetching import (
    TRANSIENT,
    MediaError,
    MediaPolicy,
    copied,
    decode_reduced,
    fetch,
    file_digest,
    file_version,
)
from uninote.ocr.reader import ReadText, TextReader

SHA256 = re.compile("[0-9a-f]{64}")  # other digests are reasons why a file cannot be read


def make_digests(media: MediaPolicy, threads: int, schema: pa.Schema) -> ArrowMap:
    """Map (uri, known), files and their versions in the lake, to `schema`: uri, version and digest of those that changed.

    A file of the known version is not opened. One that cannot be read has a null digest.
    """

    def look(row: dict[str, str | None]) -> dict[str, str | None] | None:
        uri = str(row["uri"])
        version = file_version(uri, media)
        if version == row["known"]:
            return None
        digest = file_digest(uri, media)
        return {"uri": uri, "version": version, "digest": digest if SHA256.fullmatch(digest) else None}

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        with ThreadPoolExecutor(threads) as pool:
            for batch in batches:
                changed = filter(None, pool.map(look, batch.to_pylist()))
                yield pa.RecordBatch.from_pylist(list(changed), schema)

    return run


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
    uri = row["uri"]
    made = {"digest": row["digest"], "engine": reader.engine, "text": None, "reason": None}
    started = perf_counter()
    try:
        content = copied(uri, media)
        if content is None:
            content = fetch(uri, media, {} if row["content"] is None else {uri: row["content"]})
        # Of another file than the one that was hashed, nothing is said: the next run hashes it again.
        if hashlib.sha256(content).hexdigest() != row["digest"]:
            return None
        made["text"] = read(decode_reduced(content, uri, media, reader.fit))
    except MediaError as error:
        if error.reason in TRANSIENT or error.reason == "media_missing":
            return None
        made["reason"] = error.reason
    return made | {"seconds": perf_counter() - started}
