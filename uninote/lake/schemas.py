"""The tables this project owns: one TableSpec each, the single source of column names, types and keys.

`note_id` is a string or a bigint, whichever the source has, so specs that hold one are functions of its type.
Columns stay nullable in Spark; that keys are present and unique is checked by the run that writes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pyspark.sql.types import (
    ArrayType,
    BinaryType,
    BooleanType,
    DataType,
    DoubleType,
    FloatType,
    IntegerType,
    LongType,
    MapType,
    StringType,
    StructField,
    StructType,
    TimestampType,
)

from uninote.errors import UninoteError

VECTOR = ArrayType(FloatType(), containsNull=False)
CUTS = ("tokens_cut", "tokens_cut_estimated", "images_left_out")  # columns of items: what the model did not get to see
_COUNTS = MapType(StringType(), LongType())


class TableSchemaError(UninoteError):
    """A frame does not have the columns its TableSpec asks for."""


@dataclass(frozen=True)
class TableSpec:
    """A table: its name within the lake or generation, its columns, and the columns that identify a row.

    `feed`: Delta keeps what changed from version to version, for whoever follows.
    """

    name: str
    schema: StructType
    key: tuple[str, ...]
    feed: bool = False

    @property
    def columns(self) -> list[str]:
        """Column names in schema order."""
        return self.schema.fieldNames()

    def check(self, found: StructType) -> None:
        """Raise TableSchemaError unless `found` has these columns and types, in any order, nullability apart."""
        wanted = {field.name: _type_name(field.dataType) for field in self.schema}
        got = {field.name: _type_name(field.dataType) for field in found}
        problems = [f"  missing:    {name} {kind}" for name, kind in wanted.items() if name not in got]
        problems += [f"  unexpected: {name} {kind}" for name, kind in got.items() if name not in wanted]
        problems += [
            f"  mistyped:   {name} is {got[name]}, must be {kind}"
            for name, kind in wanted.items()
            if name in got and got[name] != kind
        ]
        if problems:
            raise TableSchemaError(f"the columns do not fit table {self.name!r}:\n" + "\n".join(problems))


def _type_name(kind: DataType) -> str:
    return kind.simpleString()


def _struct(**columns: DataType) -> StructType:
    return StructType([StructField(name, kind) for name, kind in columns.items()])


def notes_table(note_id: DataType) -> TableSpec:
    """Notes, as ingest makes them. Absent texts are null; `caption` is a training target only."""
    image = _struct(uri=StringType(), ocr=StringType())
    schema = _struct(
        note_id=note_id,
        title=StringType(),
        body=StringType(),
        caption=StringType(),
        topics=ArrayType(StringType()),
        images=ArrayType(image),
        category=StringType(),
        author=StringType(),
        language=StringType(),
        visibility=StringType(),
        updated_at=TimestampType(),
    )
    return TableSpec("notes", schema, ("note_id",), feed=True)


def items_table(note_id: DataType) -> TableSpec:
    """What has a vector: narrow, so that change detection never opens one.

    `kind` is one of note, image, text, ocr. `content_hash` covers all the model sees, `meta_hash` what filters use.
    `degraded`: embedded without a broken part. `tokens_cut` did not fit into what the model reads, and `images_left_out` were
    not shown to it; `tokens_cut_estimated`: guessed from characters. All three are null of items that an earlier release
    embedded.
    """
    schema = _struct(
        item_key=LongType(),
        item_id=StringType(),
        note_id=note_id,
        kind=StringType(),
        content_hash=StringType(),
        meta_hash=StringType(),
        degraded=BooleanType(),
        generation=StringType(),
        tokens_cut=IntegerType(),
        tokens_cut_estimated=BooleanType(),
        images_left_out=IntegerType(),
    )
    return TableSpec("items", schema, ("item_key",), feed=True)


def embeddings_table(note_id: DataType, name: str) -> TableSpec:
    """One table a width; `vector` is float32, L2-normalised, never null."""
    schema = _struct(
        item_key=LongType(),
        item_id=StringType(),
        note_id=note_id,
        kind=StringType(),
        content_hash=StringType(),
        generation=StringType(),
        vector=VECTOR,
    )
    return TableSpec(name, schema, ("item_key",), feed=True)


def set_aside_table(note_id: DataType) -> TableSpec:
    """What has no vector now, and why: with `items`, every item there is. The history is in `quarantine`."""
    schema = _struct(
        item_id=StringType(),
        note_id=note_id,
        kind=StringType(),
        content_hash=StringType(),
        reason=StringType(),
        message=StringType(),
        run_id=StringType(),
    )
    return TableSpec("set_aside", schema, ("item_id", "kind"))


def image_files_table(note_id: DataType) -> TableSpec:
    """What is known of the files behind a note's images, so that one that did not change is not opened again.

    `version`: size and time, or etag. `digest`: SHA-256 of the bytes, or why they cannot be used. `first_version`: the version
    that had these bytes first, which content hashes of format 3 and before were made of.
    """
    file = _struct(uri=StringType(), version=StringType(), first_version=StringType(), digest=StringType())
    return TableSpec("image_files", _struct(note_id=note_id, files=ArrayType(file)), ("note_id",))


IMAGE_BYTES = TableSpec("image_bytes", _struct(uri=StringType(), content=BinaryType()), ("uri",))
"""Images that the source had as bytes, once each: `uri` is inline:<SHA-256 of content>, as in `notes.images`."""


IMAGE_DIGESTS = TableSpec(
    "image_digests", _struct(uri=StringType(), version=StringType(), digest=StringType()), ("uri",)
)
"""The bytes behind names of image files whose texts are read: their SHA-256, at that `version` (size and time, or etag)."""

IMAGE_TEXTS = TableSpec(
    "image_texts",
    _struct(digest=StringType(), engine=StringType(), text=StringType(), reason=StringType(), seconds=DoubleType()),
    ("digest",),
)
"""What is written in images, a line each, by the SHA-256 of their bytes; "" where nothing is.

`engine` read it, of that version, in `seconds`. An image that cannot be decoded has no text, and the `reason`.
"""


def quarantine_table(note_id: DataType) -> TableSpec:
    """Append-only history of what could not be processed. A part's `item_id` is its note's plus `#image/<position>`."""
    schema = _struct(
        item_id=StringType(),
        note_id=note_id,
        kind=StringType(),
        stage=StringType(),
        reason=StringType(),
        message=StringType(),
        content_hash=StringType(),
        generation=StringType(),
        run_id=StringType(),
        quarantined_at=TimestampType(),
    )
    return TableSpec("quarantine", schema, ("item_id", "stage", "run_id"))


def neighbour_state_table(note_id: DataType, name: str) -> TableSpec:
    """Private: what a neighbour table is cut from, and what the next update starts from: K + slack items, best first.

    A shorter list is `whole` where nobody else qualifies; else others do, all of lower scores than those it has. Keys are
    int64 and scores float32, as bytes: every update reads and writes all of them, and lists take up to four times as long.
    """
    schema = _struct(
        item_key=LongType(),
        note_id=note_id,
        neighbour_keys=BinaryType(),
        neighbour_ids=ArrayType(note_id),
        scores=BinaryType(),
        whole=BooleanType(),
    )
    return TableSpec(f"neighbour_state/{name}", schema, ("item_key",))


def neighbour_rows_table(note_id: DataType, attributes: Sequence[str]) -> TableSpec:
    """Private: the rows of the last full join by their primary cell, and what each update, a `night`, since changed of them.

    The last row of a key in a cell counts; a row that is `gone` says that there is none. `vector` is float32 as bytes,
    `leaves` int32 as bytes: the numbers of the row's nearest pivots. `attributes` are those that rules look at.
    """
    fields = {"item_key": LongType(), "note_id": note_id, "vector": BinaryType(), "leaves": BinaryType()}
    fields |= {"gone": BooleanType()} | dict.fromkeys(attributes, StringType())
    return TableSpec("neighbour_rows", _struct(**fields, cell=LongType(), night=LongType()), ("item_key",))


NEIGHBOUR_CELLS = TableSpec(
    "neighbour_cells",
    _struct(item_key=LongType(), overlap=LongType(), visits=LongType(), vector=VECTOR),
    ("item_key",),
)
"""Private: the cells of the last full join. `item_key` is the cell's number, `vector` its centroid.

A row was in `overlap` of them; one that changed has replicas in its nearest `visits`, to meet those whose primary cell it is.
"""

NEIGHBOUR_LEADERS = TableSpec(
    "neighbour_leaders",
    _struct(vectors=BinaryType(), width=LongType(), fan=LongType(), cell=LongType()),
    ("cell",),
)
"""Private: the pivots around which the rows of a cell were gathered, a row for each assignment: `vectors` is float32 as bytes,
each `width` long; each row has `fan` leaves in it."""


def neighbours_table(note_id: DataType, name: str = "neighbours") -> TableSpec:
    """The product: at most K neighbours of each note, best first; empty when no other note qualifies."""
    neighbour = _struct(note_id=note_id, score=FloatType())
    return TableSpec(name, _struct(note_id=note_id, neighbours=ArrayType(neighbour)), ("note_id",))


def duplicates_table(note_id: DataType) -> TableSpec:
    """Notes that are all but equal to another: `group_id` is the least note_id of those linked with each other."""
    return TableSpec("duplicates", _struct(note_id=note_id, group_id=note_id), ("note_id",))


def found_table(note_id: DataType) -> TableSpec:
    """What a search found: at most K notes of each query, best first. `reason`: why a query has no answer, else null.

    `query_id` is the query's own id as a string, null for a row that had none.
    """
    neighbour = ArrayType(_struct(note_id=note_id, score=FloatType()))
    columns = _struct(query_id=StringType(), reason=StringType(), neighbours=neighbour)
    return TableSpec("found", columns, ("query_id",))


RUNS = TableSpec(
    "runs",
    _struct(
        sequence=LongType(),
        run_id=StringType(),
        stage=StringType(),
        unit=StringType(),
        state=StringType(),
        generation=StringType(),
        fingerprint=StringType(),
        started_at=TimestampType(),
        seconds=DoubleType(),
        config_hash=StringType(),
        overrides=ArrayType(StringType()),
        inputs=_COUNTS,
        outputs=_COUNTS,
        counts=_COUNTS,
        metrics=MapType(StringType(), DoubleType()),
        next_key=LongType(),
        as_of=TimestampType(),
    ),
    ("run_id", "stage", "unit"),
)
"""The ledger: what ran on what, and what came of it (`inputs`, `outputs`: table name to Delta version).

`sequence` is the order of entries; `started_at` is what some host's clock said, for people. `next_key`: the first item_key
that embed had not committed; `as_of`: the time that neighbours counted ages from. Both are null in entries of other stages.
"""
