"""Which candidates may become hard negatives: a window of the teacher's similarity, and no false negatives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from uninote.errors import UninoteError


@dataclass(frozen=True)
class Window:
    """Hard negatives are candidates whose teacher similarity lies in [low, high], [stated] 0.5 to 0.7 for the paper's.

    A candidate above the positive's score minus `margin` is taken for a false negative and dropped; 0.01 is UniME-V2's.
    Of all candidates inside, `count` are drawn with `seed`.
    """

    low: float = 0.5
    high: float = 0.7
    margin: float = 0.01
    count: int = 8
    seed: int = 0

    def __post_init__(self) -> None:
        if not -1 <= self.low < self.high <= 1 or self.margin < 0 or self.count < 0:
            raise UninoteError(
                f"window {self.low} to {self.high}, margin {self.margin}, count {self.count}: low must be below high, both "
                "cosines; margin and count not negative"
            )


def max_sim(query: np.ndarray, elements: np.ndarray) -> float:
    """Return the soft score of a composite candidate: the largest cosine of the query and any of its elements [stated].

    `elements` float32 (n, width) are the teacher's L2-normalised vectors of the candidate's images and texts, each alone;
    `query` is (width,), or (m, width) for a composite query, of whose elements the scores are averaged [ours].
    """
    rows = np.atleast_2d(query)
    if not len(elements) or not len(rows):
        raise UninoteError("a composite without elements has no score; give the vector of each of its parts")
    return float((rows @ elements.T).max(axis=1).mean())
