"""Changed rows committed in the driver where the table allows it, else by Spark."""

from __future__ import annotations

import pyarrow as pa

from uninote.lake.rewriting import can_apply
from uninote.lake.row_changes import RowChanges
from uninote.lake.schemas import TableSpec
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.run import Run


def apply_here(run: Run, rows: pa.Table, spec: TableSpec, uri: str) -> None:
    """Upsert rows with a column DELETED in one commit. Rows are in the driver, so that Spark is asked only if it must be."""
    if not len(rows):
        return
    if can_apply(uri):
        RowChanges(uri, rows, spec.key).apply()
    else:
        tables.apply_changes(run.spark.createDataFrame(rows), spec, uri)
