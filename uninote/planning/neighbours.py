"""Neighbours: the join of all notes, in one cell or in overlapping ones; a night updates the lists where that is cheaper."""

from __future__ import annotations

from dataclasses import replace

from uninote.config.sections.neighbours import NeighboursConfig
from uninote.index.planning.plan import FLOPS
from uninote.neighbours.planning.cells import (
    HEAVIEST,
    ROWS_PER_CENTROID,
    capacity,
    cells_planned,
    overlap_planned,
    shuffled_bytes,
    task_bytes,
)
from uninote.neighbours.planning.costs import CHANGED_ROW, FULL_SHARE, MOST_ROWS
from uninote.planning.case import Case
from uninote.planning.stage_cost import StageCost
from uninote.planning.storage import list_bytes, rows_bytes
from uninote.planning.workload import Workload

# CPU-seconds, all of docs/benchmarks.md, "Against one process": 500,000 x 128, K = 20. Of the kernel 6.5, of which this is a
# row's share for each dimension where a cell has a million rows; its time grows with the 1.17th power of a cell's rows.
_KERNEL = 6.5 / (500_000 * 128 * 0.5**0.17)
_GROWTH = 0.17
_ROW_ALONE = (11.9 - 6.5) / 500_000  # of the join in one cell, what is not the kernel's: reading, and writing lists
# In eight cells, three to a row: 74.4 / 1,500,000 less the kernel's; a shuffle, and merging lists.
_ROW_IN_CELLS = 38.6e-6
_PUBLISHED = (14.2 - 11.9) / 500_000  # of a note: tables for readers, and measuring recall
_ROUNDS = 15  # of k-means, see uninote/vectors/kmeans.py
_LIMIT_BYTES = 4  # of each note and table, in each task of an update (docs/operations.md, Memory)
_CHANGED_BYTES = 170  # of a changed note, in the driver (docs/operations.md, Memory)


def join_seconds(rows: int, cells: int, overlap: int, width: int) -> float:
    """Return the CPU-seconds of one join: each row in each of its cells is moved, and is met there by the kernel."""
    moved = _ROW_ALONE if cells == 1 else _ROW_IN_CELLS
    in_cell = rows * overlap / cells
    return float(rows * overlap * (moved + _KERNEL * width * (in_cell / 1e6) ** _GROWTH))


def first(case: Case) -> StageCost:
    """Return what a full join takes; each table of `neighbours.tables` is one more."""
    workload, neighbours = case.workload, case.settings.neighbours
    width = case.settings.joined_width(workload)
    rows = workload.notes
    cells = cells_planned(neighbours, rows, width)
    overlap = overlap_planned(neighbours) if cells > 1 else 1
    tables = len(neighbours.rules)
    length = neighbours.k + neighbours.slack
    work = tables * (join_seconds(rows, cells, overlap, width) + rows * _PUBLISHED)
    shuffled = shuffled_bytes(rows, overlap, width, tables * length, workload.id_bytes) if cells > 1 else 0
    return StageCost(
        "neighbours",
        core_seconds=case.rates["neighbours.factor"] * (work + _cutting_seconds(neighbours, rows, cells, width)),
        constant_s=case.rates["neighbours.constant"],
        tasks=cells,
        task_bytes=_task_bytes(neighbours, rows, cells, overlap, width),
        driver_bytes=0 if cells == 1 else cells * ROWS_PER_CENTROID * width * 4,
        shuffled_bytes=shuffled,
        written_bytes=list_bytes(workload, neighbours) + rows_bytes(workload, width),
        why=f"{cells:,} cells, {overlap} to a row" if cells > 1 else "one cell",
    )


def night(case: Case) -> StageCost:
    """Return what a night takes: an update, or a join of all where the stage would take that.

    An update passes over all lists, and a changed note takes `CHANGED_ROW` times what a note of a full join takes
    (`uninote/neighbours/planning/costs.py`, by which the stage decides). All lists are written again.
    """
    workload, neighbours = case.workload, case.settings.neighbours
    full = first(case)
    tables = len(neighbours.rules)
    passes = tables * workload.notes * case.rates["neighbours.pass"]
    work = passes + workload.changed * CHANGED_ROW * full.core_seconds / max(1, workload.notes)
    if (why := _why_full(workload, neighbours, work, full)) is not None:
        return replace(full, why=f"{full.why}; {why}")
    added = rows_bytes(workload, case.settings.joined_width(workload)) * workload.change_rate
    return replace(
        full,
        core_seconds=work,
        tasks=max(full.tasks, workload.notes // 100_000),
        task_bytes=full.task_bytes + tables * workload.notes * _LIMIT_BYTES,
        driver_bytes=workload.changed * _CHANGED_BYTES,
        shuffled_bytes=round(full.shuffled_bytes * workload.change_rate),
        written_bytes=list_bytes(workload, neighbours) + round(added),
    )


def _why_full(workload: Workload, settings: NeighboursConfig, work: float, full: StageCost) -> str | None:
    """Return why a night joins all notes again; null where it updates the lists."""
    if workload.notes > MOST_ROWS:
        return f"joins all again: an update takes at most {MOST_ROWS:,} notes"
    share = settings.full_share if settings.full_share is not None else FULL_SHARE
    if workload.change_rate > share:
        return f"joins all again: more than {share:.0%} of the notes changed"
    return "joins all again: an update would take longer" if work > full.core_seconds else None


def _cutting_seconds(settings: NeighboursConfig, rows: int, cells: int, width: int) -> float:
    """Return what cells cost before the join, in matrix products: k-means, a row's cells, and exact lists of a sample."""
    if cells == 1:
        return 0.0
    compared = cells * ROWS_PER_CENTROID * cells * _ROUNDS + rows * cells + rows * settings.recall_sample
    return compared * width * 2 / FLOPS


def _task_bytes(settings: NeighboursConfig, rows: int, cells: int, overlap: int, width: int) -> int:
    """Return the memory of the task of the heaviest cell."""
    heaviest = rows if cells == 1 else min(capacity(settings, width), HEAVIEST * rows * overlap // cells)
    return task_bytes(settings, width, heaviest)
