"""A release of a lake pushed to an online store: what changed since the one that readers see, counted, then one flip."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from uninote.lake.delta_files import rows_in_log
from uninote.neighbours.list_changes import Changes, TableVersion, compare
from uninote.serving.encoding import encoded
from uninote.serving.layout import GONE, StoreError
from uninote.serving.store import OnlineStore

_SAMPLE_EVERY = 1_000


@dataclass(frozen=True)
class Published:
    """What of a release goes to a store: its neighbour tables by name, at the versions that it pins."""

    id: int
    lake_id: str
    tables: Mapping[str, TableVersion]


@dataclass
class Counts:
    """Of one table: its rows, the lists that were pushed, those that the store had as they are, and the notes that are gone."""

    rows: int = 0
    pushed: int = 0
    unchanged: int = 0
    gone: int = 0


@dataclass(frozen=True)
class Outcome:
    """What became of a release: published, flipped (it was in the store), or unchanged (readers saw it before)."""

    release: int
    previous: int | None
    state: str
    tables: Mapping[str, Counts] = field(default_factory=dict)


def publish(store: OnlineStore, release: Published, previous: Published | None) -> Outcome:
    """Let readers of the store see `release`: push the lists that differ from those of `previous`, then flip.

    `previous` is what readers see now; null where the store is empty, and where every list is to be pushed, whatever is there,
    those of the release that readers see included.
    Raises StoreError, and readers see what they saw, where the counts do not add up, the store lost lists, or it fails.
    """
    live = store.state.live
    if release.id == live and previous is not None:
        return Outcome(release.id, live, "unchanged")
    if release.id == store.state.other:
        store.flip(release.id)
        return Outcome(release.id, live, "flipped")
    if previous is not None and previous.id != live:
        raise StoreError(
            f"readers of the online store see release {live}, not {previous.id}; push the changes since that one"
        )
    _drop_leftovers(store, release.id)
    store.begin(release.id, release.lake_id)
    counts = _push(store, release, previous)
    if previous is None:
        store.retire_others(release.id)
    store.seal(release.id)
    store.flip(release.id)
    return Outcome(release.id, live, "published", counts)


def _drop_leftovers(store: OnlineStore, release: int) -> None:
    """Clean up what a push or a clean-up that died, or a release that was gone back from, left in the store."""
    state = store.state
    if state.dropping is not None:
        store.drop(state.dropping)
    if state.pushing not in (None, release):
        store.drop(state.pushing)
    if state.other is not None and (state.live is None or state.other > state.live):
        store.drop(state.other)


def _push(store: OnlineStore, release: Published, previous: Published | None) -> dict[str, Counts]:
    earlier = {} if previous is None else previous.tables
    counts = {}
    for name in sorted({*release.tables, *earlier}):
        found = counts[name] = Counts()
        new = release.tables.get(name)
        for changes in compare(earlier.get(name), new):
            if previous is not None:
                _check_held(store, previous.id, name, changes.sample)
            _push_range(store, release.id, name, changes, found)
        expected = None if new is None else rows_in_log(*new)
        if expected is not None and expected != found.rows:
            raise StoreError(
                f"{name} of release {release.id} has {expected:,} rows by its log, and {found.pushed:,} pushed and "
                f"{found.unchanged:,} unchanged lists were found; the release stays unpublished: look at its files"
            )
    return counts


def _push_range(store: OnlineStore, release: int, table: str, changes: Changes, counts: Counts) -> None:
    pushed = store.put_many(release, table, encoded(changes.changed))
    counts.gone += store.put_many(release, table, ((note_id, GONE) for note_id in changes.gone))
    counts.pushed += pushed
    counts.unchanged += changes.unchanged
    counts.rows += len(changes.changed) + changes.unchanged
    if pushed != len(changes.changed):
        raise StoreError(f"of {len(changes.changed):,} changed lists of {table}, {pushed:,} were pushed")
    _check_held(store, release, table, changes.changed.take(np.arange(0, len(changes.changed), _SAMPLE_EVERY)))


def _check_held(store: OnlineStore, release: int, table: str, rows: pa.Table) -> None:
    """Raise StoreError where readers at `release` would not get these lists: a server may have lost keys."""
    lost = store.lacks(release, table, encoded(rows))
    if lost:
        raise StoreError(
            f"the online store lost lists of {table} of release {release}, that of {lost[0]} among them; run this again with "
            "--all, which pushes every list"
        )
