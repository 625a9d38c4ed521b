"""The join of coded rows: assignments to leaves, then local joins. What a plan over cells runs in each cell."""

from __future__ import annotations

import numpy as np

from uninote.neighbours.kernel.assignments import Recorder, group_rows
from uninote.neighbours.kernel.candidates import NO_ROW, Candidates, empty_candidates, key_position
from uninote.neighbours.kernel.codes import Codes, reordered
from uninote.neighbours.kernel.exclusions import NOBODY, Exclusions, in_order
from uninote.neighbours.kernel.leaves import (
    Workspace,
    join_further,
    join_hubs,
    join_leaves,
    join_with_first,
    make_workspace,
)
from uninote.neighbours.kernel.local_join import join_neighbours
from uninote.neighbours.kernel.pivots import MOVES, draw_pivots, encode_pivots, nearest_pivots
from uninote.neighbours.kernel.sample import Sample
from uninote.neighbours.kernel.settings import Settings, num_pivots, workspace_rows
from uninote.neighbours.kernel.simd.vector_ir import compiled
from uninote.neighbours.results.progress import came_to

SAMPLE_ROWS = 512  # whose true candidates say when to stop
_MOST_HUBS = 256
# Rows that a join of all pairs meets at once with all after them: 20,000 rows report 20 times.
_TOGETHER = 1024
# Means find more than random rows do, but part the same neighbours again and again: the first assignments are around means.
_AROUND_MEANS = 2
# Times the pivots. So few rows are scored with all others at about the cost of some assignments.
_FEW_TARGETS = 8
# The spread of squared lengths, in parts of the mean squared distance from the centre, from which
# some rows count as hubs.
_LENGTHS_DIFFER = 0.01


def join_codes(
    codes: Codes, settings: Settings, seed: int, recorder: Recorder | None = None, excluded: Exclusions = NOBODY
) -> tuple[np.ndarray, Candidates]:
    """Return (order int64 (n,), candidates): the candidates of each of the n rows of `codes` among the others.

    Row i of the candidates, and a position in them, is row order[i] of `codes`. A list that stays short is filled by scoring
    all rows.

    Where `settings.recall` is below 1, a sample of the rows is scored against all rows first, and the search ends
    when that share of the sample's candidates is found; if no assignment brings it about, all pairs are scored.
    `recorder` gets the pivots and leaves of the assignments that run, unless there is but one leaf. `excluded` pairs are no
    candidates, and do not count for the sample.
    """
    rows = len(codes.squares)
    # Where a rule admits few neighbours (one category of a thousand), the leaf of a row may hold none
    # of them. Scoring those few with all rows costs less than many assignments, and misses none.
    targets = np.flatnonzero(excluded.is_neighbour).astype(np.int32)
    if len(excluded.is_neighbour) and len(targets) <= _FEW_TARGETS * num_pivots(rows, settings):
        return np.arange(rows), _join_targets(codes, settings, excluded, targets)
    generator = np.random.default_rng(seed)
    workspace = make_workspace(workspace_rows(rows, settings), codes.rows.shape[1], settings.vnni)
    pivots, leaves = _assign(workspace, codes, settings, generator)
    record = recorder is not None and len(pivots) > 1
    if recorder and record:
        recorder.add(pivots, leaves)
    # The codes are moved once, into the order of the first leaves: what meets later lies side by side
    # in memory then. The sample comes first, so that it needs no list of its rows.
    order = _leaf_order(leaves[:, 0], generator)
    join = _Join(workspace, reordered(codes, order), settings, in_order(excluded, order))
    enough = join.join_leaves(leaves[order], len(pivots))
    for number in range(1, settings.assignments):
        if enough:
            break
        came_to(max(number / settings.assignments, join.share_found))
        pivots, leaves = _assign(workspace, join.codes, settings, generator, MOVES if number < _AROUND_MEANS else 0)
        if recorder and record:
            recorder.add(pivots, _put_back(leaves, order))
        enough = join.join_leaves(leaves, len(pivots))
    join.complete(enough)
    return order, join.candidates


class _Join:
    """A join on its way: the codes in their order, the candidates found so far, and the sample."""

    def __init__(self, workspace: Workspace, codes: Codes, settings: Settings, excluded: Exclusions) -> None:
        rows = len(codes.squares)
        self.codes = codes
        self.candidates = empty_candidates(rows, rows, settings.length, excluded=excluded)
        self._workspace = workspace
        self._settings = settings
        self._assignments_left = settings.assignments
        self._rounds_left = settings.rounds
        self._is_one_leaf = num_pivots(rows, settings) == 1
        if not self._is_one_leaf:
            # Leaves gather what is near. A long row scores high with rows of every leaf, so it meets them all.
            join_with_all(workspace, codes, self.candidates, _hubs(codes))
        sampled = min(SAMPLE_ROWS, rows) if settings.recall < 1 else 0
        self._sample = Sample(self._true_keys(sampled), settings)

    def _true_keys(self, sampled: int) -> np.ndarray:
        """Return int64 (sampled, length): the keys that the first rows have once they are scored with all rows."""
        rows = len(self.codes.squares)
        truth = empty_candidates(rows, sampled, self._settings.length, excluded=self.candidates.excluded)
        join_with_all(self._workspace, self.codes, truth, np.arange(sampled, dtype=np.int32))
        return truth.keys

    def join_leaves(self, leaves: np.ndarray, pivots: int) -> bool:
        """Join the rows of each leaf, and maybe neighbours; say whether the sample has found enough."""
        if self._is_one_leaf:
            self._join_all_pairs()
        else:
            self._join_in_leaves(leaves, pivots)
        self._assignments_left -= 1
        if self._sample.is_found(self.candidates):
            return True
        last = self._assignments_left == 0
        if self._rounds_left == 0 or not (last or self._sample.is_within_reach(self.candidates)):
            return False
        self._join_neighbours()
        return self._sample.is_found(self.candidates)

    def _join_in_leaves(self, leaves: np.ndarray, pivots: int) -> None:
        """Join rows with the same nearest pivot; then, unless enough is found, those that have another one in common.

        The first are a quarter of the pairs, so that a join may end within an assignment.
        """
        nearest = group_rows(np.ascontiguousarray(leaves[:, :1]), pivots)
        join_leaves(self._workspace, self.codes, self.candidates, *nearest)
        if self._sample.missing(self.candidates) > 1 - self._settings.recall:
            further = group_rows(np.ascontiguousarray(leaves[:, 1:]), pivots)
            join_further(self._workspace, self.codes, self.candidates, nearest, further)

    def _join_all_pairs(self) -> None:
        """Join all rows with each other, some after the other: where the CPU lacks VNNI, 20,000 take ten seconds."""
        rows = np.arange(len(self.codes.squares), dtype=np.int32)
        for start in range(0, len(rows), _TOGETHER):
            left = rows[start:]
            came_to(1 - (len(left) / len(rows)) ** 2)
            join_with_first(self._workspace, self.codes, self.candidates, left, min(_TOGETHER, len(left)))

    @property
    def share_found(self) -> float:
        """How far the join has come by what the sample has found, 0 to 1: each assignment leaves about the same share."""
        return self._sample.progress

    def _join_neighbours(self) -> None:
        """Run all local joins: they follow what leaves have found, and so come once, as late as may be."""
        while self._rounds_left > 0:
            join_neighbours(self._workspace, self.codes, self.candidates, self._settings.edges, self._settings.around)
            self._rounds_left -= 1

    def complete(self, enough: bool) -> None:
        """Score all pairs where a sample has not found enough; else only those of rows whose list is short."""
        if self._is_one_leaf:
            return  # all pairs have been scored
        if len(self._sample) and not enough:
            rows = np.arange(len(self.codes.squares), dtype=np.int32)
        else:
            rows = short_lists(self.candidates.keys, min(self._settings.depth, len(self.codes.squares) - 1))
        join_with_all(self._workspace, self.codes, self.candidates, rows)


def _join_targets(codes: Codes, settings: Settings, excluded: Exclusions, targets: np.ndarray) -> Candidates:
    """Return the candidates of all rows where only `targets`, int32, may be any: each is scored with all rows."""
    rows = len(codes.squares)
    workspace = make_workspace(workspace_rows(rows, settings), codes.rows.shape[1], settings.vnni)
    candidates = empty_candidates(rows, rows, settings.length, excluded=excluded)
    join_with_all(workspace, codes, candidates, targets)
    return candidates


def _assign(
    workspace: Workspace, codes: Codes, settings: Settings, generator: np.random.Generator, moves: int = MOVES
) -> tuple[np.ndarray, np.ndarray]:
    """Return (pivots as `draw_pivots` does, leaves int32 (n, fan), each row's nearest of them)."""
    pivots = draw_pivots(workspace, codes, num_pivots(len(codes.squares), settings), generator, moves)
    return pivots, nearest_pivots(workspace, codes, encode_pivots(pivots), min(settings.fan, len(pivots)))


def _put_back(rows: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Return the array whose rows in `order` are `rows`."""
    placed = np.empty_like(rows)
    placed[order] = rows
    return placed


def _leaf_order(leaf: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Return an order of rows: a random sample first, the others by leaf.

    Rows of one leaf then lie side by side in memory, and are fetched together.
    """
    rank = np.zeros(len(leaf), dtype=np.int8)
    rank[generator.choice(len(leaf), min(SAMPLE_ROWS, len(leaf)), replace=False)] = -1
    return np.lexsort((leaf, rank))


def join_with_all(workspace: Workspace, codes: Codes, candidates: Candidates, hubs: np.ndarray) -> None:
    """Join all rows with the distinct `hubs`, int32, as many at a time as fill half of the workspace."""
    most = len(workspace.sums) // 2
    was_hub = np.zeros(len(codes.squares), dtype=np.bool_)
    for start in range(0, len(hubs), most):
        join_hubs(workspace, codes, candidates, hubs[start : start + most], was_hub)


def _hubs(codes: Codes) -> np.ndarray:
    """Return the longest rows, int32, where lengths differ so much that they are everyone's neighbours.

    2 <x, y> = |x|^2 + |y|^2 - |x - y|^2: where all |y| are equal the best are the near ones, which leaves find.
    """
    if codes.lengths.std(dtype=np.float64) <= _LENGTHS_DIFFER * codes.squares.mean(dtype=np.float64):
        return np.empty(0, dtype=np.int32)
    return np.argsort(-codes.lengths, kind="stable")[:_MOST_HUBS].astype(np.int32)


@compiled
def short_lists(keys: np.ndarray, least: int) -> np.ndarray:
    """Return int32 positions of the lists with fewer than `least` candidates."""
    short = np.zeros(len(keys), dtype=np.bool_)
    if least > 0:
        for row in range(len(keys)):
            short[row] = key_position(keys[row, least - 1]) == NO_ROW
    return np.flatnonzero(short).astype(np.int32)
