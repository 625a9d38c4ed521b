"""Releases of a lake, as an online store takes them."""

from __future__ import annotations

from uninote.lake.releases.pointer import read_pointer
from uninote.lake.releases.record import ReleaseError
from uninote.lake.releases.registry import RULE, artefact_of
from uninote.lake.reserved import NEIGHBOURS
from uninote.lake.takedowns.watch import taken_down
from uninote.neighbours.list_changes import TableVersion
from uninote.releases.open_release import OpenRelease
from uninote.serving.publish import Outcome, Published, publish
from uninote.serving.store import OnlineStore
from uninote.storage.lake_files import join


def publish_release(store: OnlineStore, lake: str, *, everything: bool = False) -> Outcome:
    """Let readers of the store see the live release of `lake`: what `publish` does and raises.

    The lists are compared with those of the release that readers see now. Where the lake does not keep that any more, and where
    `everything` is asked for, all of them are pushed. Notes that are taken down are hidden first. What the lake does not
    keep any more goes from the store as well: an erasure ends the releases that held the note. Raises ReleaseError where the
    lake has no release, and TakedownError.
    """
    release = published(OpenRelease.of(lake))
    _hide_taken_down(store, lake)
    outcome = publish(store, release, None if everything else _seen_now(store, lake))
    # Those that were ordered while lists were pushed, by somebody who did not name the store.
    _hide_taken_down(store, lake)
    _forget(store, lake)
    return outcome


def published(release: OpenRelease) -> Published:
    """Return what of a release goes to a store: every neighbour table, by its name."""
    made = release.release
    tables = {}
    for path, version in made.tables.items():
        name = made.name_of(path)
        artefact = artefact_of(path, made.generations)
        # What further sets of vectors have beside tables of rules is called by its path.
        if name != path and (artefact is RULE or artefact.name == NEIGHBOURS):
            tables[name] = TableVersion(join(release.lake, path), version)
    return Published(release.id, release.release.lake_id, tables)


def _seen_now(store: OnlineStore, lake: str) -> Published | None:
    live = store.state.live
    if live is None:
        return None
    try:
        return published(OpenRelease.of(lake, live))
    except ReleaseError:
        return None


def _hide_taken_down(store: OnlineStore, lake: str) -> None:
    missing = taken_down(lake).names.difference(store.hidden())
    if missing:
        store.hide(missing)


def _forget(store: OnlineStore, lake: str) -> None:
    """Drop what readers saw before if the lake does not keep it, then the ids of erased notes, which no list has any more."""
    other = store.state.other
    if other is not None and other not in read_pointer(lake).kept:
        store.drop(other)
    taken = taken_down(lake)
    erased = [note_id for note_id in store.hidden() if note_id not in taken.names and taken.hides(note_id)]
    if erased:
        store.unhide(erased)
