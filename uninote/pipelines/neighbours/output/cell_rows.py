"""What a full join leaves for the updates after it: its cells, the rows of each cell, and the pivots of their leaves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql.types import StructType

from udfs.arrow import ArrowMap, read_rows, to_array
from udfs.neighbours.cell_rows import CellFiles, CellFolders
from udfs.neighbours.files import BACKGROUND, PIVOTS, ROWS
from udfs.neighbours.full_join import background_rows
from uninote.lake.delta_files import add_files, folder_values, present_files, replace_files
from uninote.lake.parquet_files import read_columns, write_file
from uninote.lake.schemas import NEIGHBOUR_CELLS, NEIGHBOUR_LEADERS
from uninote.neighbours.background import Background
from uninote.pipelines.lake import tables
from uninote.pipelines.neighbours.output.files import JoinResult, WrittenFile, of_kind
from uninote.pipelines.neighbours.planning.join import Join
from uninote.pipelines.neighbours.planning.plan import JoinPlan

_CELL = "cell"  # columns of neighbour_rows that its folders are named by
_UPDATE = "night"


@dataclass(frozen=True)
class Cells:
    """The cells of the last full join: `centroids` float32 (cells, width), heaviest first.

    Each row was in `overlap` of them. An update sends a changed row to its primary cell and to its `nearest` ones.
    """

    centroids: np.ndarray
    overlap: int
    nearest: int


@dataclass(frozen=True)
class CellRows:
    """The rows of all cells: the `files` of each; how many `updates` are in them, and the rows these `added`."""

    join: Join
    files: Mapping[int, CellFiles]
    updates: int
    added: int

    def scan(self, function: ArrowMap, schema: StructType) -> DataFrame:
        """Return what `function` makes of the numbers of cells, a task for each."""
        count = len(self.files)
        return self.join.run.spark.range(0, count, 1, count).mapInArrow(function, schema)


def cell_folders(join: Join) -> CellFolders:
    """Return where the rows of cells are written."""
    generation = join.run.generation
    return CellFolders(generation.uri(join.rows_spec.name), generation.uri(NEIGHBOUR_LEADERS.name))


def open_cell_rows(join: Join, cells: int, versions: Mapping[str, int]) -> CellRows:
    """Return the rows of so many cells, in the `versions` that a run left of its tables, by name.

    Raises MissingFilesError where a file is not there any more.
    """
    folders = cell_folders(join)
    pivots = {}
    for file in present_files(folders.pivots, versions[NEIGHBOUR_LEADERS.name]):
        pivots[int(folder_values(folders.pivots, file.path)[_CELL])] = file.path
    # A cell that is no row's primary one has no file, as yet.
    paths: dict[int, list[tuple[int, str]]] = {}
    for cell in range(cells):
        paths[cell] = []
    updates = 0
    added = 0
    for file in present_files(folders.rows, versions[join.rows_spec.name]):
        values = folder_values(folders.rows, file.path)
        # The full join is number 0.
        update = int(values[_UPDATE])
        paths[int(values[_CELL])].append((update, file.path))
        updates = max(updates, update)
        added += file.rows if update else 0
    files = {}
    for cell, numbered in paths.items():
        files[cell] = CellFiles(tuple(path for _, path in sorted(numbered)), pivots.get(cell))
    return CellRows(join, files, updates, added)


def save_cells(join: Join, plan: JoinPlan) -> None:
    """Store the cells of a full join."""
    uri = join.run.generation.uri(NEIGHBOUR_CELLS.name)
    count = len(plan.centroids)
    columns = {
        "item_key": pa.array(np.arange(count)),
        "overlap": pa.array(np.full(count, plan.overlap)),
        "visits": pa.array(np.full(count, plan.nearest)),
        "vector": to_array(plan.centroids),
    }
    table = pa.table(columns).select([*NEIGHBOUR_CELLS.columns])
    replace_files(uri, NEIGHBOUR_CELLS.schema.json(), [write_file(table, uri)])


def load_cells(join: Join, version: int) -> Cells:
    """Return the cells of the last full join. Raises MissingFilesError, DamagedFileError."""
    files = present_files(join.run.generation.uri(NEIGHBOUR_CELLS.name), version)
    parts = [read_columns(file.path, NEIGHBOUR_CELLS.columns) for file in files]
    table = pa.concat_tables(parts).sort_by("item_key")
    _, centroids = read_rows(table.to_batches())
    return Cells(centroids, table["overlap"][0].as_py(), table["visits"][0].as_py())


def background_uri(join: Join) -> str:
    """Return where the notes lie that backgrounds are made of."""
    return join.run.generation.uri(join.background_spec.name)


def save_background(join: Join) -> WrittenFile:
    """Write the notes that backgrounds are made of, for a join in which no task has them all."""
    drawn = join.background_sample
    rows = background_rows(drawn.keys, drawn.note_ids, join.vectors_of(drawn.keys))
    return WrittenFile("", BACKGROUND, write_file(rows, background_uri(join)))


def load_background(join: Join, version: int) -> Background:
    """Return the background that the last full join drew. Raises MissingFilesError, DamagedFileError."""
    keys, vectors = np.empty(0, np.int64), np.empty((0, join.width), np.float32)
    for file in present_files(background_uri(join), version):
        rows = read_columns(file.path, ["item_key", "vector"]).sort_by("item_key")
        keys, vectors = read_rows(rows.to_batches())
    return Background.of(keys, vectors)


def publish_cells(join: Join, result: JoinResult, made_from: str) -> dict[str, int]:
    """Commit the rows of cells, their pivots and the background: all there are, or what an update adds.

    Returns the versions of all tables that the next update needs beside the lists. `made_from` is the fingerprint of what
    the files were made of.
    """
    folders = cell_folders(join)
    rows = join.rows_spec
    cells = join.run.generation.uri(NEIGHBOUR_CELLS.name)
    background = join.background_spec
    row_files = of_kind(result.files, "", ROWS)
    if result.added_to is not None:
        before = result.added_to
        # A run that died may have replaced pivots and cells; this update used those of before, which are put back.
        return {
            rows.name: add_files(folders.rows, before[rows.name], row_files, made_from=made_from),
            NEIGHBOUR_LEADERS.name: add_files(folders.pivots, before[NEIGHBOUR_LEADERS.name], []),
            NEIGHBOUR_CELLS.name: add_files(cells, before[NEIGHBOUR_CELLS.name], []),
            background.name: add_files(background_uri(join), before[background.name], []),
        }
    pivots = of_kind(result.files, "", PIVOTS)
    pivot_schema = NEIGHBOUR_LEADERS.schema.json()
    return {
        rows.name: replace_files(folders.rows, rows.schema.json(), row_files, [_CELL, _UPDATE], made_from=made_from),
        NEIGHBOUR_LEADERS.name: replace_files(folders.pivots, pivot_schema, pivots, [_CELL]),
        NEIGHBOUR_CELLS.name: tables.table_version(cells),
        background.name: replace_files(
            background_uri(join), background.schema.json(), of_kind(result.files, "", BACKGROUND)
        ),
    }
