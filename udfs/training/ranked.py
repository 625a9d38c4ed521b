"""Noise for ranked lists, drawn inside executors."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from udfs.arrow import ArrowMap
from udfs.training.parts import PART
from uninote.lake.parquet_files import read_columns
from uninote.storage import lake_files
from uninote.training.dataset.schemas import RANKED
from uninote.training.from_notes.halves import Ends

_ENDS = pa.schema([("split", pa.string()), ("item", pa.int64()), ("group", pa.int64())])


def make_ranked(ends: str, count: int, seed: int) -> ArrowMap:
    """Map lists, (query, relevant, split, group, part), to RANKED and `part`, with `count` notes of other groups as noise.

    `ends` is the folder of (split, item, group), the last relevant items of all lists: each task holds 16 bytes of each.
    """
    schema = pa.schema([*RANKED, pa.field(PART, pa.int32())])

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        known = _read(ends)
        for batch in batches:
            rows = batch.to_pylist()
            for row in rows:
                own = known[row["split"]]
                row["noise"] = own.noise_of(row["query"], row["group"], row["relevant"], count, seed)
            yield pa.RecordBatch.from_pylist(rows, schema=schema)

    return run


def _read(uri: str) -> dict[str, Ends]:
    parts = [_ENDS.empty_table()]
    for name in lake_files.files_below(uri):
        if name.endswith(".parquet"):
            parts.append(read_columns(lake_files.join(uri, name), _ENDS.names).cast(_ENDS))
    found = {}
    table = pa.concat_tables(parts).sort_by("item")
    for split in table["split"].unique().to_pylist():
        own = table.filter(pa.compute.equal(table["split"], split))
        found[split] = Ends(own["item"].to_numpy().astype(np.int64), own["group"].to_numpy().astype(np.int64))
    return found
