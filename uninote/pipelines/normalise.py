"""Source columns of any reasonable shape, as expressions for the columns of the notes table."""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import (
    ArrayType,
    AtomicType,
    BinaryType,
    DataType,
    IntegralType,
    LongType,
    NullType,
    StringType,
    StructType,
    TimestampType,
)

from uninote.errors import UninoteError
from uninote.schemas import notes_table

URI_FIELDS = ("uri", "path", "url", "src", "file", "file_name")
OCR_FIELDS = ("ocr", "text")
TOPIC_SEPARATORS = r"[,;|#，、；\s]+"
IMAGE_SEPARATORS = r"\s*[;|,]\s*"


class ColumnTypeError(UninoteError):
    """A source column has a type from which its field cannot be made."""


def normalise(source: DataFrame, mapping: Mapping[str, str]) -> DataFrame:
    """Return the columns of the notes table from `source`; fields without a column are null."""
    kinds = {field: source.schema[column].dataType for field, column in mapping.items()}
    columns = {field: F.col(f"`{column}`") for field, column in mapping.items()}
    id_type = _id_type(kinds["note_id"])
    made = {
        "note_id": F.trim("_id") if id_type == StringType() else F.col("_id"),
        "topics": _topics(columns.get("topics"), kinds.get("topics")),
        "images": _images(columns, kinds),
        "updated_at": _time(columns.get("updated_at"), kinds.get("updated_at")),
    }
    spec = notes_table(id_type)
    for name in spec.columns:
        if name not in made:
            made[name] = _text(name, columns.get(name), kinds.get(name))
    with_id = source.withColumn("_id", columns["note_id"].cast(id_type))
    return with_id.select(*(made[name].cast(spec.schema[name].dataType).alias(name) for name in spec.columns))


def _id_type(kind: DataType) -> DataType:
    if isinstance(kind, IntegralType):
        return LongType()
    if isinstance(kind, StringType):
        return StringType()
    raise ColumnTypeError(f"note_id must be a string or an integer; the source's column is {kind.simpleString()}")


def _text(name: str, column: Column | None, kind: DataType | None) -> Column:
    if column is None or kind is None:
        return F.lit(None)
    if isinstance(kind, ArrayType) and isinstance(kind.elementType, StringType):
        return F.array_join(column, "\n")
    if (isinstance(kind, AtomicType) and not isinstance(kind, BinaryType)) or isinstance(kind, NullType):
        return column.cast("string")
    raise ColumnTypeError(f"{name} must be text; the source's column is {kind.simpleString()}")


def _topics(column: Column | None, kind: DataType | None) -> Column:
    if column is None or isinstance(kind, NullType):
        return F.array().cast("array<string>")
    if isinstance(kind, StringType):
        column = F.split(column, TOPIC_SEPARATORS)
    elif not (isinstance(kind, ArrayType) and isinstance(kind.elementType, AtomicType | NullType)):
        raise ColumnTypeError(f"topics must be an array of strings, or one string; it is {kind.simpleString()}")  # type: ignore[union-attr]
    texts = F.transform(column.cast("array<string>"), lambda topic: F.trim(topic))
    return F.coalesce(F.filter(texts, lambda topic: topic != ""), F.array().cast("array<string>"))


def _images(columns: Mapping[str, Column], kinds: Mapping[str, DataType]) -> Column:
    """One struct an image; texts of an `ocr` column go with the images in order, or stand alone where there are none."""
    images = _uris(columns.get("images"), kinds.get("images"))
    texts = _ocr_texts(columns.get("ocr"), kinds.get("ocr"))
    paired = F.zip_with(
        images,
        texts,
        lambda image, text: F.struct(image["uri"].alias("uri"), F.coalesce(image["ocr"], text).alias("ocr")),
    )
    return F.filter(paired, lambda image: (F.coalesce(image["uri"], F.lit("")) != "") | image["ocr"].isNotNull())


def _uris(column: Column | None, kind: DataType | None) -> Column:
    empty = F.array().cast("array<struct<uri:string,ocr:string>>")
    if column is None or isinstance(kind, NullType):
        return empty
    if isinstance(kind, StringType):
        listed = F.from_json(column, "array<string>")
        column = F.when(column.startswith("["), listed).otherwise(F.split(column, IMAGE_SEPARATORS))
        kind = ArrayType(StringType())
    if not isinstance(kind, ArrayType) or not isinstance(kind.elementType, StringType | StructType | NullType):
        raise ColumnTypeError(
            f"images must be paths, URIs or bytes, or structs with one of {', '.join(URI_FIELDS)} or with bytes; the source's "
            f"column is {kind.simpleString()}"  # type: ignore[union-attr]
        )
    element = kind.elementType
    return F.coalesce(F.transform(column, lambda image: _image(image, element)), empty)


def _image(image: Column, kind: DataType) -> Column:
    if not isinstance(kind, StructType):
        return F.struct(image.cast("string").alias("uri"), F.lit(None).cast("string").alias("ocr"))
    uri = next((name for name in URI_FIELDS if name in kind.names), None)
    ocr = next((name for name in OCR_FIELDS if name in kind.names), None)
    if uri is None:
        raise ColumnTypeError(f"images need one of {', '.join(URI_FIELDS)}; they have {', '.join(kind.names)}")
    text = image[ocr].cast("string") if ocr else F.lit(None).cast("string")
    return F.struct(image[uri].cast("string").alias("uri"), text.alias("ocr"))


def _ocr_texts(column: Column | None, kind: DataType | None) -> Column:
    empty = F.array().cast("array<string>")
    if column is None or isinstance(kind, NullType):
        return empty
    texts = column.cast("array<string>") if isinstance(kind, ArrayType) else F.array(column.cast("string"))
    return F.coalesce(texts, empty)


def _time(column: Column | None, kind: DataType | None) -> Column:
    if column is None:
        return F.lit(None)
    if isinstance(kind, IntegralType):
        seconds = F.when(column > 100_000_000_000, column / 1000).otherwise(column)  # milliseconds since some versions
        return F.timestamp_seconds(seconds)
    return F.try_to_timestamp(column.cast("string")) if not isinstance(kind, TimestampType) else column
