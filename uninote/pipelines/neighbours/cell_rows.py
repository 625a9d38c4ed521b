"""What a full join leaves for the nights after it: its cells, and the rows at home in each, where they lie and some by key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql.types import StructType

from udfs.arrow import read_rows, to_array
from udfs.neighbours.cell_rows import CellFiles, KeptFolders
from udfs.neighbours.files import LEADERS, ROWS
from udfs.notes.fingerprints import ArrowMap
from uninote.lake.delta_files import add_files, folder_values, present_files, replace_files
from uninote.lake.parquet_files import read_columns, write_file
from uninote.lake.schemas import NEIGHBOUR_CELLS, NEIGHBOUR_LEADERS
from uninote.pipelines.lake import tables
from uninote.pipelines.neighbours.files import Written, of_kind
from uninote.pipelines.neighbours.join import Join
from uninote.pipelines.neighbours.plan import JoinPlan

_CELL, _NIGHT = "cell", "night"


@dataclass(frozen=True)
class KeptRows:
    """The `files` of each cell, in pinned versions; how many `nights` they hold, and the rows those `added`."""

    join: Join
    files: Mapping[int, CellFiles]
    nights: int
    added: int

    def scan(self, function: ArrowMap, schema: StructType) -> DataFrame:
        """Return what `function` makes of the numbers of cells, a task for each."""
        cells = len(self.files)
        return self.join.run.spark.range(0, cells, 1, cells).mapInArrow(function, schema)


def folders(join: Join) -> KeptFolders:
    """Return where rows are written."""
    generation = join.run.generation
    return KeptFolders(generation.uri(join.rows_spec.name), generation.uri(NEIGHBOUR_LEADERS.name))


def open_kept(join: Join, cells: int, outputs: Mapping[str, int]) -> KeptRows:
    """Return the rows of so many cells, as the run left them whose tables' versions are `outputs`.

    Raises MissingFilesError where some of their files are gone.
    """
    uris = folders(join)
    rows, leaders = (
        [(folder_values(uri, file.path), file) for file in present_files(uri, outputs[name])]
        for uri, name in ((uris.rows, join.rows_spec.name), (uris.leaders, NEIGHBOUR_LEADERS.name))
    )
    led = {int(values[_CELL]): file.path for values, file in leaders}
    held: dict[int, list[tuple[int, str]]] = {cell: [] for cell in range(cells)}  # one may be nobody's home as yet
    for values, file in rows:
        held[int(values[_CELL])].append((int(values[_NIGHT]), file.path))
    files = {cell: CellFiles(tuple(path for _, path in sorted(mine)), led.get(cell)) for cell, mine in held.items()}
    nights = max((int(values[_NIGHT]) for values, _ in rows), default=0)
    return KeptRows(join, files, nights, sum(file.rows for values, file in rows if values[_NIGHT] != "0"))


def save_cells(join: Join, plan: JoinPlan) -> None:
    """Store the cells of a full join."""
    uri, numbers = join.run.generation.uri(NEIGHBOUR_CELLS.name), np.arange(len(plan.centroids))
    counts = [pa.array(np.full(len(numbers), count)) for count in (plan.overlap, plan.visits)]
    table = pa.table([pa.array(numbers), *counts, to_array(plan.centroids)], names=[*NEIGHBOUR_CELLS.columns])
    replace_files(uri, NEIGHBOUR_CELLS.schema.json(), [write_file(table, uri)])


def load_cells(join: Join, version: int) -> tuple[np.ndarray, int, int]:
    """Return (centroids float32 (cells, width), overlap, visits). Raises MissingFilesError, DamagedFileError."""
    files = present_files(join.run.generation.uri(NEIGHBOUR_CELLS.name), version)
    tables = [read_columns(file.path, NEIGHBOUR_CELLS.columns) for file in files]
    table = pa.concat_tables(tables).sort_by("item_key")
    overlap, visits = (int(table[name][0].as_py()) for name in ("overlap", "visits"))
    return read_rows(table.to_batches())[1], overlap, visits


def publish_kept(
    join: Join, written: Sequence[Written], before: Mapping[str, int] | None, made_from: str
) -> dict[str, int]:
    """Commit the files of rows and leaders: all there are, or what a night adds to the versions `before`.

    Returns the versions of all that the next night needs beside lists. `made_from` is the fingerprint of what they are.
    """
    uris, rows, leaders = folders(join), join.rows_spec, NEIGHBOUR_LEADERS
    cells = join.run.generation.uri(NEIGHBOUR_CELLS.name)
    if before is not None:
        added = add_files(uris.rows, before[rows.name], of_kind(written, "", ROWS), made_from=made_from)
        # A run that died may have made these anew; its night goes on from those of before.
        others = {leaders.name: uris.leaders, NEIGHBOUR_CELLS.name: cells}
        return {rows.name: added} | {name: add_files(uri, before[name], []) for name, uri in others.items()}
    rows_files, leaders_files = of_kind(written, "", ROWS), of_kind(written, "", LEADERS)
    parts = [_CELL, _NIGHT]
    return {
        rows.name: replace_files(uris.rows, rows.schema.json(), rows_files, parts, made_from=made_from),
        leaders.name: replace_files(uris.leaders, leaders.schema.json(), leaders_files, [_CELL]),
        NEIGHBOUR_CELLS.name: tables.table_version(cells),
    }
