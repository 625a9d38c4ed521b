"""Ingest: every row of the source is read, first and every night, as a source is the whole corpus."""

from __future__ import annotations

from uninote.planning.case import Case
from uninote.planning.stage_cost import StageCost
from uninote.planning.storage import notes_bytes, rewritten_share

_TASK_ROWS = 10_000  # a task that reads fewer is not worth its start
# A Python worker, and a batch of 64 MB as it is read and as it is made (docs/operations.md, Memory).
_TASK_BYTES = (150 << 20) + 2 * (64 << 20)
_COUNT_BYTES = 8
_FILE_ROWS = 100_000  # of notes; so many that a night which edits one in a thousand finds some in each


def first(case: Case) -> StageCost:
    """Return what the first ingest takes: each row is parsed and written, and note_ids are counted by a shuffle of them."""
    return _cost(case, _counted_bytes(case), notes_bytes(case.workload, case.rates))


def night(case: Case) -> StageCost:
    """Return what a night's ingest takes.

    It reads the source as the first one does, and joins it with the notes by note_id (`_changes` in its stage): a row of the
    source goes there as it is and as JSON, a stored one as JSON alone. Files that hold a changed note are written again.
    """
    workload = case.workload
    joined = workload.notes * (2 * workload.id_bytes + 3 * workload.note_bytes)
    written = round(notes_bytes(workload, case.rates) * rewritten_share(workload, _FILE_ROWS))
    return _cost(case, _counted_bytes(case) + joined, written)


def _counted_bytes(case: Case) -> int:
    """Return what counting note_ids shuffles, to find those that stand for more than one note."""
    return case.workload.notes * (case.workload.id_bytes + _COUNT_BYTES)


def _cost(case: Case, shuffled: int, written: int) -> StageCost:
    return StageCost(
        "ingest",
        core_seconds=case.workload.notes * case.rates["ingest.note"],
        constant_s=case.rates["ingest.constant"],
        tasks=-(-case.workload.notes // _TASK_ROWS),
        task_bytes=_TASK_BYTES,
        shuffled_bytes=shuffled,
        written_bytes=written,
    )
