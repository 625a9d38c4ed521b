"""What the end of a refresh does for a lake's files, without a refresh: releases expire, files go, small ones are joined."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from typing import Any

from uninote.config.sections.releases import CompactionConfig, RetentionConfig
from uninote.errors import UninoteError
from uninote.lake.generation_record import find_generations
from uninote.lake.record import FORMAT, read_record
from uninote.lake.releases.pointer import change_pointer, read_pointer
from uninote.lake.releases.record import Release, read_release
from uninote.lake.releases.registry import LISTS, artefact_of
from uninote.lake.small_tables import read_all
from uninote.lake.upkeep.compaction import Compacted
from uninote.lake.upkeep.vacuum import Removed
from uninote.storage.lake_files import join, parent
from uninote.storage.types import S3Options
from uninote.upkeep.compacting import join_small_files
from uninote.upkeep.places import own_tables
from uninote.upkeep.retention import Cleared, Household, clear, keep_all_needed, without_expired, worked_with
from uninote.upkeep.writing import writing

JOB = "vacuum"
_NONE = Cleared({}, Removed(), {}, ())


@dataclass(frozen=True)
class Asked:
    """What a clean-up goes by. `indexes`: the folder of indexes that lie elsewhere, null: where the live release has them."""

    retention: RetentionConfig = field(default_factory=RetentionConfig)
    compaction: CompactionConfig = field(default_factory=CompactionConfig)
    indexes: str | None = None
    options: S3Options = field(default_factory=S3Options)
    dry_run: bool = False


def clean(lake: str, asked: Asked) -> dict[str, Any]:
    """Remove what nobody needs of the lake at `lake` and join small files, under its lease; returns a summary.

    A dry run takes no lease and changes nothing. Raises UninoteError where there is no lake, or one of another format;
    LakeBusyError where another run writes; RetentionError.
    """
    record = read_record(lake)
    if record is None:
        raise UninoteError(f"{lake} is no lake: it has no lake.json; name another place")
    if record.format != FORMAT:
        raise UninoteError(
            f"{lake} is of an earlier release (format {record.format}); run jobs/refresh.py once, which brings it to {FORMAT}"
        )
    live = read_pointer(lake).live
    indexes = asked.indexes
    if indexes is None and live is not None:
        indexes = _elsewhere(read_release(lake, live))
    run_id = f"{JOB}-{uuid.uuid4().hex[:8]}"
    with nullcontext() if asked.dry_run else writing(lake, JOB, run_id, indexes, asked.options):
        known = sorted(read_all(join(lake, "runs")), key=lambda entry: int(entry["sequence"]))
        house = Household(
            lake, worked_with(lake, known), known, asked.retention, indexes, asked.options, dry_run=asked.dry_run
        )
        kept, cleared = _clear(house)
        joined = join_small_files(lake, _appended(lake, cleared), asked.compaction, dry_run=asked.dry_run)
    return _summary(house, kept, cleared, joined)


def _elsewhere(release: Release) -> str | None:
    """Return the folder of indexes that are not in their lake: `<generation>/index/w<width>` lies below it; else null."""
    for pin in release.indexes.values():
        if pin.is_elsewhere:
            return parent(parent(parent(pin.folder)))
    return None


def _clear(house: Household) -> tuple[list[int], Cleared]:
    """Let releases expire and remove files; returns the releases that are kept. Before the first release every file stays."""
    if house.dry_run:
        pointer = without_expired(read_pointer(house.lake), house.settings)
    else:
        pointer = change_pointer(house.lake, lambda before: without_expired(before, house.settings))
    kept = [read_release(house.lake, number) for number in pointer.kept]
    if not house.dry_run:
        keep_all_needed(house, kept)
    return list(pointer.kept), _NONE if pointer.live is None else clear(house, pointer, kept)


def _appended(lake: str, cleared: Cleared) -> Iterator[str]:
    """Yield the tables that nights append to: those of the neighbours stage are made by it, in ranges of its own."""
    generations = find_generations(lake)
    for path in own_tables(lake):
        is_going = path.partition("/")[0] in cleared.generations
        if not is_going and artefact_of(path, generations).erased != LISTS:
            yield path


def _summary(house: Household, kept: list[int], cleared: Cleared, joined: dict[str, Compacted]) -> dict[str, Any]:
    removed = {path: one for path, one in cleared.tables.items() if one.files}
    return {
        "lake": house.lake,
        "dry_run": house.dry_run,
        "releases_kept": kept,
        "removed": {path: asdict(one) for path, one in removed.items()},
        "indexes": asdict(cleared.indexes),
        "generations": {name: asdict(one) for name, one in cleared.generations.items()},
        "joined": {path: asdict(one) for path, one in joined.items()},
        **cleared.counts,
    }
