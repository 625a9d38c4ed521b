"""Codes: a codebook is fitted once, to a sample; each note with a new vector is compared with the codes of each level."""

from __future__ import annotations

from uninote.index.planning.plan import FLOPS
from uninote.planning.case import Case
from uninote.planning.stage_cost import StageCost
from uninote.planning.storage import rewritten_share
from uninote.planning.workload import Workload

# Of `_fit_level` (uninote/codes/fitting.py): how often a whole sample meets a level's codes, balancing them included.
_FIT_ROUNDS = 34
# CPU-seconds of a row of 64 numbers beside its products: 3.2 s for 1,000,000 (docs/benchmarks.md, Codes).
_ROW_READ = (3.2 - 1.6) / 1_000_000 / 64
_FILE_ROWS = 100_000  # of the table
_ROW_BYTES = 24  # of codes as numbers and as a text, which compress, beside the note_id
_ROWS_AT_ONCE = 65_536  # of a task


def first(case: Case) -> StageCost:
    """Return what the first run takes: the fit, in the driver, and the codes of all notes."""
    settings, width = case.settings.codes, _width(case)
    sample = min(case.workload.notes, settings.fit_notes)
    fitted = sample * settings.size * settings.levels * _FIT_ROUNDS * width * 2 / FLOPS
    return _cost(case, case.workload.notes, 1.0, fitted, sample * width * 4)


def night(case: Case) -> StageCost:
    """Return what a night takes: codes of what changed; files that hold a changed note are written again."""
    return _cost(case, case.workload.changed, rewritten_share(case.workload, _FILE_ROWS), 0.0, 0)


def codes_bytes(workload: Workload) -> int:
    """Return the bytes of `codes`."""
    return workload.notes * (workload.id_bytes + _ROW_BYTES)


def _cost(case: Case, rows: int, rewritten: float, fit_seconds: float, fit_bytes: int) -> StageCost:
    settings, width = case.settings.codes, _width(case)
    row = width * (_ROW_READ + settings.levels * settings.size * 2 / FLOPS)
    written = round(rewritten * codes_bytes(case.workload))
    return StageCost(
        "codes",
        core_seconds=rows * row,
        constant_s=case.rates["codes.constant"] + fit_seconds,
        tasks=max(1, -(-rows // _FILE_ROWS)),
        task_bytes=(150 << 20) + _ROWS_AT_ONCE * width * 4 * 2,
        driver_bytes=fit_bytes,
        shuffled_bytes=round(rewritten * case.workload.notes * case.workload.id_bytes),
        written_bytes=written,
    )


def _width(case: Case) -> int:
    return case.settings.codes.width or case.workload.widths[0]
