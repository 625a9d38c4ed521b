"""What a map is compared with: the last release before the codes that it shows."""

from __future__ import annotations

from dataclasses import dataclass

from uninote.lake.releases.pointer import read_pointer
from uninote.lake.releases.record import Release, read_release
from uninote.pipelines.corpus_map.coded import Coded, Key, sizes
from uninote.pipelines.lake.run import Run


@dataclass(frozen=True)
class Before:
    """Notes of each branch of the second level in an earlier release, null where there is none, and what is said of it."""

    sizes: dict[Key, int] | None
    said: str


def shown_release(run: Run, version: int) -> str:
    """Return in words which release has the codes that are shown."""
    release = _live(run)
    if release is not None and _version(run, release) == version:
        return str(release.id)
    return "none yet: the tables as they stand"


def before(coded: Coded) -> Before:
    """Return what the last release before these codes had: the live one, or, where it is of these codes, the one before it."""
    run = coded.run
    live = _live(run)
    if live is None:
        return Before(None, "There is no release to compare with.")
    last: Release | None = live
    if _version(run, live) == coded.version:
        earlier = [number for number in read_pointer(run.lake.root).kept if number < live.id]
        last = read_release(run.lake.root, max(earlier)) if earlier else None
    version = None if last is None else _version(run, last)
    if last is None or version is None:
        return Before(None, "No earlier release that is kept has codes, so nothing is compared.")
    found = sizes(coded, version)
    if not found:
        return Before(None, f"Release {last.id} was coded by another codebook, so nothing is compared.")
    return Before(found, f"Shares of all notes, compared with release {last.id}.")


def _live(run: Run) -> Release | None:
    number = read_pointer(run.lake.root).live
    return None if number is None else read_release(run.lake.root, number)


def _version(run: Run, release: Release) -> int | None:
    """Return the version of the codes of a release, null where it has none of this encoder."""
    return release.tables.get(f"{run.model.generation}/codes")
