"""The list of notes to be taken down: the newest file of a chain, `<lake>/takedowns/list-<number>.json`, says all of it.

Whoever adds to it needs no lease and waits for nobody. Once a note is erased the list knows it by a keyed hash alone, whose key
lies beside the list and was made once.
"""

from __future__ import annotations

import hmac
import json
import secrets
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime

from uninote.errors import UninoteError
from uninote.lake.lease.chain import Chain, Link
from uninote.storage import lake_files
from uninote.storage.lake_files import join

FOLDER = "takedowns"
PREFIX = "list-"
KEY = "key"
_KEPT = 8  # files of the chain, for readers that listed it and have not read yet
_ATTEMPTS = 20

Orders = tuple["Order", ...]


class TakedownError(UninoteError):
    """The list of takedowns cannot be used, or holds no such note."""


@dataclass(frozen=True)
class Order:
    """A note to be taken down.

    `digest` is HMAC-SHA256 of its id as text, in hexadecimal. `note_id`, as text, and `why` are there until the note is erased,
    and null from then on. `ordered_at`, and `erased_at` once it is, are UTC, ISO 8601.
    """

    digest: str
    ordered_at: str
    note_id: str | None
    why: str | None
    erased_at: str | None = None


def read_orders(lake: str) -> Orders:
    """Return the orders in the sequence in which they were given. Raises TakedownError where the list is damaged."""
    last = _chain(lake).last()
    return () if last is None else orders_of(last.content)


def orders_of(content: bytes) -> Orders:
    """Return the orders that a file of the chain holds. Raises TakedownError where it is damaged."""
    try:
        return tuple(Order(**one) for one in json.loads(content)["orders"])
    except (ValueError, TypeError, KeyError) as error:
        raise TakedownError(
            f"the newest list of takedowns is damaged ({type(error).__name__}: {error}); restore the folder {FOLDER} of the "
            "lake from a backup: until then nobody knows which notes to leave out"
        ) from error


def add(lake: str, note_ids: Iterable[str], why: str) -> Orders:
    """Order notes to be taken down, and return the orders for them; one that is ordered already stays as it is.

    A note that the lake does not know is left out as soon as it comes.
    """
    key = key_of(lake, make=True)
    wanted = {digest_of(key, note_id): note_id for note_id in note_ids}

    def change(before: Orders) -> Orders:
        # A note that was erased, and is named again, is in the list already: by its hash.
        known = {order.digest for order in before}
        return (
            *before,
            *(Order(digest, _now(), name, why) for digest, name in wanted.items() if digest not in known),
        )

    return tuple(order for order in _change(lake, change) if order.digest in wanted)


def remove(lake: str, note_ids: Iterable[str]) -> None:
    """Take orders back: from the next ingest on the notes come in again. Raises TakedownError where one is not in the list."""
    ids = list(note_ids)
    key = key_of(lake)
    gone = {digest_of(key, note_id): note_id for note_id in ids}

    def change(before: Orders) -> Orders:
        missing = gone.keys() - {order.digest for order in before}
        if missing:
            names = ", ".join(gone[digest] for digest in sorted(missing))
            raise TakedownError(f"{names}: not in the list of takedowns; uninote takedown list prints it")
        return tuple(order for order in before if order.digest not in gone)

    _change(lake, change)
    # What was taken back by mistake is found in no older file: those would name it after its erasure.
    _chain(lake).trim(1)


def mark_erased(lake: str, digests: Iterable[str]) -> None:
    """Say that notes are erased: of them the list keeps the hash alone, and no older list is left."""
    done = frozenset(digests)

    def change(before: Orders) -> Orders:
        found = []
        for order in before:
            is_new = order.digest in done and order.erased_at is None
            found.append(replace(order, note_id=None, why=None, erased_at=_now()) if is_new else order)
        return tuple(found)

    _change(lake, change)
    _chain(lake).trim(1)


def digest_of(key: bytes, note_id: object) -> str:
    """Return the keyed hash by which an erased note is known."""
    return hmac.digest(key, str(note_id).encode("utf-8", "surrogatepass"), "sha256").hex()


def key_of(lake: str, *, make: bool = False) -> bytes:
    """Return the key of the lake's hashes; `make` makes one where there is none. Raises TakedownError where it is lost."""
    place = join(lake, FOLDER, KEY)
    if make and _chain(lake).last() is None:
        # Of two who are the first, one makes it, and both use that one.
        with suppress(FileExistsError):
            lake_files.create(place, secrets.token_hex(32).encode())
    return key_in(lake_files.read_or_none(place), place)


def key_in(content: bytes | None, place: str) -> bytes:
    """Return the key that the file at `place` holds, `content`. Raises TakedownError where it holds none."""
    try:
        key = bytes.fromhex((content or b"").decode())
    except ValueError:
        key = b""
    if len(key) != 32:
        state = "gone" if content is None else "damaged"
        raise TakedownError(
            f"{place} is {state}, without which notes that were erased are not known again; restore it from a backup"
        )
    return key


def _change(lake: str, change: Callable[[Orders], Orders]) -> Orders:
    """Add the list that `change` makes of the newest one, and return it; called again where somebody was faster."""
    chain = _chain(lake)
    for _ in range(_ATTEMPTS):
        last = chain.last()
        before = () if last is None else orders_of(last.content)
        after = change(before)
        if after == before:
            return before
        try:
            chain.add(_number(last), _text(after))
        except FileExistsError:
            continue
        chain.trim(_KEPT)
        return after
    raise TakedownError(f"the takedowns of {lake} change faster than they can be read; try again")


def _number(last: Link | None) -> int:
    return 0 if last is None else last.number


def _text(orders: Orders) -> bytes:
    return (json.dumps({"orders": [asdict(one) for one in orders]}, indent=1) + "\n").encode()


def _chain(lake: str) -> Chain:
    return Chain(join(lake, FOLDER), PREFIX)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
