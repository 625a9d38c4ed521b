"""Images that a source holds as bytes: a URI made of their hash goes with the note, the bytes into a table of their own.

The notes table has a change feed, which would keep every image twice; and change detection must never read one.
"""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, BinaryType, DataType, StructType

from uninote.pipelines import tables
from uninote.pipelines.normalise import URI_FIELDS
from uninote.pipelines.run import Run
from uninote.schemas import IMAGE_BYTES

INLINE = "inline:"


def without_bytes(rows: DataFrame, column: str | None) -> DataFrame:
    """Return `rows` with the images of `column` as URIs where they are bytes; URIs beside missing bytes stay."""
    kind = rows.schema[column].dataType if column is not None else None
    if column is None or kind is None or _field(_element(kind)) is None:
        return rows
    images = _as_array(F.col(f"`{column}`"), kind)
    return rows.withColumn(column, F.transform(images, lambda image: _as_uri(image, _element(kind))))


def images_of(raw: DataFrame, column: str | None) -> DataFrame | None:
    """Return (uri, content) of the images of `column` that are bytes, once each; None where the source has none so."""
    kind = raw.schema[column].dataType if column is not None else None
    if column is None or kind is None or _field(_element(kind)) is None:
        return None
    images = raw.select(F.explode(_as_array(F.col(f"`{column}`"), kind)).alias("image"))
    content = images.select(_bytes(F.col("image"), _element(kind)).alias("content")).where("content IS NOT NULL")
    return content.select(_inline_uri(F.col("content")).alias("uri"), "content").dropDuplicates(["uri"])


def store_image_bytes(run: Run, images: DataFrame | None) -> int:
    """Add those of `images` that are not in the lake yet, remove those no note has any more; return how many are new."""
    uri = run.lake.uri(IMAGE_BYTES.name)
    added = 0
    if images is not None:
        known = tables.read_or_empty(run.spark, IMAGE_BYTES, uri).select("uri")
        before = known.count()
        tables.append(images.join(known, "uri", "left_anti"), IMAGE_BYTES, uri)
        added = tables.read_table(run.spark, uri).count() - before
    if tables.has_table(uri):
        _remove_unused(run, uri)
    return added


def stored_images(run: Run, uris: Sequence[str]) -> dict[str, bytes]:
    """Return the content of those of some URIs that lie in the lake: for a few notes at a time."""
    wanted = [uri for uri in uris if uri.startswith(INLINE)]
    if not wanted:
        return {}
    table = tables.read_table(run.spark, run.lake.uri(IMAGE_BYTES.name))
    return {row["uri"]: bytes(row["content"]) for row in table.where(F.col("uri").isin(wanted)).collect()}


def _remove_unused(run: Run, uri: str) -> None:
    notes = tables.read_table(run.spark, run.lake.uri("notes"))
    used = notes.select(F.explode("images.uri").alias("uri")).where(F.col("uri").startswith(INLINE))
    unused = tables.read_table(run.spark, uri).select("uri").join(used, "uri", "left_anti").distinct()
    if not unused.isEmpty():
        tables.delete_keys(unused, IMAGE_BYTES, uri)


def _element(kind: DataType) -> DataType:
    return kind.elementType if isinstance(kind, ArrayType) else kind


def _field(element: DataType) -> str | None:
    """Return the field that holds the bytes, "" for bytes alone, null where there are none."""
    if isinstance(element, BinaryType):
        return ""
    if isinstance(element, StructType):
        return next((field.name for field in element if isinstance(field.dataType, BinaryType)), None)
    return None


def _as_array(column: Column, kind: DataType) -> Column:
    return column if isinstance(kind, ArrayType) else F.when(column.isNotNull(), F.array(column))


def _bytes(image: Column, element: DataType) -> Column:
    field = _field(element)
    return image if field == "" else image[field]


def _inline_uri(content: Column) -> Column:
    return F.concat(F.lit(INLINE), F.sha2(content, 256))


def _as_uri(image: Column, element: DataType) -> Column:
    made = _inline_uri(_bytes(image, element))
    if not isinstance(element, StructType):
        return made
    kept = [name for name in element.names if name != _field(element)]
    places = [image[name].cast("string") for name in kept if name in URI_FIELDS]
    others = [image[name].alias(name) for name in kept if name not in URI_FIELDS]
    return F.struct(F.coalesce(made, *places).alias("uri"), *others)
