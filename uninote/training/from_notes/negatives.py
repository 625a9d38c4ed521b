"""Which candidates become hard negatives: a window of the teacher's similarity, the rule, and no false negatives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from uninote.errors import UninoteError


@dataclass(frozen=True)
class Window:
    """Hard negatives are candidates whose teacher similarity lies in [low, high], [stated] 0.5 to 0.7 for the paper's.

    A candidate above the positive's score minus `margin` is taken for a false negative and dropped; 0.01 is UniME-V2's.
    """

    low: float = 0.5
    high: float = 0.7
    margin: float = 0.01
    count: int = 8

    def __post_init__(self) -> None:
        if not -1 <= self.low < self.high <= 1 or self.margin < 0 or self.count < 0:
            raise UninoteError(
                f"window {self.low} to {self.high}, margin {self.margin}, count {self.count}: low must be below high, both "
                "cosines; margin and count not negative"
            )


def choose_negatives(candidates: np.ndarray, scores: np.ndarray, positive: float | None, window: Window) -> np.ndarray:
    """Return int64 numbers of at most `window.count` hard negatives, hardest first.

    `candidates` int64 (n,) go with the teacher's `scores` (n,); the query's own group must not be among them. `positive`
    is the teacher's score of the positive, null when unknown. Fewer than `count` are returned rather than easy ones
    made hard; equal scores are taken in the order of their numbers.
    """
    inside = (scores >= window.low) & (scores <= window.high)
    if positive is not None:
        # What scores as well as the positive is most often another right answer, not a hard negative.
        inside &= scores <= positive - window.margin
    numbers = candidates[inside]
    values = scores[inside]
    # By number among equals, so that a training set is the same each time.
    order = np.lexsort((numbers, -values))[: window.count]
    chosen: np.ndarray = numbers[order].astype(np.int64)
    return chosen


def with_rule(mined: np.ndarray, by_rule: int | None, count: int) -> np.ndarray:
    """Return the negatives of an example: the one by rule first, mined ones after it, `count` in all.

    The paper takes both kinds and does not say how many of each: one by rule, as a note has one for each image, is ours.
    """
    first = np.array([] if by_rule is None else [by_rule], dtype=np.int64)
    return np.concatenate([first, mined[mined != by_rule] if by_rule is not None else mined])[:count]


def max_sim(query: np.ndarray, elements: np.ndarray) -> float:
    """Return the soft score of a composite candidate: the largest cosine of the query and any of its elements [stated].

    `elements` float32 (n, width) are the teacher's L2-normalised vectors of the candidate's images and texts, each alone;
    `query` is (width,), or (m, width) for a composite query, of whose elements the scores are averaged [ours].
    """
    rows = np.atleast_2d(query)
    if not len(elements) or not len(rows):
        raise UninoteError("a composite without elements has no score; give the vector of each of its parts")
    return float((rows @ elements.T).max(axis=1).mean())
