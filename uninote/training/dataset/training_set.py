"""The training set as a reader sees it: checked once, then items, examples and ranked lists by number."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image

from uninote.media.images import Reduced
from uninote.notes.note import Note, NoteImage
from uninote.training.dataset.checks import check_examples, check_items, check_ranked, words_of
from uninote.training.dataset.errors import TrainingSetError
from uninote.training.dataset.host_copy import HostCopy
from uninote.training.dataset.media import ImageStore
from uninote.training.dataset.schemas import FORMAT, MANIFEST, NO_ITEM, TABLES
from uninote.training.dataset.strategies import Strategy

_OF_NOTE = ["title", "body", "topics", "images", "described", "asked"]


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
    """A training set folder. Its tables are mapped from this host's copy, of which all processes share one."""

    def __init__(self, folder: str | Path) -> None:
        """Read and check `folder`. Raises TrainingSetError with what is wrong in which table."""
        self.folder = Path(folder)
        self.manifest = _read_manifest(self.folder)
        # Kept: it says that this process reads the copy.
        self._copy = HostCopy(self.folder)
        self._items = _by_number(self._copy.table("items"))
        self._examples = self._copy.table("examples")
        self._ranked = self._copy.table("ranked")
        self._images = ImageStore(self._copy)
        check_items(self._items, self._images)
        check_examples(self._examples, self._items)
        check_ranked(self._ranked, self._items)
        self.groups: np.ndarray = self._items["group"].to_numpy()
        self.kinds: np.ndarray = words_of(self._items["kind"])

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
        return Note(*texts, tuple(images), row["described"] or "", row["asked"])

    def images(self, note: Note) -> list[Image.Image]:
        """Return the images of one of this set's notes, in order, in RGB."""
        return self.reduced_images(note, lambda image: image)

    def reduced_images(self, note: Note, reduce: Callable[[Image.Image], Reduced]) -> list[Reduced]:
        """Return what `reduce` makes of each image: a note may have many, and each is large before."""
        return [self._images.image(image.uri, reduce) for image in note.images]

    def strategies(self, split: str) -> tuple[Strategy, ...]:
        """Return the strategies that have examples in `split`, in the order of the enum."""
        found = set(self._of_split(self._examples, split)["strategy"].unique().to_pylist())
        return tuple(strategy for strategy in Strategy if strategy.value in found)

    def examples(self, strategy: Strategy, split: str) -> Examples:
        """Return the examples of one strategy, in the order of their parts."""
        table = self._of_split(self._examples, split)
        table = table.filter(pc.equal(table["strategy"], strategy.value))
        negatives = _padded(table["negatives"], NO_ITEM).astype(np.int64)
        candidates = np.concatenate([table["positive"].to_numpy()[:, None], negatives], axis=1)
        return Examples(table["query"].to_numpy(), candidates, _scores(table))

    def scored(self, strategy: Strategy, split: str) -> int:
        """Return of how many examples a teacher scored the positive."""
        table = self._of_split(self._examples, split)
        scores = table.filter(pc.equal(table["strategy"], strategy.value))["positive_score"]
        return len(scores) - int(scores.null_count)

    def ranked(self, split: str) -> list[RankedList]:
        """Return the ranked lists of a split."""
        lists = []
        for row in self._of_split(self._ranked, split).to_pylist():
            lists.append(RankedList(row["query"], tuple(row["relevant"]), tuple(row["noise"] or ())))
        return lists

    @staticmethod
    def _of_split(table: pa.Table, split: str) -> pa.Table:
        return table.filter(pc.equal(table["split"], split))


def _scores(table: pa.Table) -> np.ndarray | None:
    """Return float32 (examples, 1 + negatives): the positive's score, then the negatives'; null unless every one is there."""
    positives = table["positive_score"]
    scores = table["negative_scores"]
    lengths = [pc.fill_null(pc.list_value_length(table[name]), 0) for name in ("negatives", "negative_scores")]
    if positives.null_count or pc.list_flatten(scores).null_count or not lengths[0].equals(lengths[1]):
        return None
    return np.concatenate([positives.to_numpy()[:, None], _padded(scores, np.nan)], axis=1).astype(np.float32)


def _padded(column: pa.ChunkedArray, filler: float) -> np.ndarray:
    """Return lists as a matrix, float64 (rows, the longest one's), with `filler` after short ones; null is an empty list."""
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy()
    matrix = np.full((len(lengths), int(lengths.max(initial=0))), filler, dtype=np.float64)
    matrix[np.arange(matrix.shape[1]) < lengths[:, None]] = pc.list_flatten(column).to_numpy()
    return matrix


def _by_number(items: pa.Table) -> pa.Table:
    """Return the items in the order of their numbers: as they lie on the disk where they are in it."""
    numbers = items["item"].to_numpy()
    return items if (np.diff(numbers) > 0).all() else items.sort_by("item")


def _parts(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.parquet"))


def _read_manifest(folder: Path) -> dict[str, Any]:
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_bytes())
    except (OSError, ValueError) as error:
        raise TrainingSetError(f"{folder}: no readable {MANIFEST}, so no finished training set: {error}") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise TrainingSetError(f"{folder / MANIFEST}: not of format {FORMAT}; make the training set anew")
    return manifest
