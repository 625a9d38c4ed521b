"""What a run has left that belongs together: the release that it could become."""

from __future__ import annotations

from collections.abc import Iterator

from uninote.errors import UninoteError
from uninote.index.files.manifest import ManifestError
from uninote.index.files.published import newest
from uninote.lake.delta_files import has_log
from uninote.lake.paths import index_name
from uninote.lake.releases.pointer import now
from uninote.lake.releases.record import IndexPin, Release
from uninote.lake.schemas import NEIGHBOUR_CELLS, NEIGHBOUR_LEADERS
from uninote.pipelines.index.target import index_folder
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.reading.snapshot import Snapshot, newest_snapshot
from uninote.pipelines.lake.run import Run, newest_entries
from uninote.storage.types import MissingFileError

_OF_LAKE = ("image_bytes", "image_files", "image_digests", "image_texts")
_OF_JOIN = ("duplicates", "neighbour_rows", NEIGHBOUR_CELLS.name, NEIGHBOUR_LEADERS.name)
_STAGES = ("ingest", "embed", "index", "neighbours")
_ENDED = ("done", "unchanged")


def candidate(run: Run) -> Release:
    """Return a release, without an id yet, of what the last finished runs of the stages left.

    Raises MissingTableError where a stage has not run yet.
    """
    snapshot = newest_snapshot(run)
    entries = newest_entries(run)
    metrics = dict(entries["embed", "all"]["metrics"])
    return Release(
        id=0,
        made_at=now(),
        run_id=run.run_id,
        lake_id=run.lake_id,
        generation=run.model.generation,
        tables=dict(sorted(_versions(run, snapshot))),
        indexes={f"w{width}": _index_pin(run, width) for width in run.config.index.widths or snapshot.widths},
        entries={
            f"{stage}/{unit}": int(entry["sequence"])
            for (stage, unit), entry in entries.items()
            if stage in _STAGES and entry["state"] in _ENDED
        },
        metrics={name: value for name, value in metrics.items() if name.endswith("_share")},
    )


def _versions(run: Run, snapshot: Snapshot) -> Iterator[tuple[str, int]]:
    """Yield (path relative to the lake, version) of every table that is part of a release."""
    embedded = newest_entries(run)["embed", "all"]
    # Those that embed read and left: notes that came since are part of a later release.
    yield "notes", embedded["inputs"]["notes"]
    for name, version in snapshot.versions.items():
        yield f"{run.model.generation}/{name}", version
    for name in _OF_LAKE:
        if has_log(run.lake.uri(name)):
            yield name, tables.table_version(run.lake.uri(name))
    rules = list(run.config.neighbours.rules)
    for name in (*rules, *(f"neighbour_state/{rule}" for rule in rules), *_OF_JOIN):
        uri = run.generation.uri(name)
        if name in rules:
            tables.table_version(uri)  # a release without lists is none: raises MissingTableError
        if has_log(uri):
            yield f"{run.model.generation}/{name}", tables.table_version(uri)


def _index_pin(run: Run, width: int) -> IndexPin:
    folder = index_folder(run, width)
    relative = f"{run.model.generation}/{index_name(width)}" if run.config.index.folder is None else folder.uri
    try:
        return IndexPin(relative, newest(folder))
    except (MissingFileError, ManifestError) as error:
        raise UninoteError(f"{error}; run jobs/index.py, or jobs/refresh.py, which runs every stage") from error
