"""From written files to the tables that readers see: one commit each, and who is a duplicate of whom."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from udfs.neighbour_files import PAIRS, PUBLIC, STATE, WRITTEN, make_public_writer
from uninote.delta_files import replace_files
from uninote.neighbours.components import connected
from uninote.parquet_files import DataFile, write_file
from uninote.pipelines import tables
from uninote.pipelines.neighbours_files import TOLD, Written, collect, of_kind
from uninote.pipelines.neighbours_join import Join
from uninote.schemas import duplicates_table, neighbours_table


def publish(join: Join, written: Sequence[Written]) -> dict[str, int]:
    """Make every neighbour table, its state, and the groups of duplicates of `written`; returns counts for the ledger."""
    settings, generation = join.run.config.neighbours, join.run.generation
    for name in settings.rules:
        state = join.state(name)
        replace_files(generation.uri(state.name), state.schema.json(), of_kind(written, name, STATE))
    duplicates = _publish_duplicates(join, of_kind(written, "neighbours", PAIRS))
    for name, rule in settings.rules.items():
        spec = neighbours_table(join.run.note_id, name)
        files = _collapsed(join, name) if rule.duplicates == "collapse" else of_kind(written, name, PUBLIC)
        replace_files(generation.uri(spec.name), spec.schema.json(), files)
    tables.remove(join.run.spark, join.staging_uri)
    return {"duplicates": duplicates}


def _publish_duplicates(join: Join, files: Sequence[DataFile]) -> int:
    """Link notes that the unconstrained lists hold as duplicates, and write who belongs together; returns how many do."""
    spec = duplicates_table(join.run.note_id)
    uri = join.run.generation.uri(spec.name)
    if not files:
        replace_files(uri, spec.schema.json(), [])
        return 0
    pairs = pa.concat_tables([pq.read_table(file.path) for file in files])
    keys, group = connected(pairs["item_key"].to_numpy(), pairs["other_key"].to_numpy())
    sides = [pairs.select(["item_key", "note_id"]), pairs.select(["other_key", "other_id"])]
    ids = pa.concat_tables([side.rename_columns(["item_key", "note_id"]) for side in sides])
    ids = ids.group_by("item_key").aggregate([("note_id", "min")])
    named = pa.table({"item_key": keys, "group": group}).join(ids, "item_key")
    least = named.group_by("group").aggregate([("note_id_min", "min")]).rename_columns(["group", "group_id"])
    members = named.join(least, "group").select(["note_id_min", "group_id"]).rename_columns(["note_id", "group_id"])
    replace_files(uri, spec.schema.json(), [write_file(members.sort_by("note_id"), uri)])
    return len(members)


def _collapsed(join: Join, name: str) -> list[DataFile]:
    """Write the public table of lists that keep the first entry of each group of duplicates."""
    spark, generation, k = join.run.spark, join.run.generation, join.run.config.neighbours.k
    state = tables.read_table(spark, join.state_uri(name))
    groups = tables.read_table(spark, generation.uri(duplicates_table(join.run.note_id).name))
    entry = F.posexplode(F.arrays_zip("neighbour_ids", "scores")).alias("rank", "one")
    rows = state.select("item_key", entry)
    rows = rows.join(groups.withColumnRenamed("note_id", "id"), F.col("one.neighbour_ids") == F.col("id"), "left")
    rank, one = F.col("rank"), F.coalesce("group_id", F.col("one.neighbour_ids"))
    first = rows.groupBy("item_key", one.alias("of")).agg(
        F.min_by("one", rank).alias("one"), F.min("rank").alias("rank")
    )
    lists = first.groupBy("item_key").agg(F.array_sort(F.collect_list(F.struct("rank", "one"))).alias("kept"))
    kept = state.select("item_key", "note_id").join(lists, "item_key", "left")
    ids, scores = (F.slice(_column(of, state), 1, k) for of in ("neighbour_ids", "scores"))
    named = F.arrays_zip(ids.alias("note_id"), scores.alias("score"))
    table = kept.select("note_id", named.alias("neighbours"))
    ordered = table.repartitionByRange(F.col("note_id")).sortWithinPartitions("note_id")
    told = ordered.mapInArrow(make_public_writer(generation.uri(name)), StructType(TOLD.fields[1:]))
    return [one.file for one in collect(told.select(F.lit(name).alias("table"), *WRITTEN))]


def _column(name: str, state: DataFrame) -> Column:
    values = F.transform("kept", lambda entry: entry["one"][name])
    return F.coalesce(values, F.array().cast(state.schema[name].dataType))
