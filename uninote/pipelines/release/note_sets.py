"""Whether two tables are about the same notes, by one number each: a sum of hashes of their ids, whatever their order."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from uninote.lake.delta_files import files_of
from uninote.lake.parquet_files import open_parquet

MOST_NOTES = 5_000_000  # whose ids one process hashes in some seconds; of more, only their number is compared
_WORD = 1 << 64


def same_notes(items: tuple[str, int], lists: tuple[str, int], notes: int) -> bool:
    """Say whether a version of the items and one of a table of lists name the same notes; True of more than MOST_NOTES."""
    return notes > MOST_NOTES or _sum_of(*items, kind="note") == _sum_of(*lists)


def _sum_of(uri: str, version: int, kind: str | None = None) -> int:
    total = 0
    columns = ["note_id"] if kind is None else ["note_id", "kind"]
    for file in files_of(uri, version):
        with open_parquet(file.path) as stored:
            for batch in stored.iter_batches(columns=columns):
                if kind is not None:
                    batch = batch.filter(pc.equal(batch["kind"], kind))
                total += _hashes(batch["note_id"])
    return total % _WORD


def _hashes(ids: pa.Array) -> int:
    values = ids.to_numpy(zero_copy_only=False)
    if not len(values):
        return 0
    # Of strings a keyed hash (SipHash) whose key is fixed in pandas.
    hashed = pd.util.hash_array(values, categorize=False)
    return int(np.sum(hashed, dtype=np.uint64))
