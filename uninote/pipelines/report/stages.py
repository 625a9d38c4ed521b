"""Which stages a report is about: those of one run, and for the rest what an earlier run left."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from uninote.lake.paths import CHUNK
from uninote.pipelines.lake.ledger import Entry
from uninote.pipelines.lake.reading.snapshot import Snapshot
from uninote.pipelines.lake.run import Run, ledger
from uninote.report.data import StageRow

Entries = Mapping[tuple[str, str], Entry]

REPORT = "report"


def run_of(run: Run, entries: Entries) -> str:
    """Return the run that the report is about: the one it is a stage of, or the last one where it was asked for alone."""
    if run.stage_seconds:
        return run.run_id
    for (stage, _), entry in reversed(list(entries.items())):
        if stage != REPORT:
            return str(entry["run_id"])
    return run.run_id


def seconds_of(run: Run, rows: tuple[StageRow, ...]) -> float:
    """Return how long the stages of that run took. Chunks are parts of embed, and do not count twice."""
    if run.stage_seconds:
        return sum(run.stage_seconds.values())
    seconds = 0.0
    for row in rows:
        if row.is_of_this_run and CHUNK not in row.stage:
            seconds += row.seconds
    return seconds


def stage_rows(run: Run, entries: Entries) -> tuple[StageRow, ...]:
    """Return each stage as it last ran, those that began and did not end included.

    Chunks are those of the newest run of embed alone: an earlier run's have nothing to do with what embed counts now.
    """
    shown = run_of(run, entries)
    embedded = entries.get(("embed", "all"))
    rows = []
    for (stage, unit), entry in entries.items():
        is_old_chunk = unit.startswith(CHUNK) and (embedded is None or entry["run_id"] != embedded["run_id"])
        if stage != REPORT and not is_old_chunk:
            rows.append(_row(run, entry, shown))
    return (*rows, *_unfinished(run, shown))


def _row(run: Run, entry: Entry, shown: str) -> StageRow:
    name = entry["stage"] if entry["unit"] == "all" else f"{entry['stage']} {entry['unit']}"
    state = entry["state"]
    is_of_this_run = entry["run_id"] == shown
    if not is_of_this_run and state == "done" and entry["stage"] in run.stage_seconds:
        # This run looked, and found nothing to do.
        state = "unchanged"
    return StageRow(name, state, entry["seconds"], dict(entry["counts"]), when(entry["started_at"]), is_of_this_run)


def _unfinished(run: Run, shown: str) -> tuple[StageRow, ...]:
    """Return embed, which alone says that it begins, where its newest entry is that."""
    newest = _newest_embed(run)
    if newest is None or not has_unfinished_embed(run):
        return ()
    return (StageRow("embed", "unfinished", 0.0, {}, when(newest["started_at"]), newest["run_id"] == shown),)


def has_unfinished_embed(run: Run) -> bool:
    """Say whether the newest run of embed began and did not end."""
    newest = _newest_embed(run)
    return newest is not None and newest["state"] == "started"


def _newest_embed(run: Run) -> Entry | None:
    return next(iter(ledger(run, "embed")), None)


def when(time: datetime) -> str:
    """Return a time of the ledger for people."""
    return f"{time:%Y-%m-%d %H:%M:%S} UTC"


def behind(snapshot: Snapshot, entries: Entries) -> tuple[str, ...]:
    """Return what was made of older tables than there are: embeddings of older notes, indexes and lists of older vectors."""
    found = []
    if _has_newer_notes(entries):
        found.append("embeddings")
    for (stage, unit), entry in entries.items():
        is_made = stage in ("index", "neighbours") and entry["state"] == "done"
        if is_made and _has_other_versions(snapshot, entry["inputs"]):
            found.append(stage if unit == "all" else f"{stage} {unit}")
    return tuple(found)


def _has_other_versions(snapshot: Snapshot, inputs: Mapping[str, int]) -> bool:
    """Say whether a table that an entry names is there in another version now."""
    for name, version in inputs.items():
        if snapshot.versions.get(name, version) != version:
            return True
    return False


def _has_newer_notes(entries: Entries) -> bool:
    ingested = entries.get(("ingest", "all"))
    embedded = entries.get(("embed", "all"))
    if ingested is None or embedded is None or ingested["sequence"] < embedded["sequence"]:
        return False
    return bool(ingested["outputs"].get("notes") != embedded["inputs"].get("notes"))
