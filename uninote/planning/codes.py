"""Codes: a codebook is fitted once, to a sample; each note with a new vector is compared with the codes of each level."""

from __future__ import annotations

from uninote.index.planning.plan import FLOPS
from uninote.planning.case import Case
from uninote.planning.stage_cost import StageCost
from uninote.planning.storage import rewritten_share
from uninote.planning.workload import Workload

# All of docs/benchmarks.md, Codes. How often a fit meets its sample with all codes: 60,000 x 384 with 3 x 256 took 26 CPU-s.
_FIT_ROUNDS = 26 / (60_000 * 384 * 3 * 256 * 2 / FLOPS)
# CPU-seconds of a row that is coded: 1,000,000 x 64 took two cores 45.1 s, of which the fit was some 5.
_CODED = 2 * (45.1 - 5) / 1_000_000
# And of one in a file that is written again: a million take two cores a second.
_REWRITTEN = 2 * 1.0 / 1_000_000
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
    unchanged = max(0.0, rewritten * case.workload.notes - rows)
    return StageCost(
        "codes",
        core_seconds=rows * _CODED + unchanged * _REWRITTEN,
        constant_s=case.rates["codes.constant"] + fit_seconds,
        tasks=max(1, -(-rows // _FILE_ROWS)),
        task_bytes=(150 << 20) + _ROWS_AT_ONCE * _width(case) * 4 * 2,
        driver_bytes=fit_bytes,
        shuffled_bytes=round(rewritten * case.workload.notes * case.workload.id_bytes),
        written_bytes=round(rewritten * codes_bytes(case.workload)),
    )


def _width(case: Case) -> int:
    return case.settings.codes.width or case.workload.widths[0]
