"""The training set as a reader sees it: checked once, then items, examples and ranked lists by number."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image
from pyarrow import parquet

from uninote.media.images import Reduced
from uninote.notes.note import Note, NoteImage
from uninote.training.dataset.checks import check_examples, check_items, check_ranked
from uninote.training.dataset.errors import TrainingSetError
from uninote.training.dataset.media import ImageStore
from uninote.training.dataset.schemas import EXAMPLES, FORMAT, ITEMS, MANIFEST, NO_ITEM, RANKED, TABLES
from uninote.training.dataset.strategies import Strategy

_OF_NOTE = ["title", "body", "topics", "images", "described"]


@dataclass(frozen=True)
class Examples:
    """Queries of one strategy with their candidates, as item numbers.

    `queries` int64 (n,); `candidates` int64 (n, 1 + negatives), the positive first, NO_ITEM where there are fewer; `scores`
    float32 of that shape, the teacher's, NaN where NO_ITEM; null when any of them is missing.
    """

    queries: np.ndarray
    candidates: np.ndarray
    scores: np.ndarray | None

    def __len__(self) -> int:
        return len(self.queries)

    def take(self, rows: np.ndarray, negatives: int) -> Examples:
        """Return some rows, with at most `negatives` hard negatives."""
        columns = slice(0, 1 + negatives)
        scores = None if self.scores is None else self.scores[rows, columns]
        return Examples(self.queries[rows], self.candidates[rows, columns], scores)


@dataclass(frozen=True)
class RankedList:
    """A query of note→note with its relevant items in falling order, and noise, as item numbers."""

    query: int
    relevant: tuple[int, ...]
    noise: tuple[int, ...]


class TrainingSet:
    """A training set folder. Everything but image contents is in memory."""

    def __init__(self, folder: str | Path) -> None:
        """Read and check `folder`. Raises TrainingSetError with what is wrong in which table."""
        self.folder = Path(folder)
        self.manifest = _read_manifest(self.folder)
        self._items = _read(self.folder / "items", ITEMS).sort_by("item")
        self._examples = _read(self.folder / "examples", EXAMPLES)
        self._ranked = _read(self.folder / "ranked", RANKED)
        self._images = ImageStore(_parts(self.folder / "images"))
        check_items(self._items, self._images)
        check_examples(self._examples, self._items)
        check_ranked(self._ranked, self._items)
        self.groups: np.ndarray = self._items["group"].to_numpy()
        self.kinds: np.ndarray = np.array(self._items["kind"].to_pylist())

    def __len__(self) -> int:
        return int(self._items.num_rows)

    @property
    def digest(self) -> str:
        """Sixteen hexadecimal characters over the manifest, and the sizes and names of all parts."""
        content = hashlib.sha256((self.folder / MANIFEST).read_bytes())
        for name in TABLES:
            for part in _parts(self.folder / name):
                content.update(f"{name}/{part.name}:{part.stat().st_size}\n".encode())
        return content.hexdigest()[:16]

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield the rows of items, in order of their numbers."""
        for batch in self._items.to_batches():
            yield from batch.to_pylist()

    def note(self, item: int) -> Note:
        """Return what of an item reaches a model; image URIs are digests."""
        row = self._items.slice(item, 1).select(_OF_NOTE).to_pylist()[0]
        images = []
        for image in row["images"] or ():
            images.append(NoteImage(image["digest"], image["ocr"] or ""))
        texts = row["title"] or "", row["body"] or "", tuple(row["topics"] or ())
        return Note(*texts, tuple(images), row["described"] or "")

    def images(self, note: Note) -> list[Image.Image]:
        """Return the images of one of this set's notes, in order, in RGB."""
        return self.reduced_images(note, lambda image: image)

    def reduced_images(self, note: Note, reduce: Callable[[Image.Image], Reduced]) -> list[Reduced]:
        """Return what `reduce` makes of each image: a note may have many, and each is large before."""
        return [self._images.image(image.uri, reduce) for image in note.images]

    def strategies(self, split: str) -> tuple[Strategy, ...]:
        """Return the strategies that have examples in `split`, in the order of the enum."""
        found = set(self._of_split(self._examples, split)["strategy"].to_pylist())
        return tuple(strategy for strategy in Strategy if strategy.value in found)

    def examples(self, strategy: Strategy, split: str) -> Examples:
        """Return the examples of one strategy, in the order of their parts."""
        table = self._of_split(self._examples, split)
        table = table.filter(pa.compute.equal(table["strategy"], strategy.value))
        candidates = []
        for positive, negatives in zip(table["positive"].to_pylist(), table["negatives"].to_pylist(), strict=True):
            candidates.append([positive, *(negatives or ())])
        return Examples(table["query"].to_numpy(), _padded(candidates, NO_ITEM).astype(np.int64), _scores(table))

    def scored(self, strategy: Strategy, split: str) -> int:
        """Return of how many examples a teacher scored the positive."""
        table = self._of_split(self._examples, split)
        scores = table.filter(pa.compute.equal(table["strategy"], strategy.value))["positive_score"]
        return len(scores) - int(scores.null_count)

    def ranked(self, split: str) -> list[RankedList]:
        """Return the ranked lists of a split."""
        lists = []
        for row in self._of_split(self._ranked, split).to_pylist():
            lists.append(RankedList(row["query"], tuple(row["relevant"]), tuple(row["noise"] or ())))
        return lists

    @staticmethod
    def _of_split(table: pa.Table, split: str) -> pa.Table:
        return table.filter(pa.compute.equal(table["split"], split))


def _scores(table: pa.Table) -> np.ndarray | None:
    """Return float32 (examples, 1 + negatives): the positive's score, then the negatives'; null unless every one is there."""
    positives = table["positive_score"].to_pylist()
    negatives = table["negatives"].to_pylist()
    negative_scores = table["negative_scores"].to_pylist()
    rows = []
    for positive, items, scores in zip(positives, negatives, negative_scores, strict=True):
        row = [positive, *(scores or ())]
        if None in row or len(row) != 1 + len(items or ()):
            return None
        rows.append(row)
    return _padded(rows, np.nan).astype(np.float32)


def _padded(rows: list[list[Any]], filler: float) -> np.ndarray:
    """Return rows of any lengths as a matrix, float64 (len(rows), the longest one's), with `filler` after the short ones."""
    width = max(map(len, rows), default=1)
    matrix = np.full((len(rows), width), filler, dtype=np.float64)
    for number, row in enumerate(rows):
        matrix[number, : len(row)] = row
    return matrix


def _parts(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.parquet"))


def _read(folder: Path, schema: pa.Schema) -> pa.Table:
    tables = [schema.empty_table()]
    for part in _parts(folder):
        tables.append(_conformed(parquet.read_table(part), schema, part))
    return pa.concat_tables(tables)


def _conformed(table: pa.Table, schema: pa.Schema, part: Path) -> pa.Table:
    missing = [name for name in schema.names if name not in table.column_names]
    if missing:
        raise TrainingSetError(f"{part}: columns {missing} are missing; it has {table.column_names}")
    try:
        return table.select(schema.names).cast(schema)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError) as error:
        raise TrainingSetError(
            f"{part}: a column is of another type: {error}; expected {_described(schema)}"
        ) from error


def _described(fields: Iterable[pa.Field]) -> str:
    return ", ".join(f"{field.name} {field.type}" for field in fields)


def _read_manifest(folder: Path) -> dict[str, Any]:
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_bytes())
    except (OSError, ValueError) as error:
        raise TrainingSetError(f"{folder}: no readable {MANIFEST}, so no finished training set: {error}") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise TrainingSetError(f"{folder / MANIFEST}: not of format {FORMAT}; make the training set anew")
    return manifest
