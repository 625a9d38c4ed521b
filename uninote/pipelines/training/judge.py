"""A judge's scores of pairs in the place of the encoder's, each asked for once: what was asked stays in the lake."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from udfs.training.drafts import SHOWN
from udfs.training.judging import JUDGED, make_judged, make_judgements
from uninote.pipelines.lake.run import Run
from uninote.pipelines.runtime.progress import say, step
from uninote.pipelines.training.assembly import Assembly, stored
from uninote.pipelines.training.teacher import EXAMPLE
from uninote.storage import lake_files
from uninote.training.dataset.schemas import NO_ITEM
from uninote.training.from_notes.soft_scores import ANSWERS
from uninote.training.judging import identity_of

_MARKS = ["query_mark", "candidate_mark"]


def with_judge(run: Run, assembly: Assembly, answers: DataFrame, sources: DataFrame, working: str) -> DataFrame:
    """Return ANSWERS with the judge's scores. Pairs that it scored in any run, killed or not, are not asked for again."""
    name = run.config.training.judge
    if name is None:
        return answers
    folder = run.lake.uri(f"training/judged-{identity_of(name)}")
    pairs = stored(run, _pairs(assembly, answers), f"{working}/pairs")
    scored = pairs.where(F.col("candidate") != NO_ITEM)
    asked = (
        scored.select(*_MARKS, "query", "candidate")
        .dropDuplicates(_MARKS)
        .join(_known(run, folder), _MARKS, "left_anti")
    )
    asked = stored(run, asked, f"{working}/asked")
    say(f"training set: {name} is asked for {asked.count():,} pairs")
    shown = stored(run, _shown(assembly, sources), f"{working}/shown")
    for end in ("query", "candidate"):
        of_end = shown.select(F.col("item").alias(end), F.struct("shown", "images").alias(f"{end}_shown"))
        asked = asked.join(of_end, end).drop(end).withColumnRenamed(f"{end}_shown", end)
    with step(f"training set: {name}"):
        ordered = asked.repartition(*_MARKS).sortWithinPartitions(*_MARKS)
        said = ordered.mapInArrow(make_judgements(name, folder), "pairs bigint")
        said.write.format("noop").mode("overwrite").save()
    found = pairs.join(_known(run, folder), _MARKS, "left")
    each = F.collect_list(F.struct("pos", "candidate", "score")).alias("found")
    rows = found.groupBy(*EXAMPLE, "inside").agg(each)
    judged = rows.mapInArrow(make_judged(run.config.training.margin), from_arrow_schema(ANSWERS))
    return stored(run, judged, f"{working}/judged")


def _pairs(assembly: Assembly, answers: DataFrame) -> DataFrame:
    """Return each example's pairs in the order of `make_judged`, with what names them in any set; NO_ITEM has no mark."""
    candidates = F.concat(F.array("positive", "by_rule"), "negatives")
    pairs = answers.select(*EXAMPLE, "inside", F.posexplode(candidates).alias("pos", "candidate"))
    marks = assembly.numbers.select("item", "mark")
    queries = marks.select(F.col("item").alias("query"), F.col("mark").alias("query_mark"))
    others = marks.select(F.col("item").alias("candidate"), F.col("mark").alias("candidate_mark"))
    return pairs.join(queries, "query").join(others, "candidate", "left")


def _known(run: Run, folder: str) -> DataFrame:
    """Return what the judge has said, each pair once."""
    schema = from_arrow_schema(JUDGED)
    if not lake_files.files_below(folder):
        return run.spark.createDataFrame([], schema)
    found = run.spark.read.schema(schema).parquet(folder)
    return found.groupBy(*_MARKS).agg(F.min("score").alias("score"))


def _shown(assembly: Assembly, sources: DataFrame) -> DataFrame:
    """Return (item, shown, images): what each item shows as JSON, and its encoded images in their order."""
    contents = assembly.drafts.select("split", F.inline("contents")).drop("elements").dropDuplicates(["mark", "split"])
    items = assembly.numbers.select("mark", "split", "item").join(contents, ["mark", "split"])
    images = items.select("item", F.posexplode("images.digest").alias("pos", "digest"))
    files = (
        sources.select(F.explode("files").alias("file"))
        .select("file.digest", "file.content")
        .dropDuplicates(["digest"])
    )
    held = images.join(files, "digest").groupBy("item")
    bytes_of = held.agg(F.array_sort(F.collect_list(F.struct("pos", "content")))["content"].alias("files"))
    shown = items.select("item", F.to_json(F.struct(*SHOWN)).alias("shown"))
    return shown.join(bytes_of, "item", "left").withColumnRenamed("files", "images")
