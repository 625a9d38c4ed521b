"""What embed writes: the items that have vectors, the vectors, and what could not be embedded."""

from __future__ import annotations

from pyspark.sql.types import ArrayType, BooleanType, DataType, IntegerType, LongType, StringType, TimestampType

from uninote.lake.schemas.specs import VECTOR, TableSpec, struct_of

CUTS = ("tokens_cut", "tokens_cut_estimated", "images_left_out")  # columns of items: what the model did not get to see


def items_table(note_id: DataType) -> TableSpec:
    """What has a vector: narrow, so that change detection never opens one.

    `kind` is one of note, image, text, ocr. `content_hash` covers all the model sees, `meta_hash` what filters use.
    `degraded`: embedded without a broken part. `tokens_cut` did not fit into what the model reads, and `images_left_out` were
    not shown to it; `tokens_cut_estimated`: guessed from characters. All three are null of items that an earlier release
    embedded.
    """
    schema = struct_of(
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
    schema = struct_of(
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
    schema = struct_of(
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
    file = struct_of(uri=StringType(), version=StringType(), first_version=StringType(), digest=StringType())
    return TableSpec("image_files", struct_of(note_id=note_id, files=ArrayType(file)), ("note_id",))


def quarantine_table(note_id: DataType) -> TableSpec:
    """Append-only history of what could not be processed. A part's `item_id` is its note's plus `#image/<position>`."""
    schema = struct_of(
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
