"""The keys that a segment voids in earlier ones, as its rows are newer or were deleted: a Parquet file beside its shards."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from uninote.index.files.folder import IndexFolder
from uninote.index.files.records import Segment
from uninote.index.note_keys import KEY


def write_voided(keys: np.ndarray, path: Path) -> None:
    """Write the keys that a segment voids in earlier ones."""
    pq.write_table(pa.table({KEY: np.unique(keys).astype(np.int64)}), path)


def read_voided(folder: IndexFolder, segment: Segment) -> np.ndarray:
    """Return the sorted keys that a segment voids in earlier ones, int64."""
    if segment.voided is None:
        return np.empty(0, np.int64)
    return np.asarray(pq.read_table(folder.checked(segment.voided), memory_map=False)[KEY].to_numpy())
