"""What the match stage writes: the gallery's entries, the matches, their thresholds, and what scores a run saw."""

from __future__ import annotations

from pyspark.sql.types import (
    ArrayType,
    BinaryType,
    BooleanType,
    DataType,
    DoubleType,
    FloatType,
    IntegerType,
    LongType,
    StringType,
    TimestampType,
)

from uninote.lake.schemas.specs import VECTOR, TableSpec, struct_of

GALLERY = TableSpec(
    "gallery",
    struct_of(
        entry_id=StringType(),
        kind=StringType(),
        position=IntegerType(),
        category=StringType(),
        enabled=BooleanType(),
        added_by=StringType(),
        why=StringType(),
        content_hash=StringType(),
        limits=StringType(),
        generic=BooleanType(),
        generation=StringType(),
        vector=VECTOR,
        image_bits=BinaryType(),
        image_quality=IntegerType(),
        reason=StringType(),
        message=StringType(),
        run_id=StringType(),
    ),
    ("entry_id", "kind", "position"),
    feed=True,
)
"""The parts of the gallery's entries: `kind` is one of note, image, text, ocr, `position` counts from 0 within a kind.

`vector` is float32, L2-normalised, null where the part cannot be used: then `reason` and `message` say why. `image_bits` and
`image_quality` are as in image_hashes, of an image where near copies are looked for, else null. No text of an entry
is here: `content_hash` covers all that the model sees, of an image its bytes. `limits` is a hash of the thresholds that hold
for its category; a `generic` entry only leads to review. `run_id`: who wrote the row.
"""


GALLERY_FILES = TableSpec(
    "gallery_files",
    struct_of(
        entry_id=StringType(),
        kind=StringType(),
        position=IntegerType(),
        files=ArrayType(
            struct_of(uri=StringType(), version=StringType(), first_version=StringType(), digest=StringType())
        ),
    ),
    ("entry_id", "kind", "position"),
)
"""What is known of the files behind the images of the gallery's parts, so that one that did not change is not opened again.

As in image_files, but `uri` is the SHA-256 of a file's name: files of a gallery are often called by notes.
"""


def matches_table(note_id: DataType) -> TableSpec:
    """What was found, open (`until_run` null) or closed: at most one open row for each entry and note.

    `note_id` is null, and `note_hash` the keyed hash of the list of takedowns, of a note that is taken down; `kind`, `position`
    and `content_hash` of its item are null then as well. `decision` is act or review, `threshold` that of the decision.
    `found_by` is embedding, where `score` is a cosine; bytes, of images whose bytes are equal, with score 1; or pdq, of near
    copies of an image, with the share of bits of both hashes that are equal: the last two have no threshold. `first_run` found
    the pair first. It is as this row says since `from_run` and `from_at`, and was until `until_run` and `until_at`:
    `closed_why`.
    """
    schema = struct_of(
        entry_id=StringType(),
        note_id=note_id,
        note_hash=StringType(),
        category=StringType(),
        entry_kind=StringType(),
        entry_position=IntegerType(),
        kind=StringType(),
        position=IntegerType(),
        content_hash=StringType(),
        score=FloatType(),
        decision=StringType(),
        threshold=DoubleType(),
        found_by=StringType(),
        generation=StringType(),
        first_run=StringType(),
        from_run=StringType(),
        from_at=TimestampType(),
        until_run=StringType(),
        until_at=TimestampType(),
        closed_why=StringType(),
    )
    return TableSpec("matches", schema, ("entry_id", "note_id", "from_run"))


MATCH_THRESHOLDS = TableSpec(
    "match_thresholds",
    struct_of(
        category=StringType(),
        entry_kind=StringType(),
        note_kind=StringType(),
        given=BooleanType(),
        act=DoubleType(),
        review=DoubleType(),
        act_volume=DoubleType(),
        review_volume=DoubleType(),
        act_rate=DoubleType(),
        review_rate=DoubleType(),
        notes_per_night=LongType(),
        notes_counted=LongType(),
        act_notes=LongType(),
        act_low=DoubleType(),
        act_high=DoubleType(),
        review_notes=LongType(),
        review_low=DoubleType(),
        review_high=DoubleType(),
        generic=ArrayType(StringType()),
        message=StringType(),
        generation=StringType(),
        gallery_version=LongType(),
        run_id=StringType(),
        fitted_at=TimestampType(),
    ),
    ("category", "entry_kind", "note_kind", "given"),
)
"""Thresholds by category and pair of kinds: those that the configuration has `given`, which go first, and fitted ones.

Of fitted ones: `notes_counted` notes have an item of the kind; of them `act_notes` and `review_notes` reach the threshold, and
`act_low` to `act_high`, in notes a night, is the 95 % interval of what that means, likewise for review. A threshold is null
where too few notes were counted: `message` says how many it takes. Fitted to `act_rate` and `review_rate` of false matches,
`notes_counted` are judged notes, `act_notes` false ones, and the interval is of the rate. `generic` are entries left out of
the fit.
"""

MATCH_SCORES = TableSpec(
    "match_scores",
    struct_of(
        run_id=StringType(),
        made_at=TimestampType(),
        category=StringType(),
        entry_kind=StringType(),
        note_kind=StringType(),
        whole=BooleanType(),
        notes=LongType(),
        bins=ArrayType(IntegerType()),
        counts=ArrayType(LongType()),
    ),
    ("run_id", "category", "entry_kind", "note_kind"),
)
"""Histograms of best scores: of the notes that a run compared with all entries, each once by category and pair of kinds.

A bin b has scores from (b - 1000) / 1000 on; `counts[i]` notes are in `bins[i]`. `whole`: the run compared the whole corpus.
"""
