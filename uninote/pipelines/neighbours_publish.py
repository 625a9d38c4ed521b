"""From the private lists to the tables that readers want: note_ids for keys, K of them, ordered for point look-ups."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from uninote.neighbours.components import connected
from uninote.pipelines import tables
from uninote.pipelines.neighbours_join import Join
from uninote.schemas import duplicates_table, neighbours_table

_BLOCK_SIZE, _GROUP_BYTES = "parquet.block.size", 1 << 20


def publish(join: Join) -> dict[str, int]:
    """Write every neighbour table, and the groups of duplicates; returns counts for the ledger."""
    settings = join.run.config.neighbours
    groups = _write_duplicates(join, settings.duplicate_score)
    for name, rule in settings.rules.items():
        state = tables.read_table(join.run.spark, join.state_uri(name))
        lists = _collapsed(state, groups) if rule.duplicates == "collapse" else state
        spec = neighbours_table(join.run.note_id, name)
        named = F.arrays_zip(
            F.slice("neighbour_ids", 1, settings.k).alias("note_id"), F.slice("scores", 1, settings.k).alias("score")
        )
        table = lists.select("note_id", named.alias("neighbours"))
        # By note_id in small row groups, so that a look-up opens one file and reads one group of it.
        ordered = table.repartitionByRange(F.col("note_id")).sortWithinPartitions("note_id")
        with _row_groups(join.run.spark):
            tables.overwrite(ordered, spec, join.run.generation.uri(spec.name))
    return {"duplicates": groups.count()}


@contextmanager
def _row_groups(spark: SparkSession) -> Iterator[None]:
    """Let Parquet files written meanwhile have row groups of about _GROUP_BYTES."""
    before = spark.conf.get(_BLOCK_SIZE, None)
    spark.conf.set(_BLOCK_SIZE, str(_GROUP_BYTES))
    try:
        yield
    finally:
        if before is None:
            spark.conf.unset(_BLOCK_SIZE)
        else:
            spark.conf.set(_BLOCK_SIZE, before)


def _write_duplicates(join: Join, score: float) -> DataFrame:
    """Link notes that the unconstrained lists hold at `score` or above, and write who belongs together."""
    state = tables.read_table(join.run.spark, join.state_uri("neighbours"))
    near = state.where(F.get("scores", F.lit(0)) >= score)
    pairs = near.select("item_key", F.explode(F.arrays_zip("neighbour_keys", "scores")).alias("other"))
    edges = pairs.where(F.col("other.scores") >= score).select("item_key", F.col("other.neighbour_keys").alias("other"))
    found = edges.toArrow()
    keys, group = connected(found["item_key"].to_numpy(), found["other"].to_numpy())
    spark, spec = join.run.spark, duplicates_table(join.run.note_id)
    made = spark.createDataFrame(list(zip(keys.tolist(), group.tolist(), strict=True)), "item_key bigint, group bigint")
    ids = state.select("item_key", "note_id")
    named = made.join(ids, "item_key").withColumn("group_id", F.expr("min(note_id) OVER (PARTITION BY group)"))
    tables.overwrite(named.select("note_id", "group_id"), spec, join.run.generation.uri(spec.name))
    return tables.read_table(spark, join.run.generation.uri(spec.name))


def _collapsed(state: DataFrame, groups: DataFrame) -> DataFrame:
    """Keep the first entry of each group of duplicates in a list."""
    entry = F.posexplode(F.arrays_zip("neighbour_ids", "scores")).alias("rank", "one")
    rows = state.select("item_key", entry)
    rows = rows.join(groups.withColumnRenamed("note_id", "id"), F.col("one.neighbour_ids") == F.col("id"), "left")
    rank, one = F.col("rank"), F.coalesce("group_id", F.col("one.neighbour_ids"))
    first = rows.groupBy("item_key", one.alias("of")).agg(
        F.min_by("one", rank).alias("one"), F.min("rank").alias("rank")
    )
    lists = first.groupBy("item_key").agg(F.array_sort(F.collect_list(F.struct("rank", "one"))).alias("kept"))
    kept = state.select("item_key", "note_id").join(lists, "item_key", "left")
    return kept.select("note_id", _column("neighbour_ids", state), _column("scores", state))


def _column(name: str, state: DataFrame) -> Column:
    values = F.transform("kept", lambda entry: entry["one"][name])
    return F.coalesce(values, F.array().cast(state.schema[name].dataType)).alias(name)
