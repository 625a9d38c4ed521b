"""What must hold in a training set before a run begins. Each failure names the table, the value and the rule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from uninote.training.dataset.errors import TrainingSetError
from uninote.training.dataset.schemas import SPLITS
from uninote.training.dataset.strategies import KINDS, Strategy


class _Images(Protocol):
    def missing(self, digests: list[str]) -> list[str]: ...


def words_of(column: pa.ChunkedArray) -> np.ndarray:
    """Return a column of a few words as strings in numpy, without a Python object for each row."""
    encoded = column.combine_chunks().dictionary_encode()
    words = np.array(encoded.dictionary.to_pylist(), dtype=np.str_)
    return np.asarray(words[encoded.indices.to_numpy()])


def _codes(column: pa.ChunkedArray, words: Sequence[str]) -> np.ndarray:
    """Return int8 (rows,): the place of each word among `words`, which are all that there are: strings take 20 bytes."""
    return np.asarray(pc.index_in(column, value_set=pa.array(words)).to_numpy().astype(np.int8))


def check_items(items: pa.Table, images: _Images) -> None:
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
    _check_asked(items)
    named = pc.struct_field(pc.list_flatten(items["images"]), "digest").unique()
    missing = images.missing(list(map(str, named.to_pylist())))
    if missing:
        raise TrainingSetError(f"images: {len(missing)} named by items are not there, such as {sorted(missing)[:3]}")


def check_examples(examples: pa.Table, items: pa.Table) -> None:
    """Examples are of known strategies, point to items of the right kind and of their own split."""
    _check_words("examples", "strategy", examples, [strategy.value for strategy in Strategy])
    _check_words("examples", "split", examples, SPLITS)
    _check_numbers("examples", examples, items, ("query", "positive"), ("negatives",))
    if examples.num_rows:
        names = [strategy.value for strategy in Strategy]
        strategies = _codes(examples["strategy"], names)
        # A strategy's name is "<kind of the query>_to_<kind of the positive>".
        kinds = np.array([list(map(KINDS.index, name.split("_to_"))) for name in names])
        _check_kinds("query", examples, items, kinds[strategies, 0])
        _check_kinds("positive", examples, items, kinds[strategies, 1])


def check_ranked(ranked: pa.Table, items: pa.Table) -> None:
    """Ranked lists point to items of their own split and have something relevant."""
    _check_words("ranked", "split", ranked, SPLITS)
    _check_numbers("ranked", ranked, items, ("query",), ("relevant", "noise"))
    if not pc.all(pc.fill_null(pc.greater(pc.list_value_length(ranked["relevant"]), 0), False), min_count=0).as_py():
        raise TrainingSetError("ranked: some rows have no relevant items; leave such queries out")


def _check_kinds(column: str, examples: pa.Table, items: pa.Table, expected: np.ndarray) -> None:
    found = _codes(items["kind"], KINDS)[examples[column].to_numpy()]
    wrong = np.flatnonzero(found != expected)
    if len(wrong):
        first = int(wrong[0])
        raise TrainingSetError(
            f"examples: {len(wrong)} rows such as {examples.slice(first, 1).to_pylist()}: {column} is of kind "
            f"{KINDS[found[first]]}, its strategy has {KINDS[expected[first]]} there"
        )


def _check_words(table: str, column: str, rows: pa.Table, known: tuple[str, ...] | list[str]) -> None:
    found = set(map(str, rows[column].unique().to_pylist()))
    if unknown := sorted(found - set(known)):
        raise TrainingSetError(f"{table}: {column} {unknown[:5]} is not known; it is one of {', '.join(known)}")


def _check_numbers(
    table: str, rows: pa.Table, items: pa.Table, single: tuple[str, ...], listed: tuple[str, ...]
) -> None:
    splits = _codes(items["split"], SPLITS)
    own = _codes(rows["split"], SPLITS)
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
    flat = pc.list_flatten(column) if is_list else column
    if flat.null_count:
        raise TrainingSetError("a column of item numbers holds null; every number names an item")
    owners = pc.list_parent_indices(column).to_numpy() if is_list else np.arange(len(column))
    return flat.to_numpy(), owners


def _check_asked(items: pa.Table) -> None:
    places = items["asked"]
    outside = pc.or_(
        pc.less(places, 0), pc.greater_equal(places, pc.fill_null(pc.list_value_length(items["images"]), 0))
    )
    if wrong := int(pc.sum(outside).as_py() or 0):
        raise TrainingSetError(f"items: asked of {wrong} rows is no place among their images, counted from 0")


def _check_leak(items: pa.Table) -> None:
    groups = items["group"].to_numpy()
    splits = _codes(items["split"], SPLITS)
    both = np.intersect1d(groups[splits == 0], groups[splits == 1])
    if len(both):
        raise TrainingSetError(
            f"items: {len(both)} groups of near-duplicates are in both splits, such as {both[:5].tolist()}; evaluation "
            "would measure memory: put a group into one split"
        )
