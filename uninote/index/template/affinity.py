"""Which lists belong together: neighbouring lists form cells, neighbouring cells form shards, all of like weight."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from uninote.vectors.kmeans import fit_kmeans

_HEAVIEST = 1.25  # rows of a cell, in means, up to which lists may move into it
_ROUNDS = 10

Order = Callable[[np.ndarray], np.ndarray]


def group_lists(centroids: np.ndarray, list_rows: np.ndarray, num_cells: int, seed: int) -> np.ndarray:
    """Return int32 (nlist,): the cell of each list, every cell holding at least one.

    Cells are halved again and again, along the line between the two means of their centroids, where the rows of
    both halves balance: so cells are of like weight, as far as a list is not heavy by itself, and their numbers
    follow affinity. `list_rows` (nlist,) are counts of a sample.
    """

    def along_the_means(lists: np.ndarray) -> np.ndarray:
        first, second = fit_kmeans(centroids[lists], 2, seed)
        return lists[np.argsort(centroids[lists] @ (second - first), kind="stable")]

    return _number(_halve(np.arange(len(centroids)), list_rows, num_cells, along_the_means), len(centroids))


def settle_lists(list_cell: np.ndarray, list_rows: np.ndarray, probed: np.ndarray) -> np.ndarray:
    """Return int32 (nlist,): the cells after lists have moved to where most of those lie that are probed with them.

    `probed`, int32 (m, nprobe), are the lists nearest to each of a sample of vectors. No cell grows past _HEAVIEST times
    the mean rows, and none is left empty.
    """
    nlist = len(list_cell)
    cells = list_cell.copy()
    starts, other, weight = _probed_together(probed, nlist)
    rows = np.bincount(cells, weights=list_rows)
    held = np.bincount(cells)
    most = _HEAVIEST * rows.sum() / len(rows)
    for _ in range(_ROUNDS):
        moved = 0
        for number in range(nlist):
            near = slice(starts[number], starts[number + 1])
            drawn = np.bincount(cells[other[near]], weights=weight[near], minlength=len(rows))
            own = cells[number]
            drawn_home = drawn[cells[number]]
            # A cell that would become too heavy draws nothing.
            drawn[rows + list_rows[number] > most] = -1
            best = int(drawn.argmax())
            if best != own and drawn[best] > drawn_home and held[own] > 1:
                rows[[own, best]] += np.array([-1, 1]) * list_rows[number]
                held[[own, best]] += np.array([-1, 1])
                cells[number] = best
                moved = moved + 1
        if not moved:
            break
    return cells.astype(np.int32)


def _probed_together(probed: np.ndarray, nlist: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (starts, other, weight): how often each list is probed with others, those of list n at starts[n]:starts[n + 1]."""
    width = probed.shape[1]
    first, second = np.nonzero(~np.eye(width, dtype=bool))
    pairs = probed[:, first].astype(np.int64).ravel() * nlist + probed[:, second].ravel()
    found, weight = np.unique(pairs, return_counts=True)
    return np.searchsorted(found // nlist, np.arange(nlist + 1)), found % nlist, weight


def pack_cells(cell_rows: np.ndarray, num_shards: int) -> np.ndarray:
    """Return int32 (num_cells,): the shard of each cell. A shard is a run of cells: their numbers follow affinity."""
    cells = np.arange(len(cell_rows))
    return _number(_halve(cells, cell_rows, num_shards, lambda members: members), len(cells))


def _halve(members: np.ndarray, rows: np.ndarray, parts: int, order: Order) -> list[np.ndarray]:
    if parts == 1:
        return [members]
    ordered = order(members)
    before = parts // 2
    cut = _balanced_cut(rows[ordered], before, parts)
    return _halve(ordered[:cut], rows, before, order) + _halve(ordered[cut:], rows, parts - before, order)


def _balanced_cut(rows: np.ndarray, before: int, parts: int) -> int:
    """Return how many entries come before the cut that gives `before` of `parts` shares of the rows to them."""
    seen = np.cumsum(rows)
    cut = 1 + int(np.argmin(np.abs(seen - seen[-1] * before / parts)))
    return min(max(cut, before), len(rows) - (parts - before))


def _number(groups: list[np.ndarray], size: int) -> np.ndarray:
    numbers = np.empty(size, dtype=np.int32)
    for number, members in enumerate(groups):
        numbers[members] = number
    return numbers
