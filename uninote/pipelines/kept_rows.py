"""What a full join leaves for the nights after it: its cells, and the rows at home in each, where they lie and some by key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import DataFrame
from pyspark.sql.types import StructType

from udfs.arrow_vectors import read_rows, to_array
from udfs.kept_rows import CellFiles, KeptFolders, make_kept_pick
from udfs.neighbour_files import LEADERS, ROWS
from udfs.notes import ArrowMap
from uninote.delta_files import add_files, files_of, folder_values, replace_files
from uninote.parquet_files import write_file
from uninote.pipelines import tables
from uninote.pipelines.neighbours_files import Written, of_kind
from uninote.pipelines.neighbours_join import Join
from uninote.pipelines.neighbours_plan import JoinPlan
from uninote.schemas import NEIGHBOUR_CELLS, NEIGHBOUR_LEADERS

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

    def pick(self, keys: np.ndarray) -> pa.Table:
        """Return item_key, note_id and vector of those of `keys` that are there."""
        shared = self.join.run.spark.sparkContext.broadcast((self.files, keys))
        make = make_kept_pick(lambda: shared.value[0], lambda: shared.value[1], self.join.width)
        found = self.scan(make, self.join.vector_schema).toArrow()
        shared.destroy()
        return found


def folders(join: Join) -> KeptFolders:
    """Return where rows are written."""
    generation = join.run.generation
    return KeptFolders(generation.uri(join.rows_spec.name), generation.uri(NEIGHBOUR_LEADERS.name))


def open_kept(join: Join, cells: int, outputs: Mapping[str, int]) -> KeptRows:
    """Return the rows of so many cells, as the run left them whose tables' versions are `outputs`."""
    uris = folders(join)
    rows, leaders = (
        [(folder_values(uri, file.path), file) for file in files_of(uri, outputs[name])]
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
    """Return (centroids float32 (cells, width), overlap, visits)."""
    files = files_of(join.run.generation.uri(NEIGHBOUR_CELLS.name), version)
    table = pa.concat_tables([pq.read_table(file.path) for file in files]).sort_by("item_key")
    overlap, visits = (int(table[name][0].as_py()) for name in ("overlap", "visits"))
    return read_rows(table.to_batches())[1], overlap, visits


def publish_kept(join: Join, written: Sequence[Written], before: Mapping[str, int] | None) -> dict[str, int]:
    """Commit the files of rows and leaders: all there are, or what a night adds to the versions `before`.

    Returns the versions of all that the next night needs beside lists.
    """
    uris, rows, leaders = folders(join), join.rows_spec, NEIGHBOUR_LEADERS
    if before is not None:
        added = add_files(uris.rows, before[rows.name], of_kind(written, "", ROWS))
        return {rows.name: added} | {name: before[name] for name in (leaders.name, NEIGHBOUR_CELLS.name)}
    parts = ((ROWS, uris.rows, rows, (_CELL, _NIGHT)), (LEADERS, uris.leaders, leaders, (_CELL,)))
    versions = {
        spec.name: replace_files(uri, spec.schema.json(), of_kind(written, "", kind), partition_by)
        for kind, uri, spec, partition_by in parts
    }
    cells = join.run.generation.uri(NEIGHBOUR_CELLS.name)
    return versions | {NEIGHBOUR_CELLS.name: tables.table_version(cells)}
