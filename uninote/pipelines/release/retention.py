"""What is kept of a lake, and how the rest goes: releases nobody reads any more, and files that no kept release needs.

Nothing here is judged by the age of a file alone. A file stays that the newest version of its table needs, that a version of a
kept release needs, or that the change feed of versions needs which a stage has not read yet. Releases go only when they are not
live, not pinned, not among the last `retention.releases` that nobody rolled back from, and were replaced
`retention.reader_hours` ago or earlier.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from uninote.config.sections.releases import RetentionConfig
from uninote.index.files.manifest import read_manifest
from uninote.index.files.published import newest, places
from uninote.lake.lease.fence import look
from uninote.lake.releases.pointer import Pointer, change_pointer
from uninote.lake.releases.record import Release, read_release, release_ids, remove_release
from uninote.lake.upkeep.vacuum import Needed, remove_unneeded
from uninote.pipelines.index.kept import manifests_of
from uninote.pipelines.index.messages import find_unused
from uninote.pipelines.lake.compacting import join_small_files
from uninote.pipelines.lake.encoders import s3_of
from uninote.pipelines.lake.lease.fencing import indexes_of
from uninote.pipelines.lake.ledger import entries
from uninote.pipelines.lake.run import Outcome, Run, all_entries, record
from uninote.pipelines.release.own_tables import own_tables
from uninote.pipelines.runtime.progress import say, step
from uninote.storage.lake_files import join, remove_folder

STAGE = "retention"
_APPENDED = ("runs", "quarantine")  # tables that no release pins, and every run appends to


def retain(run: Run) -> dict[str, Any]:
    """Let go of releases that need not be kept, and remove the files that nothing needs any more."""
    started = time.time()
    pointer = change_pointer(run.lake.root, lambda before: without_expired(before, run.config.retention))
    if pointer.live is None:
        return {"tables": {}, "state": "unchanged"}
    kept = [read_release(run.lake.root, number) for number in pointer.kept]
    # Files of what did not pass its gates are kept for reading about it: as long as the ledger of the chain is.
    gone = [number for number in release_ids(run.lake.root) if number not in pointer.kept and number < oldest(pointer)]
    for number in gone:
        remove_release(run.lake.root, number)
    with step("retention: files that no release needs"):
        _remove_generations(run, kept)
        counts = _remove_files(run, kept) | remove_index_files(run, kept)
    counts["files_joined"] = join_small_files(run, [run.lake.uri(name) for name in _APPENDED])
    counts |= {"releases_kept": len(kept), "releases_removed": len(gone)}
    if not counts["files_removed"] + counts["files_joined"]:
        return {"tables": {}, "state": "unchanged", **counts}
    record(run, STAGE, "all", Outcome("done", counts), started)
    return {"tables": {}, "state": "done", **counts}


def oldest(state: Pointer) -> int:
    """Return the oldest release that is kept, but for pinned ones, which may be of long ago."""
    return min((number for number in state.kept if str(number) not in state.pinned), default=state.live or 0)


def without_expired(before: Pointer, settings: RetentionConfig) -> Pointer:
    """Return the state without the releases that need not be kept any more."""
    since = datetime.now(UTC) - timedelta(hours=settings.reader_hours)
    # Those that were rolled back from are no place to go back to: counted here, they would drive out the ones that are.
    sound = [number for number in before.kept if number not in before.rejected]
    kept = {*sound[-settings.releases :], before.live, *map(int, before.pinned)}
    if before.work_from is not None:
        kept.add(before.work_from)
    for number, when in before.replaced.items():
        if datetime.fromisoformat(when) >= since:
            kept.add(int(number))
    left = tuple(number for number in before.kept if number in kept)
    if left == before.kept:
        return before
    gone = sorted(set(before.kept) - set(left))
    replaced = {number: when for number, when in before.replaced.items() if int(number) in left}
    rejected = tuple(number for number in before.rejected if number in left)
    change = f"releases {', '.join(map(str, gone))} are not kept any more"
    return replace(before, kept=left, replaced=replaced, rejected=rejected, change=change)


def _remove_generations(run: Run, kept: list[Release]) -> None:
    """Remove what was made with a model that no kept release has, of those that readers saw once: none in the making."""
    seen = {
        entry["generation"] for entry in entries(run.lake) if entry["stage"] == "release" and entry["state"] == "done"
    }
    for generation in sorted(seen - {one.generation for one in kept} - {run.model.generation}):
        look()
        say(f"retention: no kept release is of the model {generation} any more; what it made is removed")
        if run.config.index.folder is not None:
            remove_folder(join(run.config.index.folder, generation))
        remove_folder(run.lake.uri(generation))


def _remove_files(run: Run, kept: list[Release]) -> dict[str, int]:
    """Remove files of tables; returns how many, and their bytes."""
    removed = size = 0
    read = _read_feeds(run)
    ledger = _versions_in_ledger(run)
    for path in own_tables(run.lake.root):
        uri = run.lake.uri(path)
        versions = {one.tables[path] for one in kept if path in one.tables} | ledger.get(path, set())
        look()
        one = remove_unneeded(uri, Needed(frozenset(versions), read.get(path)), run.config.retention.reader_hours)
        removed += one.files
        size += one.bytes
    return {"files_removed": removed, "bytes_removed": size}


def _versions_in_ledger(run: Run) -> dict[str, set[int]]:
    """Return, by the path of a table, the versions that the last run of embed left: one that was killed is undone by them."""
    of_embed = [entry for entry in all_entries(run) if entry["stage"] == "embed"]
    found: dict[str, set[int]] = {}
    for entry in of_embed:
        if entry["run_id"] != of_embed[-1]["run_id"]:
            continue
        for name, version in entry["outputs"].items():
            if version >= 0:
                found.setdefault(f"{run.model.generation}/{name}", set()).add(version)
    return found


def _read_feeds(run: Run) -> Mapping[str, int]:
    """Return, by the path of a table, the version from which on its change feed has not been read by every stage."""
    oldest: dict[str, int] = {}
    newest_of: dict[tuple[str, str], Mapping[str, int]] = {}
    for entry in all_entries(run):
        if entry["state"] == "done" and entry["stage"] in ("embed", "neighbours"):
            newest_of[entry["stage"], entry["unit"]] = entry["inputs"]
    inputs = list(newest_of.values())
    for folder in indexes_of(run.lake.root, run.config.index.folder, s3_of(run.config)):
        # A segment holds all that changed since the base was built.
        inputs.append(read_manifest(folder).base.versions)
    for versions in inputs:
        for name, version in versions.items():
            path = name if name == "notes" else f"{run.model.generation}/{name}"
            oldest[path] = min(version, oldest.get(path, version))
    return oldest


def remove_index_files(run: Run, kept: list[Release]) -> dict[str, int]:
    """Remove manifests that no kept release names, and files that no manifest names any more."""
    removed = 0
    for folder in indexes_of(run.lake.root, run.config.index.folder, s3_of(run.config)):
        pinned = manifests_of(kept, run.lake.root, folder) | {newest(folder)}
        manifests = [read_manifest(folder, name) for name in sorted(pinned)]
        unused = find_unused(folder, manifests)
        look()
        for place in places(folder)[:-1]:
            if place.name not in pinned:
                folder.remove(place.name)
        for name in unused:
            folder.remove(name)
        removed += len(unused)
    return {"index_files_removed": removed}
