"""A teacher's scores of examples, and their hard negatives out of whole pools, inside executors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from udfs.arrow import ArrowMap, to_matrix
from uninote.digests import digest
from uninote.lake.parquet_files import open_parquet, read_columns
from uninote.storage import lake_files
from uninote.storage.host_copies import drop, once_per_host
from uninote.training.dataset.schemas import EXAMPLES
from uninote.training.from_notes.mining import Composites, histogram, max_sims, mine
from uninote.training.from_notes.negatives import Window
from uninote.training.from_notes.soft_scores import ANSWERS, with_scores
from uninote.vectors.kmeans import compute_in_one_thread

POOLS = pa.schema(
    [
        pa.field("kind", pa.string()),
        pa.field("item", pa.int64()),
        pa.field("group", pa.int64()),
        pa.field("mark", pa.int64()),
        pa.field("elements", pa.list_(pa.int64())),
    ]
)
_ARRAYS = ("numbers", "groups", "marks", "starts", "elements")  # of Composites
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


@dataclass(frozen=True)
class Pools:
    """The right answers of each kind, as Parquet files of POOLS below `uri`. `application` as in TeacherVectors."""

    uri: str
    application: str

    def open(self, kind: str) -> Composites:
        """Return those of one kind, by item: one copy a host, mapped by all its tasks."""
        folder = once_per_host(self._name, self._fill, self.application) / kind
        return Composites(*(np.load(folder / f"{name}.npy", mmap_mode="r") for name in _ARRAYS))

    def drop(self) -> None:
        """Delete this host's copy. Other hosts keep theirs in their temporary folders."""
        drop(self._name)

    @property
    def _name(self) -> str:
        return f"pools-{digest(self.uri)}"

    def _fill(self, folder: Path) -> None:
        names = [name for name in lake_files.files_below(self.uri) if name.endswith(".parquet")]
        found = [read_columns(lake_files.join(self.uri, name), POOLS.names) for name in names]
        table = pa.concat_tables([POOLS.empty_table(), *(one.cast(POOLS) for one in found)]).sort_by("item")
        for kind in table["kind"].unique().to_pylist():
            own = table.filter(pc.equal(table["kind"], kind)).combine_chunks()
            (folder / kind).mkdir()
            numbers = [own[name].to_numpy() for name in ("item", "group", "mark")]
            starts = np.concatenate([[0], np.cumsum(pc.list_value_length(own["elements"]).to_numpy())])
            elements = pc.list_flatten(own["elements"]).to_numpy()
            for name, values in zip(_ARRAYS, (*numbers, starts, elements), strict=True):
                np.save(folder / kind / f"{name}.npy", values)


def make_answers(teacher: TeacherVectors, pools: Pools, windows: Mapping[str, Window]) -> ArrowMap:
    """Map QUESTIONS to ANSWERS; `windows` by strategy."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        compute_in_one_thread()
        vectors = teacher.open()
        for strategy, kind, questions in _by_strategy(batches):
            yield _answers(questions, pools.open(kind), vectors, windows[strategy])

    return run


def make_histograms(teacher: TeacherVectors, pools: Pools) -> ArrowMap:
    """Map QUESTIONS to (strategy, counts), how many of the scores lie in each bin, int64 as bytes."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        compute_in_one_thread()
        vectors = teacher.open()
        for strategy, kind, questions in _by_strategy(batches):
            counts = histogram(_queries(questions), pools.open(kind), vectors)
            yield pa.RecordBatch.from_pydict({"strategy": [strategy], "counts": [counts.tobytes()]})

    return run


def make_scored(count: int) -> ArrowMap:
    """Map examples and their answers, (EXAMPLE, split) and ANSWERS, to EXAMPLES, with at most `count` negatives."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            rows = [with_scores(row, count) | {"split": row["split"]} for row in batch.to_pylist()]
            yield pa.RecordBatch.from_pylist(rows, schema=EXAMPLES)

    return run


def _by_strategy(batches: Iterator[pa.RecordBatch]) -> Iterator[tuple[str, str, pa.RecordBatch]]:
    for batch in batches:
        for strategy in batch.column("strategy").unique().to_pylist():
            rows = batch.filter(pc.equal(batch.column("strategy"), strategy))
            yield strategy, rows.column("kind")[0].as_py(), rows


def _queries(questions: pa.RecordBatch) -> Composites:
    rows = questions.column("query_elements").to_pylist()
    numbers = [questions.column(name).to_numpy() for name in ("query", "group", "mark")]
    asked = Composites.of(numbers[0], numbers[1], numbers[2], rows)
    return replace(asked, answers=questions.column("answers").to_pylist())


def _answers(questions: pa.RecordBatch, pool: Composites, vectors: np.ndarray, window: Window) -> pa.RecordBatch:
    queries = _queries(questions)
    positives = _pair_scores(queries, questions.column("positive_elements").to_pylist(), vectors)
    rules = _pair_scores(queries, questions.column("rule_elements").to_pylist(), vectors)
    mined = mine(queries, positives, pool, vectors, window)
    found = [mined.of(number) for number in range(len(queries))]
    columns = {name: questions.column(name) for name in ("strategy", "query", "positive", "by_rule")}
    columns |= {
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
