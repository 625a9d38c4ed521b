"""An online store of neighbour lists: what a night pushes, and one pointer that switches all readers.

A key, a note within a neighbour table, holds its last two lists, each with the release that made it. A reader takes the newest
that is not newer than the pointer. So a push writes only lists that changed, nobody sees them before `flip`, and going back one
release is a flip too. A push is `begin`, `put_many` any number of times, `seal`, `flip`; one that died is run again from
`begin`, or cleaned up by `drop`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice

from uninote.serving.backend import Backend, Seen
from uninote.serving.layout import (
    GONE,
    Entry,
    Neighbours,
    NoteId,
    entries_of,
    key_of,
    neighbours_in,
    reachable,
    read_at,
    with_entry,
)
from uninote.serving.state import State

_BATCH = 2_000  # lists that are written at once


class OnlineStore:
    """One store, for use by several threads. Every method raises StoreError where the store does not answer."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._hidden: tuple[bytes | None, frozenset[NoteId]] = (None, frozenset())
        self._state: tuple[bytes | None, State] = (None, State())

    def get(self, note_ids: Sequence[NoteId], table: str = "neighbours") -> dict[NoteId, Neighbours]:
        """Return note_id -> [(note_id, score)], best first, of those of `note_ids` that have a list and are not hidden.

        All lists are of one release, that of the pointer. Hidden notes are left out of lists, which are shorter then.
        """
        ids = list(dict.fromkeys(note_ids))
        seen = self._backend.read([key_of(table, one) for one in ids])
        live, hidden = self._state_of(seen.state).live, self._hidden_at(seen.mark)
        found: dict[NoteId, Neighbours] = {}
        for note_id, value in zip(ids, seen.values, strict=True):
            entry = None if value is None or live is None else read_at(entries_of(value), live)
            neighbours = None if entry is None else neighbours_in(entry.body)
            if neighbours is not None and note_id not in hidden:
                found[note_id] = [one for one in neighbours if one[0] not in hidden] if hidden else neighbours
        return found

    @property
    def state(self) -> State:
        """Which releases the store holds, and which one readers see."""
        return self._state_of(self._backend.read([]).state)

    def begin(self, release: int, lake: str) -> None:
        """Begin to put lists of `release`, one of the lake with the id `lake`, or go on with it. Ends the way back.

        Raises StoreError where another release has to be dropped first, or the store is another lake's.
        """
        self._backend.check()
        seen = self._backend.read([])
        self._backend.write(seen.state, {}, self._state_of(seen.state).begun(release, lake).encode())

    def put_many(self, release: int, table: str, lists: Iterable[tuple[NoteId, bytes]]) -> int:
        """Put lists of `release`: (note_id, body) as `encoded` yields them, GONE for a note that is there no more.

        Returns how many. Running it again changes nothing. Raises StoreError unless the release was begun.
        """
        count = 0
        for batch in _batches(lists):
            bodies = {key_of(table, note_id): body for note_id, body in batch}
            seen = self._pushing(release, list(bodies))
            live = self._state_of(seen.state).live
            values: dict[bytes, bytes | None] = {}
            for (key, body), value in zip(bodies.items(), seen.values, strict=True):
                values[key] = with_entry(value, Entry(release, body), live)
            self._backend.write(seen.state, values)
            count += len(batch)
        return count

    def retire_others(self, release: int) -> int:
        """Say of every note without a list of `release` that it is gone; returns how many. For a push of all lists."""
        count = 0
        for batch in self._backend.scan():
            seen = self._pushing(release, [key for key, _ in batch])
            live = self._state_of(seen.state).live
            values: dict[bytes, bytes | None] = {}
            for (key, _), value in zip(batch, seen.values, strict=True):
                taken = read_at(entries_of(value), release)
                if taken is not None and taken.release != release and taken.body != GONE:
                    values[key] = with_entry(value, Entry(release, GONE), live)
            self._backend.write(seen.state, values)
            count += len(values)
        return count

    def lacks(self, release: int, table: str, lists: Iterable[tuple[NoteId, bytes]]) -> list[NoteId]:
        """Return the notes whose list a reader at `release` would not get as it is here: (note_id, body)."""
        missing = []
        for batch in _batches(lists):
            seen = self._backend.read([key_of(table, note_id) for note_id, _ in batch])
            for (note_id, body), value in zip(batch, seen.values, strict=True):
                entry = read_at(entries_of(value), release)
                if entry is None or entry.body != body:
                    missing.append(note_id)
        return missing

    def seal(self, release: int) -> None:
        """Say that all lists of `release` are there, so that it may be flipped to."""
        seen = self._pushing(release, [])
        self._backend.write(seen.state, {}, self._state_of(seen.state).sealed(release).encode())

    def flip(self, release: int) -> None:
        """Let all readers see `release` from now on. Raises StoreError, and changes nothing, where it is not whole."""
        seen = self._backend.read([])
        self._backend.write(seen.state, {}, self._state_of(seen.state).flipped(release).encode())

    def drop(self, release: int) -> None:
        """Remove what only `release` holds, and every list that no pointer can reach any more; one pass over all keys.

        Of a release that was pushed by half, or was gone back from, or whose notes must be gone from the store for good.
        Raises StoreError for the live one. One that died is run again.
        """
        seen = self._backend.read([])
        state = self._state_of(seen.state).without(release)
        self._backend.write(seen.state, {}, state.encode())
        for batch in self._backend.scan():
            changed = {key: kept for key, value in batch if (kept := reachable(value, state.whole)) != value}
            if changed:
                self._backend.write(state.encode(), changed)
        self._backend.write(state.encode(), {}, replace(state, dropping=None).encode())

    def hide(self, ids: Iterable[NoteId]) -> None:
        """Leave notes out at once, as query and as neighbour, whatever is pushed or flipped, until `unhide`."""
        self._backend.hide([str(one) for one in ids], hide=True)

    def unhide(self, ids: Iterable[NoteId]) -> None:
        """Show notes again that were hidden; others stay as they are."""
        self._backend.hide([str(one) for one in ids], hide=False)

    def hidden(self) -> list[str]:
        """Return the ids of the hidden notes as texts, in order."""
        return sorted(self._backend.hidden()[1])

    def hides(self, note_id: NoteId) -> bool:
        """Say whether a note is hidden now."""
        return note_id in self._hidden_at(self._backend.read([]).mark)

    def close(self) -> None:
        """Let go of connections and files."""
        self._backend.close()

    def _pushing(self, release: int, keys: Sequence[bytes]) -> Seen:
        seen = self._backend.read(keys)
        self._state_of(seen.state).check_push(release)
        return seen

    def _state_of(self, raw: bytes | None) -> State:
        # Parsed once for each that there is: a reader asks at every look-up.
        known, state = self._state
        if raw != known:
            state = State.parse(raw)
            self._state = (raw, state)
        return state

    def _hidden_at(self, mark: bytes | None) -> frozenset[NoteId]:
        known, hidden = self._hidden
        if mark != known:
            known, texts = self._backend.hidden()
            # As texts and, where they are some, as numbers: which of them the notes of this lake have, lists say.
            hidden = frozenset([*texts, *(int(one) for one in texts if _is_number(one))])
            self._hidden = (known, hidden)
        return hidden


def _is_number(text: str) -> bool:
    return text.removeprefix("-").isdecimal() and str(int(text)) == text


def _batches(lists: Iterable[tuple[NoteId, bytes]]) -> Iterator[list[tuple[NoteId, bytes]]]:
    several = iter(lists)
    while batch := list(islice(several, _BATCH)):
        yield batch
