"""How often notes and their neighbours share a label: of any ranking, of a note's own duplicates aside, and of chance."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

Labels = Mapping[Hashable, frozenset[str]]  # of notes that have any


@dataclass(frozen=True)
class Shares:
    """Shares of neighbours with a label of their note: of first ones, and of all K; null where there are none to count.

    `first_distinct` is that of the first one that is no duplicate of the note, `first_abroad` that of the first one in
    another language.
    """

    first: float | None
    every: float | None
    first_distinct: float | None
    first_abroad: float | None


@dataclass(frozen=True)
class Facts:
    """What is known of notes beside their texts, by note_id: duplicate group and language, of those that have one."""

    groups: Mapping[Hashable, Hashable]
    languages: Mapping[Hashable, str]

    def is_distinct(self, one: Hashable, other: Hashable) -> bool:
        """Say whether two notes are no duplicates of each other."""
        group = self.groups.get(one)
        return group is None or group != self.groups.get(other)

    def is_abroad(self, one: Hashable, other: Hashable) -> bool:
        """Say whether two notes are in different languages, both known."""
        mine = self.languages.get(one)
        theirs = self.languages.get(other)
        return mine is not None and theirs is not None and mine != theirs


def shares_of_lists(lists: Mapping[Hashable, Sequence[Hashable]], labels: Labels, facts: Facts) -> Shares:
    """Return the shares of stored lists, best first. Pairs of which either note has no label do not count."""
    first: list[bool] = []
    every: list[bool] = []
    distinct: list[bool] = []
    abroad: list[bool] = []
    for note in labels.keys() & lists.keys():
        of_distinct = []
        of_abroad = []
        for place, other in enumerate(lists[note]):
            if other not in labels:
                continue
            agrees = not labels[note].isdisjoint(labels[other])
            every.append(agrees)
            if place == 0:
                first.append(agrees)
            if facts.is_distinct(note, other):
                of_distinct.append(agrees)
            if facts.is_abroad(note, other):
                of_abroad.append(agrees)
        distinct += of_distinct[:1]
        abroad += of_abroad[:1]
    return Shares(_mean(first), _mean(every), _mean(distinct), _mean(abroad))


@dataclass(frozen=True)
class Pairs:
    """Facts of pairs of labelled notes, bool (queries, notes), of which the first notes are the queries.

    `same`: they share a label; `other`: they are two notes; `distinct`: two, and no duplicates of each other; `abroad`: in
    different languages.
    """

    same: np.ndarray
    other: np.ndarray
    distinct: np.ndarray
    abroad: np.ndarray


def pairs_of(notes: Sequence[Hashable], queries: int, labels: Labels, facts: Facts) -> Pairs:
    """Return the facts of the first `queries` of `notes`, which all have labels, with all of them."""
    other = np.ones((queries, len(notes)), bool)
    np.fill_diagonal(other, False)
    groups = _codes(map(facts.groups.get, notes))
    languages = _codes(map(facts.languages.get, notes))
    # Code -1, of what has none, is equal to nothing: neither a duplicate nor in another language.
    is_duplicate = (groups[:queries, None] == groups) & (groups >= 0)
    is_known = (languages[:queries, None] >= 0) & (languages >= 0)
    abroad = (languages[:queries, None] != languages) & is_known
    return Pairs(_share_a_label([labels[note] for note in notes], queries), other, other & ~is_duplicate, abroad)


def shares_of_scores(scores: np.ndarray, pairs: Pairs, k: int) -> Shares:
    """Return the shares of a ranking by `scores`, (queries, notes)."""
    ranked = np.where(pairs.other, scores, -np.inf)
    depth = min(k, max(1, ranked.shape[1] - 1))
    best = np.argpartition(-ranked, depth - 1, axis=1)[:, :depth]
    every = np.take_along_axis(pairs.same & pairs.other, best, 1)
    return Shares(
        _best_of(scores, pairs.other, pairs.same),
        _mean(every.ravel()),
        _best_of(scores, pairs.distinct, pairs.same),
        _best_of(scores, pairs.abroad, pairs.same),
    )


def shares_of_chance(pairs: Pairs) -> Shares:
    """Return the shares of neighbours that are drawn at random: of all pairs that count."""
    of_all = _mean(pairs.same[pairs.other])
    return Shares(of_all, of_all, _mean(pairs.same[pairs.distinct]), _mean(pairs.same[pairs.abroad]))


def _best_of(scores: np.ndarray, admitted: np.ndarray, same: np.ndarray) -> float | None:
    """Return how often the best of the notes that are admitted shares a label; queries without any do not count."""
    asked = np.flatnonzero(admitted.any(axis=1))
    best = np.where(admitted[asked], scores[asked], -np.inf).argmax(axis=1)
    return _mean(same[asked, best])


def _share_a_label(labels: Sequence[frozenset[str]], queries: int) -> np.ndarray:
    from scipy.sparse import csr_array

    numbers: dict[str, int] = {}
    columns = []
    ends = [0]
    for mine in labels:
        for label in sorted(mine):
            columns.append(numbers.setdefault(label, len(numbers)))
        ends.append(len(columns))
    marked = csr_array((np.ones(len(columns), np.float32), columns, ends), shape=(len(labels), len(numbers)))
    shared: np.ndarray = (marked[:queries] @ marked.T).toarray() > 0
    return shared


def _codes(values: Iterable[Hashable]) -> np.ndarray:
    """Return equal numbers for equal values, int64; -1 for null."""
    numbers: dict[Hashable, int] = {None: -1}
    codes = []
    for value in values:
        codes.append(numbers.setdefault(value, len(numbers)))
    return np.array(codes, np.int64)


def _mean(agreed: Sequence[bool] | np.ndarray) -> float | None:
    return float(np.mean(agreed)) if len(agreed) else None
