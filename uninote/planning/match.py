"""Matches: every changed note meets all entries of the gallery, and all notes meet every changed entry."""

from __future__ import annotations

from uninote.planning.case import Case
from uninote.planning.stage_cost import StageCost

# CPU-seconds, of docs/benchmarks.md, Matches: 1,000,000 x 256 against 10,000 entries took 54.3 s of two cores, with what reads
# them; a night of 300,000 notes, of which reading and scores were 1.2 s.
_PRODUCT = 2 * 54.3 / (1_000_000 * 10_000 * 256)  # of two numbers
_READ = 2 * 1.2 / (300_000 * 256)  # of one number
_SCORES_BYTES = 16 << 20  # of a block (docs/matching.md)
_TASK_ROWS = 100_000


def first(case: Case) -> StageCost:
    """Return what comparing all notes with all entries takes."""
    workload = case.workload
    return _cost(case, workload.notes, workload.notes * workload.gallery_entries)


def night(case: Case) -> StageCost:
    """Return what a night takes. Entries change at the rate of notes; where none does, vectors of other notes stay unread."""
    workload = case.workload
    entries = round(workload.gallery_entries * workload.change_rate)
    read = workload.notes if entries else workload.changed
    pairs = workload.changed * workload.gallery_entries + (workload.notes - workload.changed) * entries
    return _cost(case, read, pairs)


def _cost(case: Case, rows: int, pairs: int) -> StageCost:
    """Return what `rows` that are read take, and so many pairs of a row and an entry; what is found is small beside them."""
    workload = case.workload
    width = workload.widths[0]
    return StageCost(
        "match",
        core_seconds=width * (pairs * _PRODUCT + rows * _READ),
        constant_s=case.rates["match.constant"],
        tasks=max(1, -(-rows // _TASK_ROWS)),
        task_bytes=(150 << 20) + workload.gallery_entries * width * 4 + _SCORES_BYTES,
        why=f"{workload.gallery_entries:,} entries",
    )
