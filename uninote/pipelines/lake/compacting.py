"""Stages join the small files that nights leave, before they write down which versions they left."""

from __future__ import annotations

from collections.abc import Iterable

from uninote.lake.lease.fence import look
from uninote.lake.upkeep.compaction import CompactionRule, compact
from uninote.pipelines.lake.run import Run
from uninote.pipelines.runtime.progress import say
from uninote.storage.lake_files import relative


def join_small_files(run: Run, uris: Iterable[str]) -> int:
    """Join the small files of some tables where `compaction` says that it pays; returns how many files that spared."""
    settings = run.config.compaction
    rule = CompactionRule(settings.files, settings.small_mib << 20, settings.most_mib << 20)
    spared = 0
    for uri in uris:
        look()
        found = compact(uri, rule)
        if found.before:
            name = relative(run.lake.root, uri)
            say(f"{name}: {found.before:,} small files joined into {found.after:,} ({found.bytes:,} bytes)")
            spared += found.before - found.after
    return spared
