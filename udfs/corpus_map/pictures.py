"""Small pictures of images, made where the images are read."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from udfs.arrow import ArrowMap
from uninote.media.fetching import MediaError, MediaPolicy, load_image
from uninote.report.thumbnails import thumbnail
from uninote.storage.types import StorageError

PICTURES = pa.schema([("uri", pa.string()), ("picture", pa.binary())])


def make_pictures(policy: MediaPolicy, size: int) -> ArrowMap:
    """Map (uri, content) to PICTURES: JPEGs of at most `size` pixels a side. Content is null unless the lake holds it.

    An image that cannot be used has no row: a map is not worth failing for one.
    """

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            made = []
            for row in batch.to_pylist():
                inline = {} if row["content"] is None else {row["uri"]: row["content"]}
                try:
                    picture = thumbnail(load_image(row["uri"], policy, inline), size)
                except (MediaError, StorageError):
                    continue
                made.append({"uri": row["uri"], "picture": picture})
            yield pa.RecordBatch.from_pylist(made, PICTURES)

    return run
