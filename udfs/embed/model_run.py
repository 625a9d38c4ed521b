"""Embedding inside an executor: rows of items in, vectors and rejects out, in bounded windows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from time import perf_counter

import numpy as np
import pyarrow as pa

from udfs.arrow import ArrowMap
from udfs.embed.answers import Window, moved, results
from udfs.embed.devices import Known, have_moved
from udfs.embed.prefetch import map_ahead, run_ahead
from udfs.embed.window import Work, prepare
from uninote.media.fetching import MediaPolicy
from uninote.model.compute.batching import token_batches
from uninote.model.encoder import Encoder

# A window is sorted by length together, and equal contents in it are computed once.
WINDOW_ROWS = 1024
WINDOW_BYTES = 64 << 20  # of rows as they come: image bytes may be among them
# A part of a window that the model is given together: prepared images are what takes memory.
PART_TOKENS = 16  # times batch_tokens, or BATCH_TOKENS
PART_BYTES = 192 << 20
BATCH_TOKENS = 8192  # of a batch where neither the configuration nor the encoder says how many


@dataclass(frozen=True)
class EmbedTask:
    """What a task needs beside the model. `fetch_threads` fetch and decode while the model computes.

    `batch_tokens` is the most padded tokens of a batch, null for as many as suit the encoder's device.
    `narrowest` is the least width that vectors are cut to, null where they are not. `known` are items that devices of other
    kinds than made them embed before any other, null where all devices are of one kind. `hashes_images`: each image that is
    opened is hashed too, by what it looks like.
    """

    batch_tokens: int | None
    fetch_threads: int
    media: MediaPolicy
    narrowest: int | None = None
    known: Known | None = None
    hashes_images: bool = False


@dataclass
class Part:
    """Some works of a window, and the window itself with the last of them."""

    works: list[Work] = field(default_factory=list)
    window: Window | None = None


def make_embed(
    load: Callable[[], Encoder], task: EmbedTask, count: Callable[[int], None], schema: pa.Schema
) -> ArrowMap:
    """Map rows with MODEL_COLUMNS, content_hash and inline to `schema`: those of them it names, and the results.

    Results are vector (null when nothing usable was left), degraded, rejects, CUTS of items, image_hashes, and what it took, on
    the first row of a content: tokens, padded_tokens, unseen_images, images_opened and seconds; and the device that computed.
    `load` returns the process' encoder; `count` is called with the number of rows done, while they are. On a device that makes
    others of the `known` vectors nothing is embedded: one row says so, with the mean cosine as known_cosine, and no item.
    """

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        encoder = load()
        with ThreadPoolExecutor(task.fetch_threads) as pool:
            cosines = _known_cosines(encoder, task, pool)
            if have_moved(cosines):
                # Spark waits for whoever leaves rows unread.
                for _ in batches:
                    pass
                yield moved(encoder.device, float(cosines.mean()), schema)
                return
            for window in embed_windows(encoder, batches, task, pool, count):
                yield results(window, encoder.device, schema)

    return run


def _known_cosines(encoder: Encoder, task: EmbedTask, pool: ThreadPoolExecutor) -> np.ndarray:
    """Return the cosines of what this device makes to what is known; none where nothing is, or its kind was compared."""
    if task.known is None or encoder.device in task.known.kinds:
        return np.empty(0, np.float32)

    def embedded(rows: Iterable[pa.RecordBatch]) -> Iterator[list[np.ndarray | None]]:
        for window in embed_windows(encoder, rows, task, pool):
            yield [window.works[position].vector for position in window.work_of]

    return task.known.cosines(embedded)


def embed_windows(
    encoder: Encoder,
    batches: Iterable[pa.RecordBatch],
    task: EmbedTask,
    pool: ThreadPoolExecutor,
    count: Callable[[int], None] = lambda rows: None,
) -> Iterator[Window]:
    """Yield the rows of `batches` in windows whose works are finished, while the next ones are being prepared.

    `count` is called with the number of rows done after each batch of the model: a window may take minutes.
    """
    counted = 0
    for part in run_ahead(_parts(encoder, batches, task, pool)):
        _compute(encoder, part.works, task, count)
        counted += sum(work.rows for work in part.works)
        if part.window is not None:
            # The rows that the model is not asked about: of equal contents, and without any.
            count(part.window.rows.num_rows - counted)
            counted = 0
            yield part.window


def _parts(
    encoder: Encoder, batches: Iterable[pa.RecordBatch], task: EmbedTask, pool: ThreadPoolExecutor
) -> Iterator[Part]:
    for rows in _rebatched(batches):
        window = _open_window(rows, hashes=task.hashes_images)
        part = Part()
        tokens = held = 0
        for work in map_ahead(pool, partial(prepare, encoder, task.media), window.works, 2 * task.fetch_threads):
            if work.prepared is not None:
                part.works.append(work)
                tokens += work.tokens
                held += work.prepared.nbytes
            if tokens > PART_TOKENS * (task.batch_tokens or BATCH_TOKENS) or held > PART_BYTES:
                yield part
                part = Part()
                tokens = held = 0
        part.window = window
        yield part


def _rebatched(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Join small batches and cut large ones, so that a window does not depend on how the rows were stored."""
    held: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in batches:
        step = max(1, min(WINDOW_ROWS, WINDOW_BYTES * batch.num_rows // max(1, batch.nbytes)))
        for start in range(0, batch.num_rows, step):
            piece = batch.slice(start, step)
            if held and (rows + piece.num_rows > WINDOW_ROWS or size + piece.nbytes > WINDOW_BYTES):
                yield pa.concat_batches(held)
                held = []
                rows = size = 0
            held.append(piece)
            rows += piece.num_rows
            size += piece.nbytes
    if held:
        yield pa.concat_batches(held)


def _open_window(rows: pa.RecordBatch, *, hashes: bool) -> Window:
    values = rows.to_pylist()
    positions: dict[str, int] = {}
    work_of = [positions.setdefault(row["content_hash"], len(positions)) for row in values]
    # Going backwards, the first row of a content is the last to be written, and stays.
    first_rows = dict(zip(reversed(work_of), reversed(values), strict=True))
    works = []
    for position, count in enumerate(np.bincount(work_of, minlength=len(positions)).tolist()):
        works.append(Work.of(first_rows[position], count, hashes=hashes))
    return Window(rows, works, work_of)


def _compute(encoder: Encoder, works: Sequence[Work], task: EmbedTask, count: Callable[[int], None]) -> None:
    batches = token_batches([work.tokens for work in works], _batch_tokens(encoder, task))
    for batch, rows in zip(batches, shares(batches, works), strict=True):
        started = perf_counter()
        vectors = encoder.embed([works[i].prepared for i in batch])
        seconds = (perf_counter() - started) / len(batch)
        longest = max(works[i].tokens for i in batch)
        for i, vector in zip(batch, vectors, strict=True):
            works[i].finish(vector, longest, seconds, task.narrowest)
        count(rows)


def _batch_tokens(encoder: Encoder, task: EmbedTask) -> int:
    bounds = [bound for bound in (task.batch_tokens, encoder.batch_tokens) if bound is not None]
    return min(bounds, default=BATCH_TOKENS)


def shares(batches: Sequence[Sequence[int] | np.ndarray], works: Sequence[Work]) -> list[int]:
    """Return the rows to count after each batch: all rows of the `works`, shared out by the padded tokens of the batches.

    Batches come shortest first, many rows each, and take about the same time: by their own rows the first ones would promise
    an early end.
    """
    costs = []
    for batch in batches:
        costs.append(len(batch) * max(works[i].tokens for i in batch))
    rows = sum(work.rows for work in works)
    ends = np.floor(rows * np.cumsum(costs) / max(1, sum(costs)) + 1e-9)
    counted = []
    for share in np.diff(ends, prepend=0):
        counted.append(int(share))
    return counted
