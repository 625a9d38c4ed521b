"""The retention stage: what neither a kept release nor the next night needs goes, and small files are joined."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

from uninote.lake.releases.pointer import change_pointer, read_pointer
from uninote.lake.releases.record import ReleaseError, read_release
from uninote.pipelines.lake.encoders import s3_of
from uninote.pipelines.lake.ledger import entries
from uninote.pipelines.lake.run import Outcome, Run, record
from uninote.pipelines.runtime.progress import step
from uninote.upkeep.compacting import join_small_files
from uninote.upkeep.retention import Household, clear, keep_all_needed, without_expired, worked_with

STAGE = "retention"
_APPENDED = ("runs", "quarantine")  # tables that no release pins, and every run appends to


def retain(run: Run) -> dict[str, Any]:
    """Let go of releases that need not be kept, and remove the files that nothing needs any more."""
    started = time.time()
    pointer = change_pointer(run.lake.root, lambda before: without_expired(before, run.config.retention))
    if pointer.live is None:
        return {"tables": {}, "state": "unchanged"}
    kept = [read_release(run.lake.root, number) for number in pointer.kept]
    with step("retention: files that no release needs"):
        counts = clear(household_of(run), pointer, kept).counts
    joined = join_small_files(run.lake.root, _APPENDED, run.config.compaction)
    counts["files_joined"] = sum(one.before for one in joined.values())
    counts["releases_kept"] = len(kept)
    if not counts["files_removed"] + counts["files_joined"]:
        return {"tables": {}, "state": "unchanged", **counts}
    record(run, STAGE, "all", Outcome("done", counts), started)
    return {"tables": {}, "state": "done", **counts}


def check_upkeep(run: Run) -> None:
    """Raise RetentionError where properties of a table let Delta remove what releases need, perhaps at our next checkpoint."""
    kept = []
    for number in read_pointer(run.lake.root).kept:
        # One whose file is damaged is said to be so by whoever needs it.
        with suppress(ReleaseError):
            kept.append(read_release(run.lake.root, number))
    # The model is not asked for: after a rollback over an upgrade it is another one until the tables are brought back.
    keep_all_needed(_household(run, worked_with(run.lake.root, entries(run.lake))), kept)


def household_of(run: Run) -> Household:
    """Return a run's lake as what is to be cleaned up."""
    return _household(run, run.model.generation)


def _household(run: Run, generation: str | None) -> Household:
    config = run.config
    return Household(run.lake.root, generation, entries(run.lake), config.retention, config.index.folder, s3_of(config))
