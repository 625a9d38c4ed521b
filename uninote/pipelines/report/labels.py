"""Whether neighbours share what the encoder never saw: a note's category, and in the demo the topic it was written about."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from uninote.config.sections.base import DEMO
from uninote.demo.corpus import read_rows
from uninote.demo.workspace import demo_corpus
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.run import Run
from uninote.report.data import Agreement


def agreements(run: Run) -> tuple[Agreement, ...]:
    """Return how often notes and their neighbours share a label, for each label that there is."""
    lists = tables.read_table(run.spark, run.generation.uri("neighbours"))
    one = F.posexplode("neighbours").alias("rank", "other")
    pairs = lists.select("note_id", one).select("note_id", "rank", F.col("other.note_id").alias("other")).persist()
    found = [_agreement(pairs, name, labels) for name, labels in _labels(run).items()]
    pairs.unpersist()
    return tuple(one for one in found if one is not None)


def _labels(run: Run) -> dict[str, DataFrame]:
    notes = tables.read_table(run.spark, run.lake.uri("notes"))
    labels = {"category": notes.select("note_id", F.col("category").alias("label"))}
    if run.config.ingest.source == DEMO:
        truth = read_rows(demo_corpus(run.config.demo) / "truth.jsonl")
        topics = [(row["note_id"], row["topic"]) for row in truth]
        labels["topic"] = run.spark.createDataFrame(topics, "note_id string, label string")
    return labels


def _agreement(pairs: DataFrame, name: str, labels: DataFrame) -> Agreement | None:
    labels = labels.where("label IS NOT NULL")
    others = labels.select(F.col("note_id").alias("other"), F.col("label").alias("their"))
    same = (
        pairs.join(labels, "note_id")
        .join(others, "other")
        .withColumn("same", (F.col("label") == F.col("their")).cast("double"))
    )
    shares = same.agg(
        F.avg(F.when(F.col("rank") == 0, F.col("same"))).alias("first"),
        F.avg("same").alias("all"),
        F.count_distinct("note_id").alias("notes"),
    ).collect()[0]
    return Agreement(name, shares["first"] or 0.0, shares["all"], shares["notes"]) if shares["notes"] else None
