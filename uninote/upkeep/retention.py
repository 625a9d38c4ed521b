"""What is kept of a lake, and how the rest goes: releases nobody reads any more, and files that no kept release needs.

Nothing here is judged by the age of a file alone. A file stays that the newest version of its table needs, that a version of a
kept release needs, or that the change feed of versions needs which a stage has not read yet. Releases go only when they are not
live, not pinned, not among the last `retention.releases` that nobody rolled back from, and were replaced
`retention.reader_hours` ago or earlier.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from uninote.config.sections.releases import RetentionConfig
from uninote.index.files.manifest import ManifestError, read_manifest
from uninote.index.files.published import newest, places
from uninote.lake.generation_record import find_beside
from uninote.lake.lease.fence import look
from uninote.lake.releases.pointer import Pointer
from uninote.lake.releases.record import Release, release_ids, remove_release
from uninote.lake.takedowns.orders import read_orders
from uninote.lake.upkeep.table_retention import keep_versions
from uninote.lake.upkeep.vacuum import Needed, Removed, remove_unneeded
from uninote.storage.lake_files import files_with_times, join, remove_folder
from uninote.storage.types import S3Options
from uninote.terminal import say
from uninote.upkeep.index_files import find_unused, manifests_of
from uninote.upkeep.places import indexes_of, own_tables

Entry = Mapping[str, Any]  # a row of the ledger


@dataclass(frozen=True)
class Household:
    """A lake that is cleaned up, and what that needs to know.

    `generation`: the model that is worked with, null where there is none yet. `entries`: the ledger, oldest first. `indexes`:
    the folder of indexes that lie elsewhere, null where none do. With `dry_run` nothing is removed, and everything is counted.
    """

    lake: str
    generation: str | None
    entries: Sequence[Entry]
    settings: RetentionConfig = field(default_factory=RetentionConfig)
    indexes: str | None = None
    options: S3Options = field(default_factory=S3Options)
    dry_run: bool = False

    @cached_property
    def generations(self) -> list[str]:
        """The model that is worked with, and further sets of vectors."""
        return [*filter(None, [self.generation]), *find_beside(self.lake)]


@dataclass(frozen=True)
class Cleared:
    """What went, or would go: files by the path of their table; files of indexes; whole generations; files of releases."""

    tables: Mapping[str, Removed]
    indexes: Removed
    generations: Mapping[str, Removed]
    releases: Sequence[int]

    @property
    def counts(self) -> dict[str, int]:
        """The sums, for the ledger."""
        return {
            "files_removed": sum(one.files for one in self.tables.values()),
            "bytes_removed": sum(one.bytes for one in self.tables.values()),
            "index_files_removed": self.indexes.files,
            "releases_removed": len(self.releases),
        }


def clear(house: Household, pointer: Pointer, kept: Sequence[Release]) -> Cleared:
    """Remove all that neither the `kept` releases of the state `pointer` nor the next night needs; returns what it was."""
    # Files of what did not pass its gates are kept for reading about it: as long as the ledger of the chain is.
    gone = [number for number in release_ids(house.lake) if number not in pointer.kept and number < oldest(pointer)]
    for number in () if house.dry_run else gone:
        remove_release(house.lake, number)
    generations = _remove_generations(house, kept)
    tables = {
        path: one for path, one in _remove_files(house, kept).items() if path.partition("/")[0] not in generations
    }
    return Cleared(tables, remove_index_files(house, kept), generations, gone)


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


def _remove_generations(house: Household, kept: Sequence[Release]) -> dict[str, Removed]:
    """Remove what was made with a model that no kept release has, of those that readers saw once: none in the making."""
    seen = {one["generation"] for one in house.entries if (one["stage"], one["state"]) == ("release", "done")}
    removed = {}
    used = {generation for one in kept for generation in one.generations}.union(house.generations)
    for generation in sorted(seen - used):
        files = files_with_times(join(house.lake, generation))
        if not files:
            continue
        removed[generation] = Removed(len(files), sum(size for _, _, size in files))
        if house.dry_run:
            continue
        look()
        say(f"retention: no kept release is of the model {generation} any more; what it made is removed")
        if house.indexes is not None:
            remove_folder(join(house.indexes, generation))
        remove_folder(join(house.lake, generation))
    return removed


def _remove_files(house: Household, kept: Sequence[Release]) -> dict[str, Removed]:
    """Remove files of tables; returns how many of each, and their bytes."""
    removed = {}
    # What is to be erased is looked for by the keys and texts that these have of it.
    is_erasing = any(order.note_id is not None for order in read_orders(house.lake))
    for path, needed in _needed_by_table(house, kept):
        if is_erasing and (path == "notes" or path.endswith("/items")):
            continue
        look()
        hours = house.settings.reader_hours
        removed[path] = remove_unneeded(join(house.lake, path), needed, hours, dry_run=house.dry_run)
    return removed


def keep_all_needed(house: Household, kept: Sequence[Release]) -> None:
    """Let Delta itself remove nothing of any table that is needed. Raises RetentionError where somebody's settings would."""
    for path, needed in _needed_by_table(house, kept):
        keep_versions(join(house.lake, path), needed, house.settings.reader_hours)


def _needed_by_table(house: Household, kept: Sequence[Release]) -> Iterator[tuple[str, Needed]]:
    read = _read_feeds(house)
    ledger = _versions_in_ledger(house)
    for path in own_tables(house.lake):
        versions = {one.tables[path] for one in kept if path in one.tables} | ledger.get(path, set())
        yield path, Needed(frozenset(versions), read.get(path))


def worked_with(lake: str, known: Sequence[Entry]) -> str | None:
    """Return the model of the last run of embed, null where none ran."""
    beside = find_beside(lake)
    found = [one["generation"] for one in known if one["stage"] == "embed" and one["generation"] not in beside]
    return found[-1] if found else None


def _own_entries(house: Household, *stages: str) -> list[Entry]:
    """Return what the ledger says of some stages with what is worked with: the model, and further sets of vectors."""
    return [one for one in house.entries if one["stage"] in stages and one["generation"] in house.generations]


def _path(generation: str, name: str) -> str:
    """Return where a table lies that entries of a generation and manifests name."""
    return name if name == "notes" else f"{generation}/{name}"


def _versions_in_ledger(house: Household) -> dict[str, set[int]]:
    """Return, by the path of a table, the versions that the last run of embed left: one that was killed is undone by them."""
    of_embed = _own_entries(house, "embed")
    last = {entry["generation"]: entry["run_id"] for entry in of_embed}
    found: dict[str, set[int]] = {}
    for entry in of_embed:
        if entry["run_id"] != last[entry["generation"]]:
            continue
        for name, version in entry["outputs"].items():
            if version >= 0:
                found.setdefault(f"{entry['generation']}/{name}", set()).add(version)
    return found


def _read_feeds(house: Household) -> Mapping[str, int]:
    """Return, by the path of a table, the version from which on its change feed has not been read by every stage."""
    oldest: dict[str, int] = {}
    newest_of: dict[tuple[str, str, str], Mapping[str, int]] = {}
    for entry in _own_entries(house, "embed", "codes", "neighbours"):
        if entry["state"] == "done":
            newest_of[entry["generation"], entry["stage"], entry["unit"]] = entry["inputs"]
    inputs = [(generation, versions) for (generation, _, _), versions in newest_of.items()]
    for folder in indexes_of(house.lake, house.indexes, house.options):
        # A segment holds all that changed since the base was built. A damaged index is built anew, from all rows.
        with suppress(ManifestError):
            inputs.append((house.generation or "", read_manifest(folder).base.versions))
    for generation, versions in inputs:
        for name, version in versions.items():
            path = _path(generation, name)
            oldest[path] = min(version, oldest.get(path, version))
    return oldest


def remove_index_files(house: Household, kept: Sequence[Release]) -> Removed:
    """Remove manifests that no kept release names, and files that no manifest names any more; returns the latter."""
    removed = size = 0
    for folder in indexes_of(house.lake, house.indexes, house.options):
        pinned = manifests_of(kept, house.lake, folder) | {newest(folder)}
        manifests = [read_manifest(folder, name) for name in sorted(pinned)]
        unused = find_unused(folder, manifests)
        sizes = folder.sizes()
        removed += len(unused)
        size += sum(sizes[name] for name in unused)
        if house.dry_run:
            continue
        look()
        for place in places(folder)[:-1]:
            if place.name not in pinned:
                folder.remove(place.name)
        for name in unused:
            folder.remove(name)
    return Removed(removed, size)
