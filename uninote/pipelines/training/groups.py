"""Groups of near-duplicates among a training set's notes: each in one split, and of the large ones only some notes used."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from udfs.training.groups import chains
from uninote.lake.delta_files import columns_of
from uninote.lake.schemas import duplicates_table
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.run import Run
from uninote.pipelines.runtime.progress import say
from uninote.training.dataset.schemas import EVAL, TRAIN
from uninote.training.from_notes.groups import MOST_SHARED, WHOLE

# Of the notes: a larger group is worth a line, since all but `max_per_group` of its notes go unused.
_LARGE_SHARE = 0.01
_DIGITS = 16  # hexadecimal, of a hash: 64 bits


def govern(run: Run, sources: DataFrame, folder: str, duplicates: int) -> DataFrame:
    """Store and return where each note belongs: (note_id, group, split, size, place).

    Notes that share one of their `digests`, or are duplicates in the lake's table, are one group, by any chain: `size` notes,
    in the order of a hash of their ids (`place`, from 1). That table is read in its version `duplicates`. A share `eval_share`
    of the groups is for evaluation. All of it depends on ids, digests and the seed alone.
    """
    settings = run.config.training
    notes = sources.select("note_id", _node("note_id").alias("node"))
    pairs = _shared(sources).unionByName(linked(run, sources, duplicates))
    edges = pairs.select(_node("note_id").alias("one"), _node("first").alias("other"))
    found = edges.repartition(1).mapInArrow(chains, "node bigint, label bigint")
    labelled = notes.join(found, "node", "left").withColumn("label", F.coalesce("label", "node"))
    group = Window.partitionBy("label")
    named = labelled.withColumn("name", F.min("note_id").over(group)).withColumn("size", F.count("*").over(group))
    # Which notes of a group are used is drawn by a hash of the id: the first ones by id may all be of one author.
    drawn = group.orderBy(_hash(settings.seed, "", "note_id"), "note_id")
    held_out = _hash(settings.seed, "group of ", "name") < F.lit(_bound(settings.eval_share))
    governed = named.select(
        "note_id",
        F.shiftrightunsigned(F.xxhash64("name"), 1).alias("group"),
        F.when(held_out, EVAL).otherwise(TRAIN).alias("split"),
        "size",
        F.row_number().over(drawn).alias("place"),
    )
    governed.write.parquet(folder)
    return run.spark.read.parquet(folder)


def group_counts(run: Run, governed: DataFrame) -> dict[str, int]:
    """Return how many notes and groups there are, before and after groups were capped; a very large group is said."""
    most = run.config.training.max_per_group
    is_first = F.col("place") == 1
    counted = governed.agg(
        F.count("*").alias("notes"),
        F.count_if(F.col("place") <= most).alias("kept"),
        F.count_if(is_first).alias("groups"),
        F.count_if(is_first & (F.col("size") > most)).alias("capped_groups"),
        F.coalesce(F.max("size"), F.lit(0)).alias("largest_group"),
    )
    counts: dict[str, int] = counted.collect()[0].asDict()
    largest = counts["largest_group"]
    if largest > max(most, _LARGE_SHARE * counts["notes"]):
        say(
            f"training set: the largest group of near-duplicates, by any chain, has {largest:,} of {counts['notes']:,} notes; "
            f"{most:,} of them are used"
        )
    return counts


def duplicates_version(run: Run) -> int:
    """Return the version of the table of duplicates of the model's vectors, ABSENT where there is none."""
    return tables.version_or_absent(_duplicates(run))


def linked(run: Run, sources: DataFrame, version: int) -> DataFrame:
    """Return (note_id, first): the duplicates among the `sources` in that version of the table, none for ABSENT.

    Chains, not groups of bounded radius: two notes that are duplicates of each other may be in two groups, and one of them
    would be trained on where the other is a question.
    """
    if version == tables.ABSENT:
        return run.spark.createDataFrame([], "note_id string, first string")
    uri = _duplicates(run)
    # In tables of earlier releases a group was a whole chain.
    chain = "chain_id" if "chain_id" in columns_of(uri) else "group_id"
    stored = tables.read_table(run.spark, uri, version).selectExpr(
        "string(note_id) AS note_id", f"string({chain}) AS chain"
    )
    found = stored.join(sources.select("note_id"), "note_id", "left_semi")
    # By the first note of a chain that is there: the one that names the chain may not be.
    firsts = found.groupBy("chain").agg(F.min("note_id").alias("first"))
    return found.join(firsts, "chain").select("note_id", "first")


def _duplicates(run: Run) -> str:
    return run.generation.uri(duplicates_table(run.note_id).name)


def _shared(sources: DataFrame) -> DataFrame:
    """Return (note_id, first): the first note that has a digest, and each other one that has it.

    That connects them as well as every two of them would, with one pair a note.
    """
    held = sources.select("note_id", F.explode("digests").alias("digest"))
    counted = held.groupBy("digest").agg(F.count("*").alias("notes"), F.min("note_id").alias("first"))
    is_whole = F.col("digest").startswith(WHOLE)
    common = counted.where((F.col("notes") >= 2) & (is_whole | (F.col("notes") <= MOST_SHARED)))
    return held.join(common, "digest").where("note_id != first").select("note_id", "first")


def _node(column: str) -> Column:
    return F.xxhash64(column)


def _hash(seed: int, word: str, column: str) -> Column:
    """Return the first 64 bits, hexadecimal, of a hash of seed, word and column: in its order, and the same on any day."""
    return F.substring(F.sha2(F.concat(F.lit(f"{seed}\0{word}"), column), 256), 1, _DIGITS)


def _bound(share: float) -> str:
    """Return what such a hash lies below for a `share`, 0 to 1, of all."""
    return f"{int(share * (1 << 4 * _DIGITS)):0{_DIGITS}x}"
