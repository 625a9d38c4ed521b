"""Which pairs a neighbour table allows. Nothing here compiles: plans and settings are made of it too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

NO_VALUE = -1  # the number of a null, as pandas has it


@dataclass(frozen=True)
class Rule:
    """What a neighbour must be: see RuleConfig. `max_score` excludes duplicates; scores at or above it do not count."""

    same: tuple[str, ...] = ()
    different: tuple[str, ...] = ()
    only: tuple[tuple[str, tuple[str, ...]], ...] = ()
    never: tuple[tuple[str, tuple[str, ...]], ...] = ()
    min_score: float | None = None
    max_score: float | None = None

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


def allowed_pairs(rule: Rule, mine: Rows, theirs: Rows) -> np.ndarray:
    """Return bool (m, n): which rows of `theirs` attributes allow to be neighbours of which of `mine`."""
    attributes = {name: np.concatenate([mine.attributes[name], theirs.attributes[name]]) for name in rule.attributes}
    predicate = Predicate(rule, attributes, len(mine) + len(theirs))
    owners = np.arange(len(mine))
    others = np.arange(len(mine), len(mine) + len(theirs))
    return predicate.allows(owners[:, None], others[None])


def numbers_of(values: np.ndarray) -> np.ndarray:
    """Return int64 (n,): a number for each different value of an object array, NO_VALUE for null."""
    return np.asarray(pd.factorize(values)[0], np.int64)


def _is_one_of(values: np.ndarray, wanted: tuple[str, ...]) -> np.ndarray:
    present = np.array([value is not None for value in values], dtype=bool)
    return present & np.isin(values.astype(str), wanted)
