"""What to look for of some notes: found in the lake itself, as long as it holds them."""

from __future__ import annotations

import io
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from uninote.lake.delta_files import files_of, has_log
from uninote.storage import lake_files
from uninote.storage.lake_files import folders_in, join
from uninote.takedown.marks import Marks, pieces_of

_TEXTS = ("title", "body", "caption", "topics", "images")


@dataclass(frozen=True)
class Wanted:
    """Ids of notes as texts, keys of their items by generation, and pieces of their texts, each with its note's id.

    An item_key means another item in each generation.
    """

    note_ids: frozenset[str]
    keys: Mapping[str, Mapping[int, str]] = field(default_factory=dict)
    pieces: Mapping[str, str] = field(default_factory=dict)

    def marks_for(self, name: str) -> Marks:
        """Return what to look for in a file of that name, relative to the lake or to the folder that its indexes have."""
        generation, _, rest = name.partition("/")
        # There, the column item_key has numbers of cells.
        is_of_items = not rest.startswith("neighbour_cells/")
        return Marks(self.note_ids, self.keys.get(generation, {}) if is_of_items else {}, self.pieces)


def wanted_of(lake: str, note_ids: Collection[str], texts: Iterable[str] = ()) -> Wanted:
    """Return what to look for of some notes: keys that any file of items names still, and pieces of `texts`, of any of them."""
    ids = frozenset(note_ids)
    keys: dict[str, dict[int, str]] = {}
    for generation in folders_in(lake):
        found = _rows(join(lake, generation, "items"), ids, ["note_id", "item_key"])
        keys[generation] = {row["item_key"]: str(row["note_id"]) for row in found}
    first = min(ids, default="")
    return Wanted(ids, keys, {piece: first for text in texts for piece in pieces_of(text)})


def stored_pieces(lake: str, note_ids: Collection[str]) -> dict[str, str]:
    """Return pieces of the texts, and hashes of the images, that any file of notes names still of some notes: piece -> note_id.

    What another note has as well is none: it stays with that note.
    """
    uri = join(lake, "notes")
    pieces: dict[str, str] = {}
    for row in _rows(uri, frozenset(note_ids), ["note_id", *_TEXTS]):
        for text in _texts_of(row):
            pieces |= dict.fromkeys(pieces_of(text), str(row["note_id"]))
    if not pieces or not has_log(uri):
        return pieces
    for file in files_of(uri):
        rows = pq.read_table(io.BytesIO(lake_files.read(file.path)), columns=["note_id", *_TEXTS])
        others = rows.filter(pc.invert(_is_of(rows["note_id"], frozenset(note_ids))))
        for texts in _columns(others.drop_columns(["note_id"])):
            for piece in [one for one in pieces if pc.any(pc.match_substring(texts, one)).as_py()]:
                del pieces[piece]
    return pieces


def _rows(uri: str, note_ids: frozenset[str], columns: list[str]) -> Iterator[dict[str, Any]]:
    """Yield the rows of some notes in all Parquet files of a table, whether its log knows them or not."""
    for name in lake_files.files_below(uri):
        if name.endswith(".parquet") and not name.startswith("_delta_log/"):
            content = io.BytesIO(lake_files.read(join(uri, name)))
            is_theirs = _is_of(pq.read_table(content, columns=["note_id"])["note_id"], note_ids)
            if pc.any(is_theirs).as_py():
                there = [one for one in columns if one in pq.read_schema(content).names]
                yield from pq.read_table(content, columns=there).filter(is_theirs).to_pylist()


def _is_of(column: pa.ChunkedArray, note_ids: frozenset[str]) -> pa.ChunkedArray:
    """Return which rows of a column note_id are of some notes."""
    return pc.is_in(column.cast(pa.string()), pa.array(sorted(note_ids), pa.string()))


def _texts_of(row: Mapping[str, Any]) -> Iterator[str]:
    for name in _TEXTS:
        values = row.get(name) or ()
        for value in [values] if isinstance(values, str) else values:
            yield from (one.removeprefix("inline:") for one in _strings(value))


def _strings(value: Any) -> list[str]:
    return [one for one in (value.values() if isinstance(value, dict) else [value]) if one]


def _columns(rows: pa.Table) -> Iterator[pa.ChunkedArray]:
    """Yield the columns of texts in the columns of notes."""
    for name in rows.column_names:
        column = rows[name]
        if pa.types.is_list(column.type):
            column = pc.list_flatten(column)
        if pa.types.is_struct(column.type):
            # Files from before images had captions have structs of fewer fields.
            for place in range(column.type.num_fields):
                yield pc.struct_field(column, [place]).cast(pa.string())
        else:
            yield column.cast(pa.string())
