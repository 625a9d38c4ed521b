"""Labels of branches: words are counted, weighed and chosen by executors, and the driver gets the chosen ones."""

from __future__ import annotations

from pyspark.sql import Window
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from udfs.corpus_map.labels import LABELS, make_labels
from udfs.corpus_map.words import COUNTED, count_words
from uninote.pipelines.corpus_map.coded import BRANCH, Coded, Key, rows_of
from uninote.pipelines.lake import tables

CHARACTERS = 600  # of a note's text


def labels(coded: Coded, notes: int, branches: int) -> dict[Key, tuple[str, ...]]:
    """Return the label of each branch of both levels, of a lake with so many notes and branches of the first level."""
    topics = F.array_join(F.coalesce("topics", F.array().cast("array<string>")), " ")
    text = F.substring(F.concat_ws(" ", "title", topics, "body"), 1, CHARACTERS).alias("text")
    texts = tables.read_table(coded.run.spark, coded.run.lake.uri("notes")).select("note_id", text)
    mine = coded.sample(notes).join(texts, "note_id").select(*BRANCH, "text")
    # Texts go to the tasks of their branches, which count in memory: shuffling a row for each word of each note, of which few
    # occur twice in a branch of the second level, took most of a map's time.
    counted = mine.groupBy("first").applyInArrow(count_words, from_arrow_schema(COUNTED)).persist()
    below = counted.where("word IS NULL").select(*LABELS.names)
    totals = F.sum("notes").over(Window.partitionBy("word")).alias("total")
    words = counted.where("word IS NOT NULL").select("first", "word", "notes", totals)
    whole = words.groupBy("first").applyInArrow(make_labels(branches), from_arrow_schema(LABELS))
    found = below.unionByName(whole).toArrow()
    counted.unpersist()
    return {(first, second): tuple(label) for first, second, label in rows_of(found)}
