"""What a lake says of its own size: notes, widths, kind of ids, bytes of rows, and its ledger."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa
from deltalake import DeltaTable

from uninote.errors import UninoteError
from uninote.lake.delta_files import files_of, has_log, rows_of
from uninote.lake.paths import Lake
from uninote.lake.record import read_record
from uninote.lake.small_tables import read_all
from uninote.planning.measured import Entry
from uninote.planning.rates import Rate

_WIDTH = "embeddings/w"
_BIGINT_BYTES = 8


@dataclass(frozen=True)
class LakeFacts:
    """What is read of the lake at `root`; tables that are not there count as empty."""

    root: str

    @cached_property
    def entries(self) -> list[Entry]:
        """The ledger, oldest first. Raises UninoteError where there is no lake."""
        if read_record(self.root) is None:
            raise UninoteError(
                f"{self.root} is no lake: it has no lake.json; name another place, or plan without --lake"
            )
        return sorted(read_all(self._uri("runs")), key=lambda entry: entry["sequence"])

    @property
    def notes(self) -> int:
        """How many notes there are."""
        return rows_of(self._uri("notes"))

    @property
    def widths(self) -> tuple[int, ...]:
        """The widths that the newest run of embed left, widest first."""
        for entry in reversed(self.entries):
            if entry["stage"] == "embed" and entry["state"] == "done":
                names = [name for name in entry["outputs"] if name.startswith(_WIDTH)]
                return tuple(sorted((int(name.removeprefix(_WIDTH)) for name in names), reverse=True))
        return ()

    @property
    def id_bytes(self) -> int | None:
        """The bytes of a note_id where it is a number; null where it is a text, whose length no log says."""
        uri = self._uri("notes")
        if not has_log(uri):
            return None
        kind = pa.schema(DeltaTable(uri, without_files=True).schema().to_arrow()).field("note_id").type
        return _BIGINT_BYTES if pa.types.is_integer(kind) else None

    def stored_rates(self, least: int) -> Iterator[Rate]:
        """Yield the bytes of a row in tables of at least so many rows, as their logs have them."""
        yield from self._stored("storage.note", "notes", least)
        for entry in reversed(self.entries):
            if entry["generation"] is not None:
                yield from self._stored("storage.item", f"{entry['generation']}/items", least)
                return

    def _stored(self, rate: str, table: str, least: int) -> Iterator[Rate]:
        rows = rows_of(self._uri(table))
        if rows >= max(1, least):
            size = sum(file.size for file in files_of(self._uri(table)))
            yield Rate(rate, size / rows, "bytes of a row", "measured", f"files of {table}, {rows:,} rows")

    def _uri(self, name: str) -> str:
        return Lake(self.root).uri(name)
