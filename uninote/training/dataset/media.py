"""The images of a training set, found by digest: on disk in one memory-mapped file, not in memory."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa
from PIL import Image
from pyarrow import parquet

from uninote.media.images import ImageError, Reduced, reduced
from uninote.training.dataset.errors import TrainingSetError
from uninote.training.dataset.schemas import IMAGES

MAX_PIXELS = 50_000_000
BATCH_ROWS = 64


class ImageStore:
    """Random access to encoded images. Parquet has none, so its parts are copied once into an unnamed Arrow file."""

    def __init__(self, parts: Sequence[Path]) -> None:
        """Copy `parts`. Raises TrainingSetError for a digest without content."""
        self._file = tempfile.NamedTemporaryFile(suffix=".arrow")  # noqa: SIM115  lives as long as the store
        with pa.OSFile(self._file.name, "wb") as sink, pa.ipc.new_file(sink, IMAGES) as writer:
            for part in parts:
                for batch in parquet.ParquetFile(part).iter_batches(BATCH_ROWS, columns=IMAGES.names):
                    writer.write_batch(batch.cast(IMAGES))
        table = pa.ipc.open_file(pa.memory_map(self._file.name)).read_all()
        if table["content"].null_count:
            raise TrainingSetError(f"images: {table['content'].null_count} rows have no content")
        self._contents = table["content"]
        self._rows = dict(zip(table["digest"].to_pylist(), range(len(table)), strict=True))

    def __contains__(self, digest: str) -> bool:
        return digest in self._rows

    def image(self, digest: str, reduce: Callable[[Image.Image], Reduced]) -> Reduced:
        """Return what `reduce` makes of the image: RGB, transparency on white. Raises TrainingSetError if it is broken."""
        try:
            return reduced(self._contents[self._rows[digest]].as_py(), MAX_PIXELS, reduce)
        except KeyError:
            raise TrainingSetError(f"images: {digest!r} is named by an item and is not there") from None
        except ImageError as error:
            raise TrainingSetError(f"images: {digest!r} {error}; leave out notes whose images are broken") from error
