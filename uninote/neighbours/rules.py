"""Which pairs a neighbour table allows, and lists of K that obey: filtered where that suffices, found exactly where not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from uninote.neighbours.kernel.approximate import top_k_among
from uninote.neighbours.kernel.assignments import Assignment
from uninote.neighbours.kernel.exact import topk_all_pairs
from uninote.neighbours.kernel.settings import Search, settings_for

_BLOCK = 256
_EXACT_ROWS = 4096  # below, exact float32 products cost about as much as codes that must be ranked again
_NONE = -1  # the code of a null, as pandas has it

Lists = tuple[np.ndarray, np.ndarray]


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


Join = Callable[[Rows, np.ndarray, int], Lists]  # of rows, their places among all, and a length: ids and scores


def join_rows(rows: Rows, rule: Rule, search: Search, assignments: list[Assignment] | None = None) -> Lists:
    """Return (ids int32, scores float32), (n, search.depth): each row's best others that the rule allows; -1, -inf fill.

    To `assignments`, for a plain rule only, those that the kernel made of the rows are added.
    """

    def join(some: Rows, _: np.ndarray, depth: int) -> Lists:
        if len(some) <= _EXACT_ROWS:
            ids, scores = topk_all_pairs(some.vectors, depth)
            return ids.astype(np.int32), scores
        settings = settings_for(len(some), search.k if depth == search.depth else depth, search.recall, depth)
        return top_k_among(some.vectors, len(some), depth, settings=settings, seed=search.seed, assignments=assignments)

    return by_rule(rows, rule, search.depth, join, np.arange(len(rows)))


def by_rule(rows: Rows, rule: Rule, k: int, join: Join, repaired: np.ndarray) -> Lists:
    """Run `join` on the rows that may meet, and filter what it finds; `repaired` are the rows whose lists must be whole."""
    ids, scores = join(rows, np.arange(len(rows)), k) if rule.plain else _by_group(rows, rule, k, join, repaired)
    if rule.min_score is not None:
        ids[scores < rule.min_score], scores[scores < rule.min_score] = -1, -np.inf
    return ids, scores


def _by_group(rows: Rows, rule: Rule, k: int, join: Join, repaired: np.ndarray) -> Lists:
    ids = np.full((len(rows), k), -1, dtype=np.int32)
    scores = np.full((len(rows), k), -np.inf, dtype=np.float32)
    for group in _groups(rows, rule):
        some = rows.take(group) if len(group) < len(rows) else rows
        found = join(some, group, 2 * k if rule.filters else k)
        if rule.filters:
            found = _filter(some, rule, k, found, np.flatnonzero(np.isin(group, repaired)))
        count = min(k, found[0].shape[1])
        ids[group, :count] = np.where(found[0][:, :count] >= 0, group[found[0][:, :count]], -1)
        scores[group, :count] = found[1][:, :count]
    return ids, scores


def _groups(rows: Rows, rule: Rule) -> Iterator[np.ndarray]:
    """Yield the rows that agree in the attributes of `same`; rows with a null there are in none."""
    if not rule.same:
        yield np.arange(len(rows))
        return
    codes = np.stack([_codes(rows.attributes[name]) for name in rule.same], axis=1)
    whole = np.flatnonzero((codes != _NONE).all(axis=1))
    _, group = np.unique(codes[whole], axis=0, return_inverse=True)
    order = np.argsort(group, kind="stable")
    if len(whole):
        yield from (whole[part] for part in np.split(order, np.flatnonzero(np.diff(group[order])) + 1))


def _filter(rows: Rows, rule: Rule, k: int, found: Lists, repaired: np.ndarray) -> Lists:
    """Return the best `k` that are allowed; a row that then lacks some, though there are more, is scored with all."""
    ids, scores = found
    candidate, differs = _allowed(rows, rule), [_codes(rows.attributes[name]) for name in rule.different]
    kept = (ids >= 0) & candidate[ids]
    for codes in differs:
        kept &= (codes[:, None] != codes[ids]) | (codes[:, None] == _NONE)
    if rule.max_score is not None:
        kept &= scores < rule.max_score
    full = ids[:, -1] >= 0 if ids.shape[1] else np.zeros(len(ids), dtype=bool)
    if rule.min_score is not None and ids.shape[1]:
        full &= scores[:, -1] >= rule.min_score  # what was not looked at would be below
    left = np.argsort(~kept, axis=1, kind="stable")[:, :k]
    ids = np.take_along_axis(np.where(kept, ids, -1), left, axis=1)
    scores = np.take_along_axis(np.where(kept, scores, -np.inf), left, axis=1).astype(np.float32)
    short = repaired[(full & (kept.sum(axis=1) < k))[repaired]]
    if len(short) and ids.shape[1]:
        ids[short], scores[short] = _exact(rows, rule, ids.shape[1], short, np.flatnonzero(candidate), differs)
    return ids, scores


def _exact(
    rows: Rows, rule: Rule, k: int, short: np.ndarray, candidates: np.ndarray, differs: list[np.ndarray]
) -> Lists:
    """Return the lists of the rows `short` among `candidates`, every pair scored."""
    ids, scores = np.full((len(short), k), -1, dtype=np.int32), np.full((len(short), k), -np.inf, dtype=np.float32)
    others = rows.vectors[candidates]
    for start in range(0, len(short), _BLOCK):
        mine = short[start : start + _BLOCK]
        block = rows.vectors[mine] @ others.T
        block[mine[:, None] == candidates[None]] = -np.inf
        for codes in differs:
            block[(codes[mine][:, None] == codes[candidates][None]) & (codes[mine] != _NONE)[:, None]] = -np.inf
        if rule.max_score is not None:
            block[block >= rule.max_score] = -np.inf
        count = min(k, block.shape[1])
        best = np.argpartition(-block, count - 1, axis=1)[:, :count] if count else np.empty((len(mine), 0), int)
        order = np.lexsort((best, -np.take_along_axis(block, best, axis=1)), axis=1)
        best = np.take_along_axis(best, order, axis=1)
        found = np.take_along_axis(block, best, axis=1)
        place = slice(start, start + len(mine))
        scores[place, :count] = found
        ids[place, :count] = np.where(np.isfinite(found), candidates[best], -1)
    return ids, scores


def _allowed(rows: Rows, rule: Rule) -> np.ndarray:
    """Return a mask (n,) of the rows that may be anyone's neighbour."""
    mask = np.ones(len(rows), dtype=bool)
    for sets, wanted in ((rule.only, True), (rule.never, False)):
        for name, values in sets:
            mask &= np.isin(rows.attributes[name].astype(str), values) & _present(rows.attributes[name]) == wanted
    return mask


def barred_pairs(rule: Rule, mine: Rows, theirs: Rows) -> np.ndarray:
    """Return bool (m, n): in which pairs attributes keep a row of `theirs` from being a neighbour of one of `mine`."""
    barred = np.repeat(~_allowed(theirs, rule)[None], len(mine), axis=0)
    for name in (*rule.same, *rule.different):
        codes = _codes(np.concatenate([mine.attributes[name], theirs.attributes[name]]))
        own, other = codes[: len(mine), None], codes[None, len(mine) :]
        barred |= (own != other) | (own == _NONE) if name in rule.same else (own == other) & (own != _NONE)
    return barred


def _codes(values: np.ndarray) -> np.ndarray:
    """Return int64 (n,): a number for each value, _NONE for null."""
    return np.asarray(pd.factorize(values)[0], np.int64)


def _present(values: np.ndarray) -> np.ndarray:
    return np.array([value is not None for value in values], dtype=bool)
