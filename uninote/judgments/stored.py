"""The table `judgments`: read as a whole, added to, and freed of notes that are taken down. Without Spark."""

from __future__ import annotations

import pyarrow as pa
from deltalake import DeltaTable, Schema

from uninote.errors import UninoteError
from uninote.lake.delta_files import append_rows, columns_of, create_table, has_log, replace_rows
from uninote.lake.paths import Lake
from uninote.lake.schemas import judgments_table, type_named
from uninote.lake.small_tables import read_batches
from uninote.lake.takedowns.orders import digest_of
from uninote.lake.takedowns.watch import Taken, taken_down

NAME = "judgments"
SIDES = ("a", "b")


class JudgmentError(UninoteError):
    """Judgments that cannot be used: the message says which, and what to do."""


def schema_of(lake: str) -> pa.Schema:
    """Return the columns of the lake's judgments; ids are of the type of its notes.

    Raises JudgmentError before the first ingest.
    """
    return pa.schema(Schema.from_json(_json_of(lake)).to_arrow())


def _json_of(lake: str) -> str:
    uri = Lake(lake).uri("notes")
    if not has_log(uri):
        raise JudgmentError(
            f"{lake} has no notes, so there is nothing to judge; run jobs/refresh.py, or name another place"
        )
    fields = {field.name: field.type for field in DeltaTable(uri, without_files=True).schema().fields}
    return judgments_table(type_named(str(getattr(fields["note_id"], "type", "")))).schema.json()


def read_judgments(lake: str) -> pa.Table:
    """Return all judgments of the lake; none where there are none. A note that is taken down is null."""
    schema = schema_of(lake)
    uri = Lake(lake).uri(NAME)
    batches = list(read_batches(uri, schema.names)) if has_log(uri) else []
    found = pa.Table.from_batches(batches).cast(schema) if batches else schema.empty_table()
    return hidden(found, taken_down(lake))


def add_judgments(lake: str, rows: pa.Table) -> int:
    """Add those of some rows that are not there yet, in one commit, and return how many those were.

    Whoever calls holds the lake's lease. Of a note that is taken down the list's keyed hash is stored.
    """
    schema = schema_of(lake)
    uri = Lake(lake).uri(NAME)
    wanted = hidden(rows.select(schema.names).cast(schema), taken_down(lake))
    known = set(map(_values, read_judgments(lake).to_pylist()))
    new = []
    for row in wanted.to_pylist():
        if _values(row) not in known:
            known.add(_values(row))
            new.append(row)
    if new:
        if not has_log(uri):
            create_table(uri, _json_of(lake), {})
        append_rows(uri, pa.Table.from_pylist(new, schema))
    return len(new)


def _values(row: dict[str, object]) -> tuple[object, ...]:
    return tuple(row.values())


def hide_taken_down(lake: str) -> int:
    """Put the list's keyed hash in the place of notes that are taken down, in one commit; returns how many rows changed."""
    uri = Lake(lake).uri(NAME)
    taken = taken_down(lake)
    if not taken or not has_log(uri):
        return 0
    stored = pa.Table.from_batches(list(read_batches(uri, columns_of(uri))), schema_of(lake))
    made = hidden(stored, taken)
    changed = [old != new for old, new in zip(stored.to_pylist(), made.to_pylist(), strict=True)].count(True)
    if changed:
        replace_rows(uri, made)
    return changed


def hidden(rows: pa.Table, taken: Taken) -> pa.Table:
    """Return judgments in which the keyed hash stands for notes that are taken down."""
    if not taken:
        return rows
    for side in SIDES:
        ids, hashes = rows[side].to_pylist(), rows[f"{side}_hash"].to_pylist()
        for place, note in enumerate(ids):
            if note is not None and taken.hides(note):
                ids[place], hashes[place] = None, digest_of(taken.key, note)
        for name, values in ((side, ids), (f"{side}_hash", hashes)):
            field = rows.schema.field(name)
            rows = rows.set_column(rows.schema.get_field_index(name), field, pa.array(values, field.type))
    return rows
