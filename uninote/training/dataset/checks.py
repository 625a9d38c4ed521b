"""What must hold in a training set before a run begins. Each failure names the table, the value and the rule."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import pyarrow as pa

from uninote.training.dataset.errors import TrainingSetError
from uninote.training.dataset.schemas import SPLITS
from uninote.training.dataset.strategies import KINDS, Strategy


class _Digests(Protocol):
    def __contains__(self, digest: str) -> bool: ...


def check_items(items: pa.Table, images: _Digests) -> None:
    """Items are dense from 0, of known kinds and splits, their images are there, and no group crosses the split."""
    if not items.num_rows:
        raise TrainingSetError("items: there are none")
    numbers = items["item"].to_numpy()
    if not np.array_equal(numbers, np.arange(len(numbers))):
        raise TrainingSetError(f"items: item must be 0 to {len(numbers) - 1}, each once; found others, such as gaps")
    _check_words("items", "kind", items, KINDS)
    _check_words("items", "split", items, SPLITS)
    if items["group"].null_count:
        raise TrainingSetError("items: group is null in some rows; a note without duplicates is a group of its own")
    _check_leak(items)
    missing = set()
    for row in items["images"].to_pylist():
        for image in row or ():
            if image["digest"] not in images:
                missing.add(str(image["digest"]))
    if missing:
        raise TrainingSetError(f"images: {len(missing)} named by items are not there, such as {sorted(missing)[:3]}")


def check_examples(examples: pa.Table, items: pa.Table) -> None:
    """Examples are of known strategies, point to items of the right kind and of their own split."""
    _check_words("examples", "strategy", examples, [strategy.value for strategy in Strategy])
    _check_words("examples", "split", examples, SPLITS)
    _check_numbers("examples", examples, items, ("query", "positive"), ("negatives",))
    if examples.num_rows:
        # A strategy's name is "<kind of the query>_to_<kind of the positive>".
        expected = np.array([strategy.split("_to_") for strategy in examples["strategy"].to_pylist()])
        _check_kinds("query", examples, items, expected[:, 0])
        _check_kinds("positive", examples, items, expected[:, 1])


def check_ranked(ranked: pa.Table, items: pa.Table) -> None:
    """Ranked lists point to items of their own split and have something relevant."""
    _check_words("ranked", "split", ranked, SPLITS)
    _check_numbers("ranked", ranked, items, ("query",), ("relevant", "noise"))
    if not all(ranked["relevant"].to_pylist()):
        raise TrainingSetError("ranked: some rows have no relevant items; leave such queries out")


def _check_kinds(column: str, examples: pa.Table, items: pa.Table, expected: np.ndarray) -> None:
    kinds = np.array(items["kind"].to_pylist())
    found = kinds[examples[column].to_numpy()]
    wrong = np.flatnonzero(found != expected)
    if len(wrong):
        first = int(wrong[0])
        raise TrainingSetError(
            f"examples: {len(wrong)} rows such as {examples.slice(first, 1).to_pylist()}: {column} is of kind "
            f"{found[first]}, its strategy has {expected[first]} there"
        )


def _check_words(table: str, column: str, rows: pa.Table, known: tuple[str, ...] | list[str]) -> None:
    found = set(map(str, rows[column].unique().to_pylist()))
    if unknown := sorted(found - set(known)):
        raise TrainingSetError(f"{table}: {column} {unknown[:5]} is not known; it is one of {', '.join(known)}")


def _check_numbers(
    table: str, rows: pa.Table, items: pa.Table, single: tuple[str, ...], listed: tuple[str, ...]
) -> None:
    splits = np.array(items["split"].to_pylist())
    own = np.array(rows["split"].to_pylist())
    for column in (*single, *listed):
        flat, owners = _flat(rows[column], column in listed)
        if len(flat) and (flat.min() < 0 or flat.max() >= items.num_rows):
            raise TrainingSetError(
                f"{table}: {column} holds {flat.min()} to {flat.max()}; items are 0 to {items.num_rows - 1}"
            )
        if crossing := int((splits[flat] != own[owners]).sum()):
            raise TrainingSetError(f"{table}: {crossing} of {column} are items of the other split")


def _flat(column: pa.ChunkedArray, is_list: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return the item numbers of a column one after another, and for each the row that it stands in: both int64."""
    numbers: list[int] = []
    owners: list[int] = []
    for row, value in enumerate(column.to_pylist()):
        named = (value or []) if is_list else [value]
        numbers.extend(named)
        owners.extend([row] * len(named))
    if None in numbers:
        raise TrainingSetError("a column of item numbers holds null; every number names an item")
    return np.array(numbers, dtype=np.int64), np.array(owners, dtype=np.int64)


def _check_leak(items: pa.Table) -> None:
    groups = items["group"].to_numpy()
    splits = np.array(items["split"].to_pylist())
    both = np.intersect1d(groups[splits == SPLITS[0]], groups[splits == SPLITS[1]])
    if len(both):
        raise TrainingSetError(
            f"items: {len(both)} groups of near-duplicates are in both splits, such as {both[:5].tolist()}; evaluation "
            "would measure memory: put a group into one split"
        )
