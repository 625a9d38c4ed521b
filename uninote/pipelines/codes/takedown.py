"""Codes of notes that are taken down: the row stays, so that nobody gets the code again, and forgets whose it was."""

from __future__ import annotations

import pyarrow as pa

from uninote.lake.delta_files import columns_of
from uninote.lake.row_changes import DELETED
from uninote.lake.rows_by_id import RowsById
from uninote.lake.schemas import TableSpec, code_moves_table, codes_table
from uninote.lake.takedowns.held import held, ids_of
from uninote.lake.takedowns.watch import taken_down
from uninote.pipelines.codes.writing import apply_here
from uninote.pipelines.lake.run import Run


def hide_taken_down(run: Run) -> int:
    """Take the ids of notes that are taken down out of the tables of codes; returns how many rows of `codes` had one."""
    moves = code_moves_table(run.note_id)
    old = _rows_of_taken(run, moves)
    apply_here(run, _marked(old, deleted=True), moves, run.generation.uri(moves.name))
    spec = codes_table(run.note_id)
    old = _rows_of_taken(run, spec)
    nobody = pa.nulls(len(old), old.schema.field("note_id").type) if len(old) else None
    if nobody is not None:
        hidden = old.set_column(0, old.schema.field("note_id"), nobody)
        place = old.schema.get_field_index("present")
        hidden = hidden.set_column(place, old.schema.field("present"), pa.array([False] * len(old)))
        rows = pa.concat_tables([_marked(old, deleted=True), _marked(hidden, deleted=False)])
        apply_here(run, rows, spec, run.generation.uri(spec.name))
    return len(old)


def _rows_of_taken(run: Run, spec: TableSpec) -> pa.Table:
    """Return the rows of a table whose note is taken down; none where there is no table."""
    uri = run.generation.uri(spec.name)
    names = held(uri, taken_down(run.lake.root).names)
    if not names:
        return pa.table({})
    rows = RowsById(uri, None, columns_of(uri))
    return rows.find(ids_of(names, rows.kind))


def _marked(rows: pa.Table, *, deleted: bool) -> pa.Table:
    return rows.append_column(DELETED, pa.array([deleted] * len(rows), pa.bool_())) if rows.num_columns else rows
