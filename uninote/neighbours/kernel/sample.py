"""The sample of rows that says when a join may end: their true candidates are known from the start."""

from __future__ import annotations

import math

import numpy as np

from uninote.neighbours.kernel.candidates import NO_ROW, Candidates, key_position
from uninote.neighbours.kernel.settings import Settings
from uninote.neighbours.kernel.simd.vector_ir import compiled

# So many times what an assignment is expected to leave must still be little enough.
_DOUBT = 1.5


class Sample:
    """The true candidates of the first rows, `truth` int64 (s, length), which may be none.

    Of no rows nothing is ever known: then no question is answered with yes.
    """

    def __init__(self, truth: np.ndarray, settings: Settings) -> None:
        self._truth = truth
        self._settings = settings
        # The share that was not found, each time that somebody asked.
        self._missing: list[float] = []

    def __len__(self) -> int:
        return len(self._truth)

    def is_found(self, candidates: Candidates) -> bool:
        """Say whether enough of it is among the candidates."""
        if not len(self._truth):
            return False
        self._missing.append(self.missing(candidates))
        return self._missing[-1] <= 1 - self._settings.recall

    def missing(self, candidates: Candidates) -> float:
        """Return the share that is not among the candidates; 1 of no rows."""
        if not len(self._truth):
            return 1.0
        return 1 - share_found(candidates.keys, self._truth, self._settings.depth)

    @property
    def progress(self) -> float:
        """The assignments that ran, as a share of those that it takes to find enough, if each leaves the same share; 0 to 1."""
        allowed = 1 - self._settings.recall
        if not self._missing or self._missing[-1] >= 1:
            return 0.0
        if self._missing[-1] <= allowed:
            return 1.0
        return math.log(self._missing[-1]) / math.log(allowed) if allowed > 0 else 0.0

    def is_within_reach(self, candidates: Candidates) -> bool:
        """Say whether a local join would find enough of it, and one more assignment, which costs less, would not.

        Assignments know nothing of each other: each leaves the same share of what was missing before it, or somewhat more.
        """
        if not len(self._truth) or self._is_next_enough():
            return False
        settings = self._settings
        rows = len(candidates.limits)
        return share_within_reach(candidates.keys, self._truth, rows, settings.edges, settings.depth) >= settings.recall

    def _is_next_enough(self) -> bool:
        before = self._missing[-2] if len(self._missing) > 1 else 1.0
        expected = self._missing[-1] ** 2 / before
        return _DOUBT * expected <= 1 - self._settings.recall


@compiled
def share_found(keys: np.ndarray, truth: np.ndarray, k: int) -> float:
    """Return the share of the best `k` of `truth`, keys of the first rows, that `keys` reach, ties counted fairly.

    Less two standard errors: the rows are a sample, and where some miss all and others none, a rough one.
    """
    count = 0
    total = 0.0
    squares = 0.0
    for row in range(len(truth)):
        available = 0
        while available < k and key_position(truth[row, available]) != NO_ROW:
            available += 1
        if available:
            reached = 0
            for slot in range(keys.shape[1]):
                is_row = key_position(keys[row, slot]) != NO_ROW
                # Half keys are scores: whatever scores as well as the last true one counts.
                reached += is_row and keys[row, slot] >> 32 >= truth[row, available - 1] >> 32
            share = min(reached, available) / available
            count += 1
            total += share
            squares += share * share
    if not count:
        return 1.0
    mean = total / count
    return mean - 2 * math.sqrt(max(squares / count - mean * mean, 0.0) / count)


@compiled
def share_within_reach(keys: np.ndarray, truth: np.ndarray, rows: int, forward: int, k: int) -> float:
    """Return the share of the best `k` of `truth`, keys of the first rows, that a local join would make known.

    Those are the rows in the list, and in the lists of the first `forward` entries of the list; joins at rows that
    have this row find some more. `rows` counts all positions.
    """
    # The row that saw a position last: a set that is never cleared, as each row has another number.
    stamps = np.full(rows, -1, dtype=np.int32)
    found = 0
    wanted = 0
    for row in range(len(truth)):
        for slot in range(keys.shape[1]):
            near = key_position(keys[row, slot])
            if near == NO_ROW:
                break
            stamps[near] = row
            if slot < forward and near < len(keys):
                for other in range(forward):
                    further = key_position(keys[near, other])
                    if further != NO_ROW:
                        stamps[further] = row
        for slot in range(k):
            position = key_position(truth[row, slot])
            if position != NO_ROW:
                found += stamps[position] == row
                wanted += 1
    return found / wanted if wanted else 1.0
