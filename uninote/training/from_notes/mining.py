"""Hard negatives out of a whole pool: exact MaxSim by blocks, and of all candidates in the window a sample."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from uninote.training.from_notes.negatives import Window
from uninote.vectors.sampling import place_in_order

# Scores of a block are some 8 MiB, and as many bytes again for each mask over them.
_QUERIES = 256
_ELEMENTS = 8192
_BINS = 20_000  # of cosines from -1 to 1
LEAST_WIDTH = 2 / _BINS


@dataclass(frozen=True)
class Composites:
    """Items as rows of the teacher's vectors.

    `numbers` and `groups` int64 (n,); `marks` int64 (n,), hashes of what each item shows; the rows of item i are
    `elements`[`starts`[i] : `starts`[i + 1]], int64, at least one. Of queries, `answers` are the groups of all their right
    answers, a sequence for each; null where they have none outside of their own group.
    """

    numbers: np.ndarray
    groups: np.ndarray
    marks: np.ndarray
    starts: np.ndarray
    elements: np.ndarray
    answers: Sequence[Sequence[int]] | None = None

    @classmethod
    def of(
        cls, numbers: np.ndarray, groups: np.ndarray, marks: np.ndarray, rows: Sequence[Sequence[int]]
    ) -> Composites:
        """Return items whose elements are `rows`, one sequence an item."""
        lengths = np.fromiter(map(len, rows), np.int64, len(rows))
        elements = np.fromiter(chain.from_iterable(rows), np.int64, int(lengths.sum()))
        return cls(numbers, groups, marks, np.concatenate([[0], np.cumsum(lengths)]), elements)

    def __len__(self) -> int:
        return len(self.numbers)

    def part(self, start: int, stop: int) -> Composites:
        """Return the items from `start` to `stop`."""
        starts = self.starts[start : stop + 1]
        rows = self.elements[starts[0] : starts[-1]] if len(starts) else self.elements[:0]
        own = slice(start, stop)
        answers = None if self.answers is None else self.answers[own]
        return Composites(self.numbers[own], self.groups[own], self.marks[own], starts - starts[0], rows, answers)

    def blocks(self, most: int) -> Iterator[Composites]:
        """Yield all items in parts of at most `most` elements, and of at least one item."""
        start = 0
        while start < len(self):
            stop = int(np.searchsorted(self.starts, self.starts[start] + most, side="right")) - 1
            stop = max(stop, start + 1)
            yield self.part(start, stop)
            start = stop


@dataclass(frozen=True)
class Mined:
    """For each query the candidates that were drawn: `queries` int64 (m,), places ascending, `numbers` and `scores` beside.

    `inside` int64 (queries,): how many candidates of the pool lie in the window.
    """

    queries: np.ndarray
    numbers: np.ndarray
    scores: np.ndarray
    inside: np.ndarray

    def of(self, query: int) -> tuple[np.ndarray, np.ndarray]:
        """Return (numbers, scores) of one query."""
        start, stop = np.searchsorted(self.queries, [query, query + 1])
        return self.numbers[start:stop], self.scores[start:stop]


def max_sims(queries: Composites, candidates: Composites, vectors: np.ndarray) -> np.ndarray:
    """Return float32 (queries, candidates): the mean over a query's elements of its best cosine among a candidate's.

    `vectors` float32 (elements, width), L2-normalised, NaN where the teacher had none.
    """
    products = vectors[queries.elements] @ vectors[candidates.elements].T
    # Elements of an item lie side by side, so a segment of columns is a candidate, and one of rows a query.
    best = np.maximum.reduceat(products, candidates.starts[:-1], axis=1)
    total = np.add.reduceat(best, queries.starts[:-1], axis=0)
    return np.asarray(total / np.diff(queries.starts)[:, None], dtype=np.float32)


def mine(queries: Composites, positives: np.ndarray, pool: Composites, vectors: np.ndarray, window: Window) -> Mined:
    """Return of each query at most `window.count` candidates, no right answers of its own, whose scores lie in the window.

    Every candidate is scored: where a topic has more notes than any nearest-neighbour search returns, all that lie in the
    window are farther away than those. Of the candidates inside, those with the least hash of (query, candidate,
    `window.seed`) are kept, not the hardest: just below the window's end stand the right answers that nobody labelled, and
    one more note in the pool would change the hardest of many queries, where a sample changes by that note alone.
    `positives` float32 (queries,) are the scores of the right answers. NaN scores are in no window.
    """
    parts = [
        _mine(queries.part(*ends), positives[slice(*ends)], pool, vectors, window) for ends in _ranges(len(queries))
    ]
    starts = range(0, len(queries), _QUERIES)
    return Mined(
        np.concatenate([part.queries + start for part, start in zip(parts, starts, strict=True)] or [_NONE]),
        np.concatenate([part.numbers for part in parts] or [_NONE]),
        np.concatenate([part.scores for part in parts] or [_NO_SCORES]),
        np.concatenate([part.inside for part in parts] or [_NONE]),
    )


_NONE = np.empty(0, np.int64)
_NO_SCORES = np.empty(0, np.float32)


def _ranges(count: int) -> Iterator[tuple[int, int]]:
    for start in range(0, count, _QUERIES):
        yield start, min(count, start + _QUERIES)


def _mine(queries: Composites, positives: np.ndarray, pool: Composites, vectors: np.ndarray, window: Window) -> Mined:
    highest = np.minimum(window.high, positives - window.margin)[:, None]
    inside = np.zeros(len(queries), np.int64)
    rows, numbers, scores, places = _NONE, _NONE, _NO_SCORES, np.empty(0, np.uint64)
    for candidates in pool.blocks(_ELEMENTS):
        found = max_sims(queries, candidates, vectors)
        # What scores as well as the positive is most often another right answer, not a hard negative.
        wanted = (found >= window.low) & (found <= highest) & ~_are_answers(queries, candidates)
        new, columns = np.nonzero(wanted)
        inside += np.bincount(new, minlength=len(queries))
        rows = np.concatenate([rows, new])
        numbers = np.concatenate([numbers, candidates.numbers[columns]])
        scores = np.concatenate([scores, found[new, columns]])
        places = np.concatenate([places, _places(queries.marks[new], candidates.marks[columns], window.seed)])
        kept = _first_of_each(rows, places, window.count)
        rows, numbers, scores, places = rows[kept], numbers[kept], scores[kept], places[kept]
    return Mined(rows, numbers, scores, inside)


def _are_answers(queries: Composites, candidates: Composites) -> np.ndarray:
    """Return bool (queries, candidates): which candidates are of a query's own group, or of that of one of its right answers.

    A description that several notes share is one query, in the group of the first of them.
    """
    known = np.asarray(queries.groups[:, None] == candidates.groups)
    for row, groups in enumerate(queries.answers or ()):
        if len(groups):
            known[row] |= np.isin(candidates.groups, groups)
    return known


def _places(queries: np.ndarray, candidates: np.ndarray, seed: int) -> np.ndarray:
    """Return uint64 (n,): a hash of each pair and the seed."""
    return place_in_order(place_in_order(queries, seed).view(np.int64) ^ candidates, seed)


def _first_of_each(rows: np.ndarray, places: np.ndarray, count: int) -> np.ndarray:
    """Return the positions of the `count` least places of each of `rows`, by row and place."""
    order = np.lexsort((places, rows))
    ordered = rows[order]
    # A search for each row finds where its own stretch begins; what is left of a place is the rank within that stretch.
    rank = np.arange(len(order)) - np.searchsorted(ordered, ordered)
    return np.asarray(order[rank < count])


def histogram(queries: Composites, pool: Composites, vectors: np.ndarray) -> np.ndarray:
    """Return int64 (_BINS,): how many scores of candidates, no right answers, lie in each bin of the cosines from -1 to 1."""
    counts = np.zeros(_BINS, np.int64)
    for candidates in pool.blocks(_ELEMENTS):
        found = max_sims(queries, candidates, vectors)
        found = found[~_are_answers(queries, candidates) & np.isfinite(found)]
        places = np.clip(((found + 1) * (_BINS / 2)).astype(np.int64), 0, _BINS - 1)
        counts += np.bincount(places, minlength=_BINS)
    return counts


def quantile(counts: np.ndarray, share: float) -> float:
    """Return the cosine below which a `share` of the scores of a histogram lies, to within LEAST_WIDTH."""
    place = int(np.searchsorted(np.cumsum(counts), share * counts.sum()))
    return 2 * min(place, _BINS) / _BINS - 1
