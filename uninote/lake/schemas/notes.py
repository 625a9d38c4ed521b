"""What ingest writes: the notes, and what was read of their images."""

from __future__ import annotations

from pyspark.sql.types import ArrayType, BinaryType, DataType, DoubleType, IntegerType, StringType, TimestampType

from uninote.lake.schemas.specs import TableSpec, struct_of


def notes_table(note_id: DataType) -> TableSpec:
    """Notes, as ingest makes them. Absent texts are null; captions are training targets only.

    An image's `caption` describes it, null where nobody did; a note's own describes its first image where that has none.
    """
    image = struct_of(uri=StringType(), ocr=StringType(), caption=StringType())
    schema = struct_of(
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


CONTENT = struct_of(
    title=StringType(),
    body=StringType(),
    topics=ArrayType(StringType()),
    images=ArrayType(struct_of(uri=StringType(), ocr=StringType())),
)
"""What of a note an encoder may see: no captions."""


IMAGE_BYTES = TableSpec("image_bytes", struct_of(uri=StringType(), content=BinaryType()), ("uri",))
"""Images that the source had as bytes, once each: `uri` is inline:<SHA-256 of content>, as in `notes.images`."""


IMAGE_DIGESTS = TableSpec(
    "image_digests", struct_of(uri=StringType(), version=StringType(), digest=StringType()), ("uri",)
)
"""What earlier releases knew of image files whose texts were read: their SHA-256, at that `version` (size and time, or etag).

It is in the table image_files now.
"""

IMAGE_TEXTS = TableSpec(
    "image_texts",
    struct_of(digest=StringType(), engine=StringType(), text=StringType(), reason=StringType(), seconds=DoubleType()),
    ("digest",),
)
"""What is written in images, a line each, by the SHA-256 of their bytes; "" where nothing is.

`engine` read it, of that version, in `seconds`. An image that cannot be decoded has no text, and the `reason`.
"""

IMAGE_HASHES = TableSpec(
    "image_hashes",
    struct_of(digest=StringType(), bits=BinaryType(), quality=IntegerType(), reason=StringType()),
    ("digest",),
)
"""What images look like, by the SHA-256 of their bytes: `bits`, the 32 bytes of a PDQ hash, and its `quality`, 0 to 100.

An image that cannot be decoded has none of both, and the `reason`.
"""
