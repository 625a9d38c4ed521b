"""A teacher's scores of examples, and their hard negatives out of whole pools, inside executors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from udfs.arrow import ArrowMap, to_matrix
from uninote.digests import digest
from uninote.lake.parquet_files import open_parquet
from uninote.storage import lake_files
from uninote.storage.host_copies import drop, once_per_host
from uninote.training.from_notes.mining import Composites, histogram, max_sims, mine
from uninote.training.from_notes.negatives import Window
from uninote.training.from_notes.soft_scores import ANSWERS
from uninote.vectors.kmeans import compute_in_one_thread

Pools = Callable[[], Mapping[str, Composites]]
_FILE = "vectors.npy"
_BATCH_ROWS = 4096


@dataclass(frozen=True)
class TeacherVectors:
    """What a teacher said of `count` elements, `width` numbers each, as Parquet files of (item_key, vector) below `uri`.

    `application` is Spark's: a host checks its copy once for each.
    """

    uri: str
    count: int
    width: int
    application: str

    def open(self) -> np.ndarray:
        """Return float32 (count, width), NaN where the teacher had none: one copy a host, mapped by all its tasks."""
        folder = once_per_host(self._name, self._fill, self.application)
        return np.asarray(np.load(folder / _FILE, mmap_mode="r"))

    def drop(self) -> None:
        """Delete this host's copy. Other hosts keep theirs in their temporary folders."""
        drop(self._name)

    @property
    def _name(self) -> str:
        return f"teacher-{digest(self.uri)}"

    def _fill(self, folder: Path) -> None:
        shape = (self.count, self.width)
        vectors = np.lib.format.open_memmap(folder / _FILE, mode="w+", dtype=np.float32, shape=shape)
        vectors[:] = np.nan
        for name in lake_files.files_below(self.uri):
            if name.endswith(".parquet"):
                with open_parquet(lake_files.join(self.uri, name)) as file:
                    for batch in file.iter_batches(_BATCH_ROWS, columns=["item_key", "vector"], use_threads=False):
                        known = batch.filter(batch.column("vector").is_valid())
                        vectors[known.column("item_key").to_numpy()] = to_matrix(known.column("vector"), self.width)
        vectors.flush()


def make_answers(teacher: TeacherVectors, pools: Pools, windows: Mapping[str, Window]) -> ArrowMap:
    """Map QUESTIONS to ANSWERS; `windows` by name of the pool."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        compute_in_one_thread()
        vectors = teacher.open()
        for name, questions in _by_pool(batches):
            yield _answers(questions, pools()[name], vectors, windows[name])

    return run


def make_histograms(teacher: TeacherVectors, pools: Pools) -> ArrowMap:
    """Map QUESTIONS to (pool, counts), how many of the scores of a pool lie in each bin, int64 as bytes."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        compute_in_one_thread()
        vectors = teacher.open()
        for name, questions in _by_pool(batches):
            counts = histogram(_queries(questions), pools()[name], vectors)
            yield pa.RecordBatch.from_pydict({"pool": [name], "counts": [counts.tobytes()]})

    return run


def _by_pool(batches: Iterator[pa.RecordBatch]) -> Iterator[tuple[str, pa.RecordBatch]]:
    for batch in batches:
        for name in batch.column("pool").unique().to_pylist():
            yield name, batch.filter(pc.equal(batch.column("pool"), name))


def _queries(questions: pa.RecordBatch, column: str = "query") -> Composites:
    rows = questions.column(column).to_pylist()
    numbers = [questions.column(name).to_numpy() for name in ("example", "group", "mark")]
    return Composites.of(numbers[0], numbers[1], numbers[2], rows)


def _answers(questions: pa.RecordBatch, pool: Composites, vectors: np.ndarray, window: Window) -> pa.RecordBatch:
    queries = _queries(questions)
    positives = _pair_scores(queries, questions.column("positive").to_pylist(), vectors)
    rules = _pair_scores(queries, questions.column("by_rule").to_pylist(), vectors)
    mined = mine(queries, positives, pool, vectors, window)
    found = [mined.of(number) for number in range(len(queries))]
    columns = {
        "example": queries.numbers,
        "positive_score": positives,
        "rule_score": rules,
        "negatives": [numbers for numbers, _ in found],
        "negative_scores": [scores for _, scores in found],
        "inside": mined.inside,
    }
    return pa.RecordBatch.from_pydict(columns, schema=ANSWERS)


def _pair_scores(queries: Composites, others: list[list[int] | None], vectors: np.ndarray) -> np.ndarray:
    """Return float32 (n,): the score of each query's own other item, NaN where it has none."""
    scores = np.full(len(queries), np.nan, np.float32)
    for place, rows in enumerate(others):
        if rows:
            one = queries.part(place, place + 1)
            other = replace(one, starts=np.array([0, len(rows)]), elements=np.array(rows))
            scores[place] = max_sims(one, other, vectors)[0, 0]
    return scores
