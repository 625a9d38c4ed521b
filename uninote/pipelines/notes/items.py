"""Items: what gets a vector. A note as a whole, and on request each image, OCR string and the text of it."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from udfs.notes.fingerprints import MODEL_COLUMNS
from uninote.lake.schemas import CONTENT
from uninote.notes.attributes import NOTE_ATTRIBUTES
from uninote.pipelines.lake.tables import filled_columns

_FIELDS = [CONTENT[name] for name in MODEL_COLUMNS]
# Unique together: a note may have the id that another note's image goes by.
ITEM_KEY = ("item_id", "kind")


def items_of(notes: DataFrame, kinds: Sequence[str]) -> DataFrame:
    """Return one row for each item of `kinds`: note_id, item_id, kind, MODEL_COLUMNS as that item has them, NOTE_ATTRIBUTES.

    An item's id is its note's, and for parts of a note its place too: #image/0, #ocr/0, #text. A note is always an item;
    a blank text or OCR string is none.
    """
    made = {"note": _note(), "text": _text(), "image": _images(), "ocr": _ocr()}
    items = F.concat(*(made[kind] for kind in kinds))
    rows = notes.select("note_id", F.explode(items).alias("item"), *NOTE_ATTRIBUTES)
    item_id = F.concat(F.col("note_id").cast("string"), F.col("item.part"))
    return rows.select(
        "note_id",
        item_id.alias("item_id"),
        "item.kind",
        *(F.col(f"item.{column}") for column in MODEL_COLUMNS),
        *NOTE_ATTRIBUTES,
    )


def _item(kind: str, part: Column, **content: Column) -> Column:
    return F.struct(F.lit(kind).alias("kind"), part.alias("part"), *filled_columns(_FIELDS, content))


def _note() -> Column:
    seen = {name: F.col(name) for name in MODEL_COLUMNS} | {"images": F.transform("images", _seen)}
    return F.array(_item("note", F.lit(""), **seen))


def _seen(image: Column) -> Column:
    """What an encoder sees of an image, without its caption; notes of other programs may know of none."""
    return F.when(image.isNotNull(), F.struct(image["uri"].alias("uri"), image["ocr"].alias("ocr")))


def _text() -> Column:
    item = _item("text", F.lit("#text"), title=F.col("title"), body=F.col("body"), topics=F.col("topics"))
    joined = F.concat_ws("", "title", "body", F.array_join("topics", ""))
    # Filtered out of an array of one, as all kinds are: one plan explodes whatever kinds are asked for.
    return F.filter(F.array(item), lambda _: _is_text(joined))


def _images() -> Column:
    def one(image: Column, place: Column) -> Column:
        alone = F.array(F.struct(image["uri"].alias("uri"), F.lit(None).cast("string").alias("ocr")))
        return _item("image", F.concat(F.lit("#image/"), place.cast("string")), images=alone)

    return F.filter(F.transform(_present(), one), lambda item: _is_text(item["images"][0]["uri"]))


def _ocr() -> Column:
    def one(image: Column, place: Column) -> Column:
        return _item("ocr", F.concat(F.lit("#ocr/"), place.cast("string")), body=image["ocr"])

    return F.filter(F.transform(_present(), one), lambda item: _is_text(item["body"]))


def _present() -> Column:
    """The images as `to_note` counts them: nulls are skipped."""
    images = F.filter(F.transform("images", _seen), lambda image: image.isNotNull())
    return F.coalesce(images, F.array().cast(CONTENT["images"].dataType))


def _is_text(text: Column) -> Column:
    return F.coalesce(F.trim(text), F.lit("")) != ""
