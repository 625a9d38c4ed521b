"""The lists that the join writes and a search finds, and the private tables that an update starts from."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql.types import ArrayType, BinaryType, BooleanType, DataType, FloatType, LongType, StringType, StructType

from uninote.lake.schemas.specs import VECTOR, TableSpec, struct_of


def neighbour_state_table(note_id: DataType, name: str) -> TableSpec:
    """Private: what a neighbour table is cut from, and what the next update starts from: K + slack items, best first.

    A shorter list is `whole` where nobody else qualifies; else others do, all of lower scores than those it has. Keys are
    int64 and scores float32, as bytes: every update reads and writes all of them, and lists take up to four times as long.
    `mean` is that of the note's scores with the notes of the table neighbour_background, `spread` theirs among themselves.
    """
    schema = struct_of(
        item_key=LongType(),
        note_id=note_id,
        neighbour_keys=BinaryType(),
        neighbour_ids=ArrayType(note_id),
        scores=BinaryType(),
        whole=BooleanType(),
        mean=FloatType(),
        spread=FloatType(),
    )
    return TableSpec(f"neighbour_state/{name}", schema, ("item_key",))


def neighbour_rows_table(note_id: DataType, attributes: Sequence[str]) -> TableSpec:
    """Private: the rows of the last full join by their primary cell, and what each update, a `night`, since changed of them.

    The last row of a key in a cell counts; a row that is `gone` says that there is none. `vector` is float32 as bytes,
    `leaves` int32 as bytes: the numbers of the row's nearest pivots. `attributes` are those that rules look at.
    """
    fields = {"item_key": LongType(), "note_id": note_id, "vector": BinaryType(), "leaves": BinaryType()}
    fields |= {"gone": BooleanType()} | dict.fromkeys(attributes, StringType())
    return TableSpec("neighbour_rows", struct_of(**fields, cell=LongType(), night=LongType()), ("item_key",))


NEIGHBOUR_CELLS = TableSpec(
    "neighbour_cells",
    struct_of(item_key=LongType(), overlap=LongType(), visits=LongType(), vector=VECTOR),
    ("item_key",),
)
"""Private: the cells of the last full join. `item_key` is the cell's number, `vector` its centroid.

A row was in `overlap` of them; one that changed has replicas in its nearest `visits`, to meet those whose primary cell it is.
"""

NEIGHBOUR_LEADERS = TableSpec(
    "neighbour_leaders",
    struct_of(vectors=BinaryType(), width=LongType(), fan=LongType(), cell=LongType()),
    ("cell",),
)
"""Private: the pivots around which the rows of a cell were gathered, a row for each assignment: `vectors` is float32 as bytes,
each `width` long; each row has `fan` leaves in it."""


def neighbour_background_table(note_id: DataType) -> TableSpec:
    """Private: the notes, drawn with the last full join, whose scores with a note are its background; as they were then."""
    return TableSpec(
        "neighbour_background", struct_of(item_key=LongType(), note_id=note_id, vector=VECTOR), ("item_key",)
    )


def neighbours_table(note_id: DataType, name: str = "neighbours") -> TableSpec:
    """The product: at most K neighbours of each note, best first; empty when no other note qualifies.

    `score` is a cosine. `strength` is how many spreads it lies above the mean of the note's own background, null where that
    says nothing (fewer than 30 notes): comparable between notes as a cosine is not. `confidence`, 0 to 1, is how likely the
    neighbour is relevant by the judgments that a map was fitted to, null where there is no map, or no strength. Lists of
    earlier releases have neither.
    """
    neighbour = struct_of(note_id=note_id, score=FloatType(), strength=FloatType(), confidence=FloatType())
    return TableSpec(name, struct_of(note_id=note_id, neighbours=ArrayType(neighbour)), ("note_id",))


def duplicates_table(note_id: DataType) -> TableSpec:
    """Notes that are all but equal to another.

    `group_id` is the note that represents the group: `score`, float32, is the cosine with it, at least; 1 for itself.
    `chain_id` is the least note_id of all that are linked by any chain of duplicates.
    """
    columns = struct_of(note_id=note_id, group_id=note_id, score=FloatType(), chain_id=note_id)
    return TableSpec("duplicates", columns, ("note_id",))


def duplicate_pairs(note_id: DataType) -> StructType:
    """The columns of the files that groups of duplicates are made of: a list's owner, and an entry that is its duplicate."""
    return struct_of(item_key=LongType(), note_id=note_id, other_key=LongType(), other_id=note_id, score=FloatType())


def found_table(note_id: DataType) -> TableSpec:
    """What a search found: at most K notes of each query, best first. `reason`: why a query has no answer, else null.

    `strength` and `confidence` are as in neighbour tables; null where scores are no cosines of notes and the query as a whole.
    `corrected` is the score less how near the note is to a bank of queries, by which lists are ranked where it is not null.

    `query_id` is the query's own id as a string, null for a row that had none.
    """
    neighbour = struct_of(
        note_id=note_id, score=FloatType(), strength=FloatType(), confidence=FloatType(), corrected=FloatType()
    )
    columns = struct_of(query_id=StringType(), reason=StringType(), neighbours=ArrayType(neighbour))
    return TableSpec("found", columns, ("query_id",))
