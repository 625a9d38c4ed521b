"""Whether a table holds notes, by their ids."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import pyarrow as pa

from uninote.lake.delta_files import has_log
from uninote.lake.rows_by_id import RowsById


def held(uri: str, names: Collection[str], version: int | None = None) -> set[str]:
    """Return those of `names`, ids as texts, that a column note_id of a version of the table at `uri` has.

    Only files whose bounds may hold one are read. `version` null: the newest; none where there is no table.
    """
    if not names or not has_log(uri):
        return set()
    rows = RowsById(uri, version, ("note_id",))
    found = rows.find(ids_of(names, rows.kind))
    return {str(one) for one in found["note_id"].to_pylist()}


def ids_of(names: Collection[str], kind: pa.DataType) -> Sequence[str | int]:
    """Return ids as a column of that type has them: of numbers, those of `names` that are written as such."""
    return [int(name) for name in names if _is_number(name)] if pa.types.is_integer(kind) else [*names]


def _is_number(text: str) -> bool:
    return text.removeprefix("-").isdecimal() and str(int(text)) == text and abs(int(text)) < 1 << 63
