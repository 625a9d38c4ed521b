"""Pictures for the typical notes of a map, made by executors."""

from __future__ import annotations

from collections.abc import Collection

import pyarrow as pa
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from udfs.corpus_map.pictures import PICTURES, make_pictures
from uninote.lake.schemas import IMAGE_BYTES
from uninote.pipelines.corpus_map.coded import rows_of
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.run import Run
from uninote.pipelines.notes.images.media_roots import media_policy

SIZE = 72  # pixels of a side
_PARTS = 16  # tasks that share the images: each may wait for a store


def pictures(run: Run, uris: Collection[str]) -> dict[str, bytes]:
    """Return thumbnails of images by URI, of those that can be read: of a few hundred."""
    if not uris:
        return {}
    wanted = run.spark.createDataFrame(pa.table({"uri": pa.array(sorted(uris), pa.string())}))
    stored = tables.read_or_empty(run.spark, IMAGE_BYTES, run.lake.uri(IMAGE_BYTES.name)).select("uri", "content")
    both = stored.join(F.broadcast(wanted), "uri", "right").repartition(_PARTS)
    made = both.select("uri", "content").mapInArrow(make_pictures(media_policy(run), SIZE), from_arrow_schema(PICTURES))
    return dict(rows_of(made.toArrow()))
