"""What people said of pairs of notes, and the maps that were fitted on it."""

from __future__ import annotations

from pyspark.sql.types import (
    ArrayType,
    BooleanType,
    DataType,
    DoubleType,
    IntegerType,
    LongType,
    StringType,
    TimestampType,
)

from uninote.lake.schemas.specs import TableSpec, struct_of


def judgments_table(note_id: DataType) -> TableSpec:
    """Whether note `b` is `relevant` to note `a`, as a `judge` of a `source` said; one row for each time that somebody did.

    `table`, `rank` (from 1), `release` and `generation` say which list the pair was drawn from, and `probability` how likely it
    was to be drawn; null where nobody drew it. `a` and `b` are null, and `a_hash` and `b_hash` the keyed hash of the list of
    takedowns, of a note that is taken down. A judge and a time are null where nobody said them.
    """
    schema = struct_of(
        a=note_id,
        b=note_id,
        a_hash=StringType(),
        b_hash=StringType(),
        relevant=BooleanType(),
        source=StringType(),
        release=LongType(),
        generation=StringType(),
        table=StringType(),
        rank=IntegerType(),
        probability=DoubleType(),
        judge=StringType(),
        judged_at=TimestampType(),
    )
    return TableSpec("judgments", schema, ("a", "b", "source", "table", "judge", "judged_at"))


def type_named(name: str) -> DataType:
    """Return the type of `note_id` that a Delta log calls so: "long", or anything else for a text."""
    return LongType() if name == "long" else StringType()


CONFIDENCE_MAPS = TableSpec(
    "confidence_maps",
    struct_of(
        table=StringType(),
        number=LongType(),
        source=StringType(),
        generation=StringType(),
        release=LongType(),
        centres=ArrayType(DoubleType()),
        spreads=ArrayType(DoubleType()),
        coefficients=ArrayType(DoubleType()),
        knots=ArrayType(DoubleType()),
        steps=ArrayType(DoubleType()),
        pairs=LongType(),
        notes=LongType(),
        base_rate=DoubleType(),
        brier=DoubleType(),
        brier_gain_base=DoubleType(),
        brier_gain_cosine=DoubleType(),
        calibration_error=DoubleType(),
        perfect_error=DoubleType(),
        fitted_at=TimestampType(),
    ),
    ("table", "number"),
)
"""Maps to confidences, one for each fit: of a neighbour table that of the highest `number` counts.

Of strength, score, the neighbour's own mean score and the gap to the next rank, in this order, the `centres` and `spreads`; the
`coefficients`, the constant first, of a logistic curve over the features less centre over spread; and `knots` and `steps` that
its output is interpolated between, none of fewer than 1,000 pairs. `pairs` of `notes` were judged, by a `source`; the rest is
how good the map is on notes that were left out of a fit (docs/confidence.md). `release`: whose lists it was fitted on.
"""
