"""What a teacher says of a training set: soft scores of its pairs, and hard negatives in a window of similarity.

The teacher is the configured encoder. It embeds the items' elements, single images and texts, once; a composite candidate's
score is MaxSim over its elements, as the paper says.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from udfs.training.mining import POOLS, Pools, TeacherVectors, make_answers, make_histograms
from uninote.lake.schemas import CONTENT, IMAGE_BYTES
from uninote.pipelines.embed.steps.model_run import model_tasks
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.run import Run
from uninote.pipelines.runtime.progress import say, step
from uninote.pipelines.training.assembly import ROWS, Assembly, Ranges, stored
from uninote.training.dataset.schemas import NO_ITEM, TRAIN
from uninote.training.from_notes import negatives
from uninote.training.from_notes.mining import LEAST_WIDTH, quantile
from uninote.training.from_notes.soft_scores import ANSWERS, QUESTIONS

STAGING = "staging/teacher"
SAMPLE = 64  # queries of a strategy, each scored against all of its pool: millions of scores where that is large
_WORTH_A_TASK = 64  # examples
# Groups of a query's right answers that are never its negatives. A text of more notes is a phrase, and each of them an example.
_MOST_ANSWERS = 200
EXAMPLE = ("strategy", "query", "positive", "by_rule")


def teach(run: Run, assembly: Assembly, sources: DataFrame, working: str) -> DataFrame:
    """Return ANSWERS to the examples of the training split, each once; of parts without an element there is no answer."""
    train = assembly.examples.where(F.col("split") == TRAIN).select(*EXAMPLE).distinct()
    parts = assembly.numbers.where(F.size("elements") > 0).withColumn("element", F.explode("elements"))
    distinct = parts.select("element", _mark_of("element").alias("mark")).distinct()
    ranges = Ranges.of(distinct, ROWS)
    elements = stored(run, _numbered(distinct, ranges), f"{working}/elements")
    composites = stored(run, _composites(assembly, elements), f"{working}/composites")
    questions = stored(run, _questions(train, composites), f"{working}/questions")
    _pools(train, composites).write.parquet(f"{working}/pools")
    pools = Pools(f"{working}/pools", str(run.spark.sparkContext.applicationId))
    if not run.model.sees_images:
        say("training set: the teacher sees no images; their descriptions, or the texts read in them, stand in")
    say(f"training set: the teacher embeds {ranges.rows:,} images and texts")
    with _embedded(run, elements, ranges.rows, sources) as vectors:
        try:
            return _answered(run, questions, vectors, pools, f"{working}/answers")
        finally:
            pools.drop()


def _numbered(distinct: DataFrame, ranges: Ranges) -> DataFrame:
    """Number elements, (mark, element), from 0 in the order of their marks."""
    placed = distinct.withColumn("part", ranges.part())
    place = F.row_number().over(Window.partitionBy("part").orderBy("mark")) - 1
    return placed.select("mark", "element", (ranges.first() + place).cast("bigint").alias("number"))


def _composites(assembly: Assembly, elements: DataFrame) -> DataFrame:
    """Return POOLS of all items that have an element."""
    parts = assembly.numbers.select("item", "group", "mark", "kind", F.posexplode("elements").alias("pos", "element"))
    named = parts.withColumn("of_element", _mark_of("element")).drop("element")
    found = named.join(elements.select(F.col("mark").alias("of_element"), "number"), "of_element")
    rows = F.array_sort(F.collect_list(F.struct("pos", "number")))["number"]
    grouped = found.groupBy("kind", "item", "group", "mark").agg(rows.alias("elements"))
    # Negatives are drawn by a hash of what items show, which 64 bits of it name as well.
    return grouped.withColumn("mark", F.xxhash64("mark")).select(*POOLS.names)


def _pools(train: DataFrame, composites: DataFrame) -> DataFrame:
    """Return the candidates: what is a right answer of the training split, no negatives by rule."""
    return composites.join(train.select(F.col("positive").alias("item")).distinct(), "item").select(*POOLS.names)


def _questions(train: DataFrame, composites: DataFrame) -> DataFrame:
    def of(name: str, *columns: str | Column) -> DataFrame:
        rows = composites.withColumnRenamed("elements", f"{name}_elements")
        return rows.select(F.col("item").alias(name), f"{name}_elements", *columns)

    answers = _answer_groups(train, composites)
    rules = of("by_rule").withColumnRenamed("by_rule_elements", "rule_elements")
    positives = of("positive", "kind", F.array("group").alias("of_positive"))
    asked = train.join(of("query", "group", "mark"), "query").join(positives, "positive")
    asked = asked.join(rules, "by_rule", "left").join(answers, "query")
    asked = asked.withColumn("answers", F.array_except(F.array_union("of_positive", "answers"), F.array("group")))
    return asked.where(f"by_rule = {NO_ITEM} OR rule_elements IS NOT NULL").select(*QUESTIONS.names)


def _answer_groups(train: DataFrame, composites: DataFrame) -> DataFrame:
    """Return (query, answers): the groups of all that any example calls a right answer of a query, up to _MOST_ANSWERS."""
    groups = composites.select(F.col("item").alias("positive"), "group")
    found = train.select("query", "positive").distinct().join(groups, "positive")
    each = F.slice(F.sort_array(F.collect_set("group")), 1, _MOST_ANSWERS)
    return found.groupBy("query").agg(each.alias("answers"))


@contextmanager
def _embedded(run: Run, elements: DataFrame, count: int, sources: DataFrame) -> Iterator[TeacherVectors]:
    """Yield the teacher's vectors, stored where tasks find them for as long as the context lasts."""
    place = run.generation.uri(f"{STAGING}-{run.run_id}")
    application = str(run.spark.sparkContext.applicationId)
    vectors = TeacherVectors(place, count, run.model.full_width, application)
    try:
        with model_tasks(run, staging=place) as tasks:
            tasks.stage(_items(run, elements, sources), count, "training set: teacher")
        yield vectors
    finally:
        tables.remove(place)
        vectors.drop()


def _answered(run: Run, questions: DataFrame, vectors: TeacherVectors, pools: Pools, folder: str) -> DataFrame:
    """Score all examples, and find their negatives, in tasks."""
    counts = {row["strategy"]: row["count"] for row in questions.groupBy("strategy").count().collect()}
    windows = _windows(run, questions, counts, vectors, pools)
    asked = _in_tasks(run, questions, sum(counts.values()))
    with step(f"training set: negatives of {sum(counts.values()):,} examples"):
        answers = asked.mapInArrow(make_answers(vectors, pools, windows), from_arrow_schema(ANSWERS))
        return stored(run, answers, folder)


def _in_tasks(run: Run, questions: DataFrame, rows: int) -> DataFrame:
    """Spread the questions over tasks, those of one strategy beside each other."""
    tasks = max(1, min(4 * run.spark.sparkContext.defaultParallelism, rows // _WORTH_A_TASK))
    return questions.repartitionByRange(tasks, "strategy", "query").sortWithinPartitions("strategy")


def _windows(
    run: Run, questions: DataFrame, counts: dict[str, int], vectors: TeacherVectors, pools: Pools
) -> dict[str, negatives.Window]:
    """Return each strategy's window: as configured, or between such shares of the scores of a sample of its queries."""
    settings = run.config.training
    window = negatives.Window(*settings.window, settings.margin, settings.negatives, settings.seed)
    if settings.window_unit == "cosine":
        return dict.fromkeys(counts, window)
    drawn = Window.partitionBy("strategy").orderBy(F.xxhash64("mark", F.lit(settings.seed)), *EXAMPLE)
    sample = questions.withColumn("place", F.row_number().over(drawn)).where(F.col("place") <= SAMPLE).drop("place")
    with step("training set: scores of the teacher, on a sample"):
        asked = _in_tasks(run, sample, SAMPLE * len(counts))
        counted = asked.mapInArrow(make_histograms(vectors, pools), "strategy string, counts binary")
        found = counted.toArrow().to_pylist()
    windows = {}
    for name in sorted(counts):
        bins = np.sum([np.frombuffer(one["counts"], np.int64) for one in found if one["strategy"] == name], axis=0)
        low, high = (quantile(bins, end) for end in settings.window)
        say(f"training set: of {name}, candidates from {low:.3f} to {high:.3f} are hard negatives")
        # All scores may be equal, and a window has a width.
        windows[name] = replace(window, low=low, high=max(high, low + LEAST_WIDTH))
    return windows


def _items(run: Run, elements: DataFrame, sources: DataFrame) -> DataFrame:
    """Return the elements as the model's tasks take items: content, and the bytes of images beside."""
    shown = "title string, body string, topics array<string>, images array<struct<digest string, ocr string>>"
    rows = elements.select(F.col("number").alias("item_key"), F.from_json("element", shown).alias("shown"))
    files = sources.select(F.explode("files").alias("file")).select("file.*").dropDuplicates(["digest"])
    # An element has one image at most, named by its digest as an inline URI: the bytes come with the row, from no store.
    digest = F.get("shown.images.digest", F.lit(0))
    joined = rows.withColumn("digest", digest).join(files, "digest", "left")
    uri = F.concat(F.lit("inline:"), "digest").alias("uri")
    inline = F.when(F.col("content").isNotNull(), F.array(F.struct(uri, "content"))).cast(
        f"array<{IMAGE_BYTES.schema.simpleString()}>"
    )
    images = F.when(
        F.col("digest").isNotNull(), F.array(F.struct(uri, F.get("shown.images.ocr", F.lit(0)).alias("ocr")))
    )
    key = F.col("item_key").cast("string")
    fixed = {"item_id": key, "content_hash": key, "kind": F.lit("note"), "meta_hash": F.lit("")}
    return joined.withColumns(
        {
            "title": F.col("shown.title"),
            "body": F.col("shown.body"),
            "topics": F.col("shown.topics"),
            "images": F.coalesce(images, F.array()).cast(CONTENT["images"].dataType),
            "inline": inline,
            "note_id": F.lit(None).cast(run.note_id),
            **fixed,
        }
    )


def _mark_of(column: str) -> Column:
    return F.substring(F.sha2(column, 256), 1, 32)
