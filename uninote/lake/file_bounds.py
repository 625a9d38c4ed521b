"""What a table's log says of a data file, by which readers skip it: its rows, and the bounds and nulls of its columns.

deltalake takes missing bounds of numbers and texts for null, and finds no row of such a file by a filter on the column.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from uninote.lake.parquet_files import DataFile, footer_of

_NOTE_ID = "note_id"


def stats_of(file: DataFile) -> dict[str, Any]:
    """Return what the log says of a file: the nulls and bounds of numbers and texts, as its footer has them.

    A column without a value has no bounds. Truth values have none either, only nulls: so does Spark.
    """
    footer = footer_of(file.path)
    schema = footer.schema.to_arrow_schema()
    least: dict[str, Any] = {}
    most: dict[str, Any] = {}
    nulls: dict[str, int] = {}
    for place in range(footer.num_columns):
        name = footer.schema.column(place).path
        if name not in schema.names or pa.types.is_binary(schema.field(name).type):
            continue  # a part of a list, or bytes, which no filter asks for
        low, high, nulls[name] = _bounds(footer, place)
        if low is not None and not isinstance(low, bool):
            least[name] = low
            most[name] = high
    # Those of note_id are exact, however long: files of lists are ordered and cut by them.
    if file.low is not None:
        least[_NOTE_ID] = file.low
        most[_NOTE_ID] = file.high
    return {"numRecords": file.rows, "minValues": least, "maxValues": most, "nullCount": nulls}


def _bounds(footer: pq.FileMetaData, place: int) -> tuple[Any, Any, int]:
    """Return (low, high, nulls) of a column over all row groups; no bounds where a row group with values has none."""
    lows = []
    highs = []
    nulls = 0
    for group in range(footer.num_row_groups):
        column = footer.row_group(group).column(place)
        found = column.statistics
        if found is None:
            return None, None, nulls
        nulls += found.null_count
        if found.has_min_max:
            lows.append(found.min)
            highs.append(found.max)
        elif found.null_count < column.num_values:
            return None, None, nulls
    return min(lows, default=None), max(highs, default=None), nulls
