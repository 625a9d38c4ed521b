"""Embedding inside an executor: rows of notes in, vectors and rejects out, in bounded windows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa
from PIL.Image import Image

from udfs.model_files import unpack_once
from udfs.notes import ArrowMap, to_note
from udfs.worker_cache import load_once
from uninote.batching import token_batches
from uninote.media import MediaError, MediaPolicy, load_image
from uninote.model.encoder import Encoder, load_encoder
from uninote.notes import Note

WINDOW_ROWS = 256  # read together, so that equal contents meet
# Sorted by length together. An image token stands for about 3 KB of pixels, so this bounds a task's memory.
WINDOW_TOKENS = 100_000

Row = dict[str, Any]


@dataclass(frozen=True)
class EmbedTask:
    """What a task needs beside the model. `threads`: of the model's arithmetic, as many as Spark gives the task."""

    generation: str
    batch_tokens: int
    threads: int
    media: MediaPolicy


def make_embed(
    task: EmbedTask, files: Callable[[], dict[str, bytes]], count: Callable[[int], None], schema: pa.Schema
) -> ArrowMap:
    """Map rows with MODEL_COLUMNS and content_hash to `schema`: those of them it names, and the results.

    Results are vector (null when nothing usable was left), degraded, num_tokens and rejects. `files` returns the
    checkpoint's, `count` is told how many rows are done.
    """

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        encoder = load_once(task.generation, lambda: _load(task, files))
        rows = (row for batch in batches for row in batch.to_pylist())
        while window := list(islice(rows, WINDOW_ROWS)):
            results = embed_window(encoder, window, task)
            yield pa.RecordBatch.from_pylist(results, schema=schema)
            count(len(results))

    return run


def _load(task: EmbedTask, files: Callable[[], dict[str, bytes]]) -> Encoder:
    return load_encoder(unpack_once(task.generation, files), threads=task.threads)


def embed_window(encoder: Encoder, rows: Sequence[Row], task: EmbedTask) -> list[Row]:
    """Return one result for each row, in order; rows of equal content are computed once."""
    first_of = {row["content_hash"]: position for position, row in reversed(list(enumerate(rows)))}
    unique = {content: _Work(to_note(rows[position]), task.media) for content, position in first_of.items()}
    waiting: list[_Work] = []
    for work in unique.values():
        if work.prepare(encoder):
            waiting.append(work)
        if sum(one.num_tokens for one in waiting) > WINDOW_TOKENS:
            _compute(encoder, waiting, task.batch_tokens)
            waiting = []
    _compute(encoder, waiting, task.batch_tokens)
    return [row | unique[row["content_hash"]].result(row["item_id"]) for row in rows]


def _compute(encoder: Encoder, waiting: Sequence[_Work], batch_tokens: int) -> None:
    for batch in token_batches([work.num_tokens for work in waiting], batch_tokens):
        vectors = encoder.embed([waiting[i].prepared for i in batch])
        for i, vector in zip(batch, vectors, strict=True):
            waiting[i].finish(vector)


class _Work:
    """One distinct content on its way through the window."""

    def __init__(self, note: Note, media: MediaPolicy) -> None:
        self.prepared: Any = None
        self.vector: np.ndarray | None = None
        self.num_tokens = 0
        self.rejects: list[tuple[str, str, str, str]] = []  # part, kind, reason, message
        self._note, self._media = note, media

    def _fetch(self) -> tuple[Note, list[Image]]:
        """Leave out images that cannot be read; their OCR texts stay with the note as its body's last lines."""
        note, kept, images, orphaned = self._note, [], [], []
        for position, image in enumerate(note.images):
            if not image.uri:  # a text read in an image that the source does not have
                orphaned.append(image.ocr)
                continue
            try:
                images.append(load_image(image.uri, self._media))
                kept.append(image)
            except MediaError as error:
                self.rejects.append((f"#image/{position}", "image", error.reason, str(error)))
                orphaned.append(image.ocr)
        body = "\n".join(text for text in [note.body, *orphaned] if text.strip())
        return replace(note, body=body, images=tuple(kept)), images

    def prepare(self, encoder: Encoder) -> bool:
        """Say whether there is something for the model; if not, `rejects` say why."""
        note, images = self._fetch()
        if note.images or any(text.strip() for text in (note.title, note.body, *note.topics)):
            self.prepared = encoder.prepare(note, images)
            self.num_tokens = self.prepared.num_tokens
        elif self.rejects:
            self.rejects.append(("", "note", "note_unusable", "no text, and none of its images can be read"))
        else:
            self.rejects.append(("", "note", "note_empty", "neither text nor images"))
        return self.prepared is not None

    def finish(self, vector: np.ndarray) -> None:
        if np.isfinite(vector).all():
            self.vector = vector
        else:
            self.rejects.append(("", "note", "vector_not_finite", "the model returned NaN or infinity"))
        self.prepared = None

    def result(self, item_id: str) -> Row:
        return {
            "vector": self.vector,
            "degraded": self.vector is not None and bool(self.rejects),
            "num_tokens": self.num_tokens,
            "rejects": [
                {"item_id": f"{item_id}{part}", "kind": kind, "reason": reason, "message": message}
                for part, kind, reason, message in self.rejects
            ],
        }
