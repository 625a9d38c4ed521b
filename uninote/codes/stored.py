"""Codes and codebooks as a lake stores them, read without Spark."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from uninote.codes.codebook import Codebook, CodebookError
from uninote.codes.files import from_bytes
from uninote.lake.delta_files import has_log
from uninote.lake.small_tables import read_batches


def read_codebook(uri: str, table_version: int | None = None, codebook: int | None = None) -> Codebook | None:
    """Return a codebook out of the table `codebooks` at `uri`, the newest unless one is named; null where there is none.

    Raises CodebookError where the one that is named is not there, or where it is damaged.
    """
    found: dict[int, bytes] = {}
    if has_log(uri):
        for batch in read_batches(uri, ("version", "content"), table_version):
            found |= zip(batch["version"].to_pylist(), batch["content"].to_pylist(), strict=True)
    wanted = max(found, default=None) if codebook is None else codebook
    if wanted is None:
        return None
    if wanted not in found:
        raise CodebookError(f"{uri} has the codebooks {sorted(found)}, and not {wanted}; name one of them")
    return from_bytes(found[wanted], f"codebook {wanted} in {uri}")


def read_codes(uri: str, codebook: int, table_version: int | None = None) -> pa.Table:
    """Return (note_id, codes, id) of notes that are there, by one codebook, out of the table `codes`, in order of note_id."""
    columns = ("note_id", "codes", "id", "codebook", "present")
    rows = pa.Table.from_batches(read_batches(uri, columns, table_version))
    mine = pc.and_(rows["present"], pc.equal(rows["codebook"], codebook))
    return rows.filter(mine).select(columns[:3]).sort_by("note_id")
