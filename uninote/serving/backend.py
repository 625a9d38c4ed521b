"""What an online store is made of: a place for keys and values that changes several of them at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol


class Seen(NamedTuple):
    """What a backend held at one moment: the record, the mark of the hidden set, and a value for each key; null where none."""

    state: bytes | None
    mark: bytes | None
    values: list[bytes | None]


class Backend(Protocol):
    """A place for lists. Every method raises StoreError where the place does not answer or refuses."""

    def read(self, keys: Sequence[bytes]) -> Seen:
        """Return what is held now, all of one moment."""

    def write(self, expected: bytes | None, values: Mapping[bytes, bytes | None], state: bytes | None = None) -> None:
        """Set values, null deletes, and the record unless null: all at once, or nothing.

        Raises StoreError, and changes nothing, where the record is not `expected`: then somebody else changed it.
        """

    def scan(self) -> Iterator[list[tuple[bytes, bytes]]]:
        """Yield all keys and values in batches, in no order; a key that is written meanwhile may be missed or come twice."""

    def hidden(self) -> tuple[bytes | None, list[str]]:
        """Return the mark and the ids of the hidden set, of one moment."""

    def hide(self, ids: Sequence[str], *, hide: bool) -> None:
        """Put ids into the hidden set, or take them out, and give it a mark that it never had."""

    def check(self) -> None:
        """Raise StoreError where the place may lose lists by its own settings."""

    def close(self) -> None:
        """Let go of connections and files."""
