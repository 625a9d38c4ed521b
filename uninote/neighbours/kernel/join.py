"""The join of coded rows: assignments into leaves, then local joins. What a plan over cells runs in each cell."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from uninote.neighbours.kernel.candidates import NO_ROW, Lists, empty_lists, key_position, share_found
from uninote.neighbours.kernel.codes import Codes, reordered
from uninote.neighbours.kernel.leaves import Workspace, join_hubs, join_leaves, make_workspace
from uninote.neighbours.kernel.local_join import join_neighbours, share_within_reach
from uninote.neighbours.kernel.pivots import gather_around, group_rows
from uninote.neighbours.kernel.settings import Settings, num_pivots, workspace_rows
from uninote.neighbours.kernel.simd.vector_ir import compiled

Record = Callable[[np.ndarray, np.ndarray], None]  # of pivots, int64 rows of the caller's, and leaves, int32 (n, fan)
MOST_RECORDED = 4  # assignments: a join of a few rows with leaves of so many finds what it is to find
SAMPLE_ROWS = 512  # whose true candidates record when to stop
_DOUBT = 1.5  # so many times what a assignment is expected to leave must still be little enough
_MOST_HUBS = 256
_LENGTHS_DIFFER = 0.01  # the spread of squared lengths, in parts of the mean squared distance from the centre


def join_codes(
    codes: Codes,
    members: int,
    settings: Settings,
    seed: int,
    limits: np.ndarray | None = None,
    record: Record | None = None,
) -> tuple[np.ndarray, Lists]:
    """Return (order int64 (n,), lists): the candidates of the first `members` rows among all n rows of `codes`.

    The other rows are visitors: candidates without lists of their own. Row i of the lists, and a position in them, is
    row order[i] of `codes`. `limits`, float32 (members,), is the score from which a candidate is of use to a row, less
    the constant that codes leave out; without them a list that stayed short is filled by scoring all rows.

    Where `settings.recall` is below 1, a sample of the members is scored against all rows first, and the search ends
    when that share of the sample's candidates is found; if no assignment brings it about, all pairs are scored.
    `record` is called with the pivots and leaves of the first assignments that run, unless there is but one leaf.
    """
    rows, generator = len(codes.squares), np.random.default_rng(seed)
    workspace = make_workspace(workspace_rows(rows, settings), codes.rows.shape[1], settings.vnni)
    pivots, joined = min(num_pivots(rows, settings), rows), settings.rounds == 0
    chosen, nearest = _choose_leaves(workspace, codes, pivots, settings, generator)
    if record and pivots > 1:
        record(chosen, nearest)
    order = _leaf_order(nearest[:, 0], members, generator)
    codes, nearest = reordered(codes, order), nearest[order]
    starts = None if limits is None else limits[order[:members]]
    lists = empty_lists(rows, members, settings.length, starts)
    if pivots > 1:
        join_with_all(workspace, codes, lists, _hubs(codes))
    sampled = min(SAMPLE_ROWS, members) if settings.recall < 1 else 0
    sample = _Sample(_rank_sample(workspace, codes, sampled, settings.length, starts), settings)
    for assignment in range(settings.assignments):
        if assignment:
            chosen, nearest = _choose_leaves(workspace, codes, pivots, settings, generator)
            if record and assignment < MOST_RECORDED:
                record(order[chosen], _put_back(nearest, order))
        join_leaves(workspace, codes, lists, *group_rows(nearest, pivots))
        enough, last = sample.is_found(lists), assignment == settings.assignments - 1
        if not joined and not enough and (last or sample.is_within_reach(lists)):
            for _ in range(settings.rounds):
                join_neighbours(workspace, codes, lists, settings.edges, settings.around)
            joined, enough = True, sample.is_found(lists)
        if enough:
            break
    if sampled and not enough:
        join_with_all(workspace, codes, lists, np.arange(members, dtype=np.int32))
    elif limits is None:
        join_with_all(workspace, codes, lists, _short(lists.keys, min(settings.depth, rows - 1)))
    return order, lists


class _Sample:
    """The true candidates of the first rows, if any: what tells when to stop, and what to do until then."""

    def __init__(self, truth: np.ndarray, settings: Settings) -> None:
        self._truth, self._settings, self._missing = truth, settings, list[float]()

    def is_found(self, lists: Lists) -> bool:
        """Say whether enough of it is in the lists; of nothing, never."""
        if not len(self._truth):
            return False
        self._missing.append(1 - share_found(lists.keys, self._truth, self._settings.depth))
        return self._missing[-1] <= 1 - self._settings.recall

    def is_within_reach(self, lists: Lists) -> bool:
        """Say whether a local join would bring enough of it about, and one more assignment, which is cheaper, would not.

        Assignments know nothing of each other: each leaves the same share of what was missing before it, or somewhat more.
        """
        settings, rows = self._settings, len(lists.limits)
        if not len(self._truth):
            return False
        if len(self._missing) > 1 and _DOUBT * self._missing[-1] ** 2 / self._missing[-2] <= 1 - settings.recall:
            return False
        reach = share_within_reach(lists.keys, self._truth, rows, settings.edges, settings.depth)
        return reach >= settings.recall


def _choose_leaves(
    workspace: Workspace, codes: Codes, pivots: int, settings: Settings, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return (so many random rows, int64; int32 (n, fan), each row's nearest ones of them)."""
    chosen = np.sort(generator.choice(len(codes.squares), pivots, replace=False))
    return chosen, gather_around(workspace, codes, chosen, min(settings.fan, pivots))


def _put_back(rows: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Return the array whose rows in `order` are `rows`."""
    placed = np.empty_like(rows)
    placed[order] = rows
    return placed


def _leaf_order(leaf: np.ndarray, members: int, generator: np.random.Generator) -> np.ndarray:
    """Return an order of rows: a random sample of the members first, the other members by leaf, visitors by leaf."""
    rank = np.zeros(len(leaf), dtype=np.int8)
    rank[generator.choice(members, min(SAMPLE_ROWS, members), replace=False)] = -1
    rank[members:] = 1
    return np.lexsort((leaf, rank))


def _rank_sample(workspace: Workspace, codes: Codes, sample: int, length: int, limits: np.ndarray | None) -> np.ndarray:
    """Return int64 (sample, length): the keys that the first rows would have if all pairs were scored."""
    truth = empty_lists(len(codes.squares), sample, length, None if limits is None else limits[:sample])
    join_with_all(workspace, codes, truth, np.arange(sample, dtype=np.int32))
    return truth.keys


def join_with_all(workspace: Workspace, codes: Codes, lists: Lists, hubs: np.ndarray) -> None:
    """Join all rows with the `hubs`, as many at a time as fill half of the workspace."""
    most, was_hub = len(workspace.sums) // 2, np.zeros(len(codes.squares), dtype=np.bool_)
    for start in range(0, len(hubs), most):
        join_hubs(workspace, codes, lists, hubs[start : start + most], was_hub)


def _hubs(codes: Codes) -> np.ndarray:
    """Return the longest rows, int32, where lengths differ so much that they are everyone's neighbours.

    2 <x, y> = |x|^2 + |y|^2 - |x - y|^2: where all |y| are equal the best are the near ones, which leaves find.
    """
    if codes.lengths.std(dtype=np.float64) <= _LENGTHS_DIFFER * codes.squares.mean(dtype=np.float64):
        return np.empty(0, dtype=np.int32)
    return np.argsort(-codes.lengths, kind="stable")[:_MOST_HUBS].astype(np.int32)


@compiled
def _short(keys: np.ndarray, least: int) -> np.ndarray:
    """Return int32 positions of the lists with fewer than `least` candidates."""
    short = np.zeros(len(keys), dtype=np.bool_)
    if least > 0:
        for row in range(len(keys)):
            short[row] = key_position(keys[row, least - 1]) == NO_ROW
    return np.flatnonzero(short).astype(np.int32)
