"""Pairs of ids and texts as Parquet, for whoever trains a language model on ids: written by executors."""

from __future__ import annotations

from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from uninote.codes.stored import read_codebook
from uninote.errors import UninoteError
from uninote.lake.takedowns.watch import taken_down
from uninote.pipelines.lake.run import Run
from uninote.releases.open_release import OpenRelease, open_release
from uninote.storage import lake_files
from uninote.storage.lake_files import join

NEIGHBOURS = 10  # whose ids go with the id of a note
NOTES = "notes"
PAIRS = "pairs"


class ExportError(UninoteError):
    """Pairs cannot be written where they were asked for."""


def export_codes(run: Run, place: str) -> dict[str, Any]:
    """Write two tables of Parquet below `place`, and return where they are, with their rows by task.

    - notes: note_id, id, title, body, topics.
    - pairs, in folders by `task`: note_id, source, target. title_to_id, id_to_title, text_to_id and id_to_text, text being
      title and body; id_to_neighbours, whose target is the ids of up to NEIGHBOURS neighbours, best first, end to end.

    They are of the live release, without notes that are taken down. Raises ExportError where `place` holds anything or is in
    the lake, ReleaseError where the release has no codes.
    """
    _check(run, place)
    release = open_release(run.lake.root)
    ids = _ids(run, release)
    notes = release.read(run.spark, "notes").join(ids, "note_id")
    notes = notes.select("note_id", "id", "title", "body", "topics")
    notes.write.parquet(join(place, NOTES))
    pairs = _text_pairs(notes).unionByName(_neighbour_pairs(run, release, ids))
    pairs.write.partitionBy("task").parquet(join(place, PAIRS))
    counts = {NOTES: run.spark.read.parquet(join(place, NOTES)).count(), "release": release.id}
    for row in run.spark.read.parquet(join(place, PAIRS)).groupBy("task").count().collect():
        counts[row["task"]] = row["count"]
    return {"tables": {name: join(place, name) for name in (NOTES, PAIRS)}, "state": "done", **counts}


def _check(run: Run, place: str) -> None:
    root = run.lake.root.rstrip("/")
    if f"{place.rstrip('/')}/".startswith(f"{root}/"):
        raise ExportError(
            f"{place} lies in the lake, where nobody would erase notes from it; name a folder outside of {root}"
        )
    if lake_files.names_in(place) or lake_files.folders_in(place):
        raise ExportError(f"{place} is not empty; remove what is there, or name another folder")


def _ids(run: Run, release: OpenRelease) -> DataFrame:
    """Return (note_id, id) of the notes that have an id and are not taken down. Raises ExportError without a codebook."""
    codebook = read_codebook(*release.tables["codebooks"])
    if codebook is None:
        raise ExportError(f"release {release.id} has no codebook; run jobs/codes.py --new-codebook")
    codes: DataFrame = release.read(run.spark, "codes")
    mine = codes.where(F.col("present") & (F.col("codebook") == codebook.version))
    taken = taken_down(run.lake.root)
    return mine.where(~F.col("note_id").cast("string").isin(*taken.names)).select("note_id", "id")


def _text_pairs(notes: DataFrame) -> DataFrame:
    title = F.trim(F.coalesce("title", F.lit("")))
    text = F.trim(F.concat_ws("\n", F.nullif(title, F.lit("")), "body"))
    pairs = []
    for name, words in (("title", title), ("text", text)):
        pairs += [_pair(f"{name}_to_id", words, F.col("id")), _pair(f"id_to_{name}", F.col("id"), words)]
    rows = notes.select("note_id", F.explode(F.array(*pairs)).alias("pair")).select("note_id", "pair.*")
    return rows.where("source <> '' AND target <> ''")


def _pair(task: str, source: Column, target: Column) -> Column:
    return F.struct(F.lit(task).alias("task"), source.alias("source"), target.alias("target"))


def _neighbour_pairs(run: Run, release: OpenRelease, ids: DataFrame) -> DataFrame:
    lists = release.read(run.spark, "neighbours")
    best = F.slice("neighbours", 1, NEIGHBOURS)["note_id"]
    entries = lists.select(F.col("note_id").alias("query"), F.posexplode(best).alias("rank", "note_id"))
    near = F.array_sort(F.collect_list(F.struct("rank", "id")))
    found = entries.join(ids, "note_id").groupBy("query").agg(F.array_join(near["id"], "").alias("target"))
    named = ids.join(found.withColumnRenamed("query", "note_id"), "note_id")
    return named.select("note_id", F.lit("id_to_neighbours").alias("task"), F.col("id").alias("source"), "target")
