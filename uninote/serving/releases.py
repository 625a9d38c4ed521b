"""Releases of a lake, as an online store takes them."""

from __future__ import annotations

from uninote.lake.releases.record import ReleaseError
from uninote.lake.releases.registry import RULE, artefact_of
from uninote.lake.reserved import NEIGHBOURS
from uninote.neighbours.list_changes import TableVersion
from uninote.releases.open_release import OpenRelease
from uninote.serving.publish import Outcome, Published, publish
from uninote.serving.store import OnlineStore


def publish_release(store: OnlineStore, lake: str, *, everything: bool = False) -> Outcome:
    """Let readers of the store see the live release of `lake`: what `publish` does and raises.

    The lists are compared with those of the release that readers see now. Where the lake does not keep that any more, and where
    `everything` is asked for, all of them are pushed. Raises ReleaseError where the lake has no release.
    """
    release = published(OpenRelease.of(lake))
    return publish(store, release, None if everything else _seen_now(store, lake))


def published(release: OpenRelease) -> Published:
    """Return what of a release goes to a store: every neighbour table, by its name."""
    generation = release.release.generation
    tables = {}
    for name, (uri, version) in release.tables.items():
        path = f"{generation}/{name}"
        if path in release.release.tables:
            artefact = artefact_of(path, (generation,))
            if artefact is RULE or artefact.name == NEIGHBOURS:
                tables[name] = TableVersion(uri, version)
    return Published(release.id, release.release.lake_id, tables)


def _seen_now(store: OnlineStore, lake: str) -> Published | None:
    live = store.state.live
    if live is None:
        return None
    try:
        return published(OpenRelease.of(lake, live))
    except ReleaseError:
        return None
