"""The codes that tasks make diverse lists by."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from uninote.lake.parquet_files import read_columns
from uninote.neighbours.by_rule.diversity import ALONE, are_diverse

KEYED = ("item_key", "prefix")
"""The columns of files of codes: `prefix` packs those before the last."""


@dataclass(frozen=True)
class Diversity:
    """How lists are made diverse: of the first `candidates` of a list, `at_most` of a group stay.

    A note's group is its packed codes in `files`, KEYED, without those that `divisor` cuts off.
    """

    files: tuple[str, ...]
    at_most: int
    divisor: int
    candidates: int

    def kept(self, owners: np.ndarray, keys: np.ndarray) -> np.ndarray:
        """Return bool (n,): which entries stay, that come in order of rank by owner; `keys` int64 are those of their notes."""
        return are_diverse(owners, read_groups(self).of(keys), self.at_most)


class Groups:
    """The group of each note, by item_key."""

    def __init__(self, packed: np.ndarray, divisor: int) -> None:
        self._packed = packed
        self._divisor = divisor

    def of(self, keys: np.ndarray) -> np.ndarray:
        """Return int64 of the shape of `keys`: their groups, ALONE where a note has no codes."""
        known = keys < len(self._packed)
        packed = np.where(known, self._packed[np.where(known, keys, 0)], ALONE)
        return np.where(packed == ALONE, ALONE, packed // self._divisor)


def read_groups(diversity: Diversity) -> Groups:
    """Return the groups of all notes; a worker reads the files once."""
    return Groups(_read_packed(diversity.files), diversity.divisor)


@lru_cache(2)
def _read_packed(files: tuple[str, ...]) -> np.ndarray:
    """Return int64 by item_key, ALONE where a key has none: item keys are dense, and tasks look up millions of them."""
    parts = [read_columns(path, [*KEYED]) for path in files]
    most = max((int(part["item_key"].to_numpy().max()) for part in parts if len(part)), default=0)
    packed = np.full(most + 1, ALONE, np.int64)
    for part in parts:
        packed[part["item_key"].to_numpy()] = part["prefix"].to_numpy()
    return packed
