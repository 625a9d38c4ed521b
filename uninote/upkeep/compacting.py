"""Small files of a lake's tables joined where the settings say that it pays."""

from __future__ import annotations

from collections.abc import Iterable

from uninote.config.sections.releases import CompactionConfig
from uninote.lake.lease.fence import look
from uninote.lake.upkeep.compaction import Compacted, CompactionRule, compact
from uninote.storage.lake_files import join
from uninote.terminal import say


def join_small_files(
    lake: str, paths: Iterable[str], settings: CompactionConfig, *, dry_run: bool = False
) -> dict[str, Compacted]:
    """Join the small files of some tables, by their paths relative to the lake; returns what was joined, or would be.

    A table in which nothing is to be joined, or that is not there, is not among them.
    """
    rule = CompactionRule(settings.files, settings.small_mib << 20, settings.most_mib << 20)
    joined = {}
    for path in paths:
        look()
        found = compact(join(lake, path), rule, dry_run=dry_run)
        if found.before:
            joined[path] = found
            if not dry_run:
                say(f"{path}: {found.before:,} small files joined into {found.after:,} ({found.bytes:,} bytes)")
    return joined
