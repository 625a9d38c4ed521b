"""Which pairs a neighbour table allows. Nothing here compiles: plans and settings are made of it too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

NO_VALUE = -1  # the number of a null, as pandas has it


@dataclass(frozen=True)
class Rule:
    """What a neighbour must be: see RuleConfig. `max_score` excludes duplicates; scores at or above it do not count.

    Lists have `candidates` entries for readers to be chosen from, 0: as many as are looked for.
    """

    same: tuple[str, ...] = ()
    different: tuple[str, ...] = ()
    only: tuple[tuple[str, tuple[str, ...]], ...] = ()
    never: tuple[tuple[str, tuple[str, ...]], ...] = ()
    min_score: float | None = None
    max_score: float | None = None
    candidates: int = 0

    @property
    def attributes(self) -> tuple[str, ...]:
        """The attributes it looks at."""
        return tuple(sorted({*self.same, *self.different, *dict(self.only), *dict(self.never)}))

    @property
    def plain(self) -> bool:
        """Say whether the best candidates are the neighbours, whoever they are."""
        return not (self.same or self.filters)

    @property
    def filters(self) -> bool:
        """Say whether the best candidates may have to be passed over."""
        return bool(self.different or self.only or self.never or self.max_score is not None)


@dataclass(frozen=True)
class Rows:
    """Rows that meet: `vectors` float32 (n, width), and their attributes as object arrays (n,), null where None."""

    vectors: np.ndarray
    attributes: Mapping[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.vectors)

    def take(self, rows: np.ndarray) -> Rows:
        """Return some of the rows."""
        return Rows(self.vectors[rows], {name: values[rows] for name, values in self.attributes.items()})


class Predicate:
    """Which rows a rule lets be neighbours of which others, by their attributes.

    `candidates` bool (n,): the rows that may be anyone's neighbour.
    """

    def __init__(self, rule: Rule, attributes: Mapping[str, np.ndarray], rows: int) -> None:
        # Numbers for values: a pair then compares integers, and each text is looked at once.
        self._same = [numbers_of(attributes[name]) for name in rule.same]
        self._different = [numbers_of(attributes[name]) for name in rule.different]
        self.candidates = np.ones(rows, dtype=bool)
        for name, values in rule.only:
            self.candidates &= _is_one_of(attributes[name], values)
        for name, values in rule.never:
            self.candidates &= ~_is_one_of(attributes[name], values)

    def allows(self, owners: np.ndarray, others: np.ndarray) -> np.ndarray:
        """Return bool: whether `others` may be neighbours of `owners`, int arrays of rows that broadcast.

        A null equals nothing and differs from everything.
        """
        allowed = np.broadcast_to(self.candidates[others], np.broadcast_shapes(owners.shape, others.shape)).copy()
        for numbers in self._same:
            own = numbers[owners]
            allowed &= (own == numbers[others]) & (own != NO_VALUE)
        for numbers in self._different:
            own = numbers[owners]
            allowed &= (own != numbers[others]) | (own == NO_VALUE)
        return allowed


class Pairing(NamedTuple):
    """Which of n rows may be neighbours of which of m queries, as numbers for the values of attributes, negative for null.

    `same` int32 (any, m) must be equal to `same_of_rows` (any, n), and not null; `different` must not, unless it is null. Only
    the rows of `is_neighbour`, bool (n,), count; of no length where all do.
    """

    same: np.ndarray
    same_of_rows: np.ndarray
    different: np.ndarray
    different_of_rows: np.ndarray
    is_neighbour: np.ndarray

    def rows_of(self, part: slice) -> Pairing:
        """Return what it says of a part of the rows."""
        return self._replace(
            same_of_rows=np.ascontiguousarray(self.same_of_rows[:, part]),
            different_of_rows=np.ascontiguousarray(self.different_of_rows[:, part]),
            is_neighbour=self.is_neighbour[part],
        )


_NO_NUMBERS = np.empty((0, 0), np.int32)
ANYONE = Pairing(_NO_NUMBERS, _NO_NUMBERS, _NO_NUMBERS, _NO_NUMBERS, np.empty(0, np.bool_))


def pairing_of(rule: Rule, mine: Rows, theirs: Rows) -> Pairing:
    """Return which rows of `theirs` attributes allow to be neighbours of which of `mine`."""
    same = _numbers_of_both(rule.same, mine, theirs)
    different = _numbers_of_both(rule.different, mine, theirs)
    is_neighbour = Predicate(Rule(only=rule.only, never=rule.never), theirs.attributes, len(theirs)).candidates
    queries = len(mine)
    return Pairing(
        np.ascontiguousarray(same[:, :queries]),
        np.ascontiguousarray(same[:, queries:]),
        np.ascontiguousarray(different[:, :queries]),
        np.ascontiguousarray(different[:, queries:]),
        is_neighbour,
    )


def _numbers_of_both(names: Sequence[str], mine: Rows, theirs: Rows) -> np.ndarray:
    """Return int32 (names, m + n): numbers that are equal where the values of the rows of either side are."""
    numbers = np.empty((len(names), len(mine) + len(theirs)), np.int32)
    for place, name in enumerate(names):
        numbers[place] = numbers_of(np.concatenate([mine.attributes[name], theirs.attributes[name]]))
    return numbers


def numbers_of(values: np.ndarray) -> np.ndarray:
    """Return int64 (n,): a number for each different value of an object array, NO_VALUE for null."""
    return np.asarray(pd.factorize(values)[0], np.int64)


def _is_one_of(values: np.ndarray, wanted: tuple[str, ...]) -> np.ndarray:
    present = np.array([value is not None for value in values], dtype=bool)
    return present & np.isin(values.astype(str), wanted)
