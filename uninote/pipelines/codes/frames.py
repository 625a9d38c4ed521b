"""Rows of the table `codes` for Spark and for the driver: prefixes as numbers, and back to what the table holds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from deltalake import DeltaTable
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from uninote.codes.codebook import Codebook
from uninote.codes.numbering import CodedNote
from uninote.codes.packing import unpack
from uninote.codes.printing import LETTERS, print_codes
from uninote.lake.row_changes import DELETED
from uninote.pipelines.lake.run import Run


def packed_rows(table: DataFrame, codebook: Codebook) -> DataFrame:
    """Return (note_id, prefix, last, present) of the rows of `codes` that are of this codebook."""
    prefix = F.lit(0).cast("long")
    for level in range(codebook.levels):
        prefix = prefix * codebook.size + F.col("codes")[level]
    mine = table.where(F.col("codebook") == codebook.version)
    last = F.col("codes")[codebook.levels].alias("last")
    return mine.select("note_id", prefix.alias("prefix"), last, "present")


def unpacked_rows(run: Run, rows: DataFrame, codebook: Codebook) -> DataFrame:
    """Return rows (note_id, prefix, last, present) as the table `codes` has them."""
    codes = []
    for level in range(codebook.levels):
        place = codebook.size ** (codebook.levels - 1 - level)
        # `div` is of integers; `/` would make doubles of numbers that need all 64 bits.
        codes.append(F.expr(f"cast((prefix div {place}) % {codebook.size} as int)"))
    codes.append(F.col("last").cast("int"))
    tokens: list[Column] = []
    for level, code in enumerate(codes):
        tokens += [F.lit(f"<{LETTERS[level]}_"), code.cast("string"), F.lit(">")]
    return rows.select(
        "note_id",
        F.array(*codes).alias("codes"),
        F.concat(*tokens).alias("id"),
        F.lit(codebook.version).cast("int").alias("codebook"),
        "present",
        F.lit(run.run_id).alias("run_id"),
    )


def changed_table(run: Run, uri: str, changes: Sequence[CodedNote], codebook: Codebook) -> pa.Table:
    """Return changes as rows for the table `codes` at `uri`, to be upserted."""
    prefixes = np.array([row.prefix for row in changes], np.int64)
    lasts = np.array([[row.last] for row in changes], np.int32).reshape(-1, 1)
    codes = np.hstack([unpack(prefixes, codebook.levels, codebook.size), lasts]).tolist()
    columns = {
        "note_id": [row.note_id for row in changes],
        "codes": codes,
        "id": list(map(print_codes, codes)),
        "codebook": [codebook.version] * len(changes),
        "present": [row.present for row in changes],
        "run_id": [run.run_id] * len(changes),
    }
    schema = pa.schema(DeltaTable(uri, without_files=True).schema().to_arrow())
    rows = pa.table([pa.array(columns[field.name], field.type) for field in schema], schema=schema)
    return rows.append_column(DELETED, pa.array([False] * len(changes)))
