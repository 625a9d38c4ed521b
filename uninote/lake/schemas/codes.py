"""What the codes stage writes: the codes of notes, the codebooks that they are of, and what became of ids in a new one."""

from __future__ import annotations

from pyspark.sql.types import (
    ArrayType,
    BinaryType,
    BooleanType,
    DataType,
    DoubleType,
    IntegerType,
    LongType,
    MapType,
    StringType,
    TimestampType,
)

from uninote.lake.reserved import CODES
from uninote.lake.schemas.specs import TableSpec, struct_of


def codes_table(note_id: DataType) -> TableSpec:
    """A row for each code that was ever given out; a note that has a vector has one that is `present`, for each codebook.

    `codes` are those of the codebook's levels and a last one, which no other note with the same codes before it has, had or
    will have; `id` prints them. A row that is not present is of a note that is gone or has other codes now, `note_id`
    null of one that is taken down. Rows of a codebook stay as they are once there is a newer one. `run_id`: who wrote the row.
    """
    schema = struct_of(
        note_id=note_id,
        codes=ArrayType(IntegerType()),
        id=StringType(),
        codebook=IntegerType(),
        present=BooleanType(),
        run_id=StringType(),
    )
    return TableSpec(CODES, schema, ("note_id", "codebook", "id"))


CODEBOOKS = TableSpec(
    "codebooks",
    struct_of(
        version=IntegerType(),
        fingerprint=StringType(),
        generation=StringType(),
        width=IntegerType(),
        levels=IntegerType(),
        size=IntegerType(),
        content=BinaryType(),
        notes=LongType(),
        metrics=MapType(StringType(), DoubleType()),
        made_at=TimestampType(),
        run_id=StringType(),
    ),
    ("version",),
)
"""The codebooks of a lake's model; the greatest `version` is the one that notes are coded by.

`content` is a file of safetensors, `notes` how many it was fitted to, `metrics` what was measured of it.
"""


def code_moves_table(note_id: DataType) -> TableSpec:
    """What became of the ids of notes that were there when a codebook was replaced by the next."""
    schema = struct_of(
        note_id=note_id,
        from_codebook=IntegerType(),
        from_id=StringType(),
        to_codebook=IntegerType(),
        to_id=StringType(),
    )
    return TableSpec("code_moves", schema, ("note_id", "to_codebook"))
