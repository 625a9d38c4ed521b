"""What a run has left that belongs together: the release that it could become."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from uninote.errors import UninoteError
from uninote.index.files.manifest import ManifestError
from uninote.index.files.published import newest
from uninote.lake.paths import index_name
from uninote.lake.releases.pointer import now
from uninote.lake.releases.record import EMBEDDINGS, IndexPin, Release
from uninote.lake.releases.registry import LAKE, VERSION, pinned_by
from uninote.pipelines.index.target import index_folder
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.ledger import Entry
from uninote.pipelines.lake.reading.snapshot import Snapshot, newest_snapshot
from uninote.pipelines.lake.run import Run, newest_entries
from uninote.pipelines.lake.tables import MissingTableError
from uninote.storage.lake_files import relative
from uninote.storage.types import MissingFileError
from uninote.upkeep.places import tables_below

_STAGES = ("ingest", "embed", "index", "codes", "neighbours", "match")
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
        tables=dict(sorted([*_versions(run, snapshot), *_versions_beside(run)])),
        indexes={f"w{width}": _index_pin(run, width) for width in run.config.index.widths or snapshot.widths},
        entries=_sequences(entries),
        metrics={name: value for name, value in metrics.items() if name.endswith("_share")},
        joined=_joined(run, entries["neighbours", "all"]) | _joined_beside(run),
    )


def _sequences(entries: Mapping[tuple[str, str], Entry]) -> dict[str, int]:
    """Return "stage/unit" -> sequence of what ended."""
    found = {}
    for (stage, unit), entry in entries.items():
        if stage in _STAGES and entry["state"] in _ENDED:
            found[f"{stage}/{unit}"] = int(entry["sequence"])
    return found


def _joined_beside(run: Run) -> dict[str, Any]:
    """Return how lists were made of further sets of vectors, by their names; nothing where there are none."""
    made = {}
    for name, one in run.embeddings.items():
        entries = newest_entries(one)
        if ("neighbours", "all") not in entries:
            raise MissingTableError(f"the tables of embeddings.{name} are not made yet; run jobs/neighbours.py first")
        of = {"generation": one.model.generation, "entries": _sequences(entries)}
        made[name] = of | _joined(one, entries["neighbours", "all"])
    return {EMBEDDINGS: made} if made else {}


def _versions_beside(run: Run) -> Iterator[tuple[str, int]]:
    """Yield what `_versions` does of the generations of further sets of vectors."""
    for one in run.embeddings.values():
        for path, version in _versions(one, newest_snapshot(one)):
            if path.startswith(f"{one.model.generation}/"):
                yield path, version


def _joined(run: Run, entry: Entry) -> dict[str, Any]:
    """Return how the lists were made, for whoever asks why a note is in one or not."""
    return {
        "settings": run.config.neighbours.model_dump(mode="json"),
        "width": entry["counts"]["width"],
        "as_of": None if entry["as_of"] is None else entry["as_of"].isoformat(),
        "run_id": entry["run_id"],
    }


def _versions(run: Run, snapshot: Snapshot) -> Iterator[tuple[str, int]]:
    """Yield (path relative to the lake, version) of every table that is part of a release, as the registry says."""
    # Those that embed read and left: notes that came since are part of a later release.
    known = {"notes": newest_entries(run)["embed", "all"]["inputs"]["notes"]}
    known |= {f"{run.model.generation}/{name}": version for name, version in snapshot.versions.items()}
    yield from known.items()
    rules = list(run.config.neighbours.rules)
    for name in rules:
        # A release without lists is none: raises MissingTableError.
        yield f"{run.model.generation}/{name}", tables.table_version(run.generation.uri(name))
    for artefact in pinned_by(VERSION):
        place = run.lake.uri(artefact.name) if artefact.scope == LAKE else run.generation.uri(artefact.name)
        for uri in tables_below(place):
            path = relative(run.lake.root, uri)
            # Vectors of widths that the configuration has no more are in no snapshot.
            if path not in known and artefact.name not in ("embeddings", *rules):
                yield path, tables.table_version(uri)


def _index_pin(run: Run, width: int) -> IndexPin:
    folder = index_folder(run, width)
    relative = f"{run.model.generation}/{index_name(width)}" if run.config.index.folder is None else folder.uri
    try:
        return IndexPin(relative, newest(folder))
    except (MissingFileError, ManifestError) as error:
        raise UninoteError(f"{error}; run jobs/index.py, or jobs/refresh.py, which runs every stage") from error
