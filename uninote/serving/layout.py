"""The bytes of a value in an online store: the last two lists of one note, each with the release that made it.

A value is one or two entries, the newest first. Numbers are little-endian:

    release   uint32
    kind      uint8    0: the note is gone; 1: neighbours whose ids are numbers; 2: whose ids are texts
    count     uint16   how many neighbours
    ids       int64 x count (kind 1); or uint16 x count, the bytes of each id, and these as UTF-8 (kind 2)
    scores    float32 x count, as the table has them

What follows `release` is a `body`. Twenty neighbours take 247 bytes of ids that are numbers, and 127 and the texts of ids that
are none. Halves of scores would save 40 bytes, and a service would then rank and cut by other scores than the table's.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from typing import NamedTuple

from uninote.errors import UninoteError

NoteId = str | int
Neighbours = list[tuple[NoteId, float]]

NUMBERS = 1
TEXTS = 2
BODY = struct.Struct("<BH")
GONE = BODY.pack(0, 0)  # the body of a note that a release does not hold any more
_RELEASE = struct.Struct("<I")
_LONGEST_KEY = 400  # bytes; a mapped store takes 511


class StoreError(UninoteError):
    """An online store cannot be reached, is not as it was left, or was asked for what it does not hold."""


class Entry(NamedTuple):
    """A list as a value holds it, and the release that made it."""

    release: int
    body: bytes


def key_of(table: str, note_id: NoteId) -> bytes:
    """Return the key of a note's lists. Of an id that is too long for a key there is a hash of it instead."""
    key = f"{table}:{note_id}".encode("utf-8", "surrogateescape")
    if len(key) <= _LONGEST_KEY:
        return key
    return f"{table}:#{hashlib.sha256(key).hexdigest()}".encode()


def entries_of(value: bytes | None) -> list[Entry]:
    """Return the entries of a value, the newest first. Raises StoreError where it is none of ours."""
    entries = []
    place = 0
    raw = value or b""
    try:
        while place < len(raw):
            (release,) = _RELEASE.unpack_from(raw, place)
            start = place + _RELEASE.size
            place = start + _length_of(raw, start)
            entries.append(Entry(release, raw[start:place]))
    except struct.error as error:
        raise _damaged() from error
    if place != len(raw):
        raise _damaged()
    return entries


def value_of(entries: Sequence[Entry]) -> bytes:
    """Return the value that holds these entries, given the newest first."""
    return b"".join(_RELEASE.pack(entry.release) + entry.body for entry in entries)


def read_at(entries: Sequence[Entry], release: int) -> Entry | None:
    """Return what a reader at `release` takes: the newest entry that is not newer; null where there is none."""
    return next((entry for entry in entries if entry.release <= release), None)


def with_entry(value: bytes | None, new: Entry, live: int | None) -> bytes:
    """Return the value with a new list, and of those before it the one that readers at `live` take."""
    old = None if live is None else read_at(entries_of(value), live)
    if live is not None and live > new.release:
        # Of a release to go back to. Readers at `live` must not take it for theirs: what they take is named after that.
        return value_of([Entry(live, GONE if old is None else old.body), new])
    return value_of([new] if old is None or old.release == new.release else [new, old])


def reachable(value: bytes, releases: Sequence[int]) -> bytes | None:
    """Return the value with what readers at any of `releases` take; null where that is nothing, or only that a note is gone."""
    entries = entries_of(value)
    taken = {read_at(entries, release) for release in releases}
    kept = [entry for entry in entries if entry in taken]
    # The oldest entry that says "gone" hides nothing.
    while kept and kept[-1].body == GONE:
        kept.pop()
    return value_of(kept) if kept else None


def neighbours_in(body: bytes) -> Neighbours | None:
    """Return the neighbours of a body, best first; null where it says that the note is gone."""
    kind, count = BODY.unpack_from(body)
    if kind == 0:
        return None
    scores = struct.unpack_from(f"<{count}f", body, len(body) - 4 * count)
    if kind == NUMBERS:
        return list(zip(struct.unpack_from(f"<{count}q", body, BODY.size), scores, strict=True))
    lengths = struct.unpack_from(f"<{count}H", body, BODY.size)
    place = BODY.size + 2 * count
    found: Neighbours = []
    for length, score in zip(lengths, scores, strict=True):
        found.append((body[place : place + length].decode(), score))
        place += length
    return found


def _length_of(raw: bytes, start: int) -> int:
    """Return the bytes of the body at `start`. Raises struct.error where the value ends before."""
    kind: int
    count: int
    kind, count = BODY.unpack_from(raw, start)
    fixed = BODY.size + count * 4
    if kind == TEXTS:
        lengths = struct.unpack_from(f"<{count}H", raw, start + BODY.size)
        return fixed + count * 2 + int(sum(lengths))
    return fixed + (count * 8 if kind == NUMBERS else 0)


def _damaged() -> StoreError:
    return StoreError(
        "a value of the online store is not as it was written; run `uninote publish` with --all, which writes every list anew"
    )
