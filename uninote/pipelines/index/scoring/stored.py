"""Scores of pairs of a query and a note, out of the vectors that are stored."""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import FloatType, StringType, StructField, StructType

from udfs.index.search import make_scores
from uninote.config.sections.base import Kind
from uninote.errors import ConfigError
from uninote.pipelines.lake.reading.snapshot import Snapshot
from uninote.pipelines.lake.reading.stored_vectors import StoredVectors
from uninote.pipelines.lake.run import Run

_KIND = StructField("kind", StringType())


def pair_schema(run: Run, *more: StructField) -> StructType:
    """Return item_id, which names the query, note_id, and the fields of `more`."""
    return StructType([StructField("item_id", StringType()), StructField("note_id", run.note_id), *more])


def by_note(stored: StoredVectors, queries: DataFrame, found: DataFrame) -> DataFrame:
    """Return (item_id, note_id, score) of what was `found`, by the vector of the note."""
    vectors = stored.rows(("item_key", "vector"))
    pairs = found.select("item_id", "note_id", "item_key").join(vectors, "item_key")
    pairs = pairs.join(_asked(queries), "item_id").select("item_id", "note_id", "vector", "query")
    return pairs.mapInArrow(make_scores(stored.width), pair_schema(stored.run, StructField("score", FloatType())))


def weighed_vectors(run: Run, snapshot: Snapshot, width: int, weights: Mapping[Kind, float]) -> StoredVectors:
    """Return the vectors of the kinds that have a weight. Raises ConfigError where the lake has none of a kind."""
    kinds = [kind for kind, weight in weights.items() if weight]
    for kind in kinds:
        if not StoredVectors(run, snapshot, width, (kind,)).count:
            raise ConfigError(
                f"search.weights weighs {kind}, and no such item is embedded; add it to embed.kinds, or leave it out"
            )
    return StoredVectors(run, snapshot, width, kinds)


def by_items(stored: StoredVectors, queries: DataFrame, found: DataFrame, weights: Mapping[Kind, float]) -> DataFrame:
    """Return (item_id, note_id, score) of what was `found`: the weighted sum of the scores of its best item of each kind.

    A kind of which a note has no item adds nothing.
    """
    vectors = stored.rows(("note_id", "kind", "vector"))
    pairs = found.select("item_id", "note_id").distinct().join(vectors, "note_id").join(_asked(queries), "item_id")
    schema = pair_schema(stored.run, _KIND, StructField("score", FloatType()))
    scored = pairs.select("item_id", "note_id", "kind", "vector", "query").mapInArrow(make_scores(stored.width), schema)
    best = scored.groupBy("item_id", "note_id", "kind").agg(F.max("score").alias("score"))
    by_kind = F.create_map(*(F.lit(one) for pair in weights.items() for one in pair))
    weighed = F.sum(F.col("score") * by_kind[F.col("kind")]).cast("float")
    return best.groupBy("item_id", "note_id").agg(weighed.alias("score"))


def _asked(queries: DataFrame) -> DataFrame:
    return queries.select("item_id", F.col("vector").alias("query"))
