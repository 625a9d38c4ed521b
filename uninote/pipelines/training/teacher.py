"""What a teacher says of a training set: soft scores of its pairs, and hard negatives in a window of similarity.

The teacher is the configured encoder. It embeds the items' elements, single images and texts, once; a composite candidate's
score is MaxSim over its elements, as the paper says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import starmap
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark import Broadcast
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema
from pyspark.sql.types import StringType, StructField, StructType

from udfs.training.mining import TeacherVectors, make_answers, make_histograms
from uninote.lake.schemas import CONTENT, IMAGE_BYTES
from uninote.pipelines.embed.steps.model_run import model_tasks
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.run import Run
from uninote.pipelines.runtime.progress import say, step
from uninote.training.from_notes.assembly import Assembly
from uninote.training.from_notes.mining import LEAST_WIDTH, Composites, quantile
from uninote.training.from_notes.negatives import Window
from uninote.training.from_notes.soft_scores import ANSWERS, Elements, pools_of, questions_of, take_scores
from uninote.vectors.sampling import first_in_order

STAGING = "staging/teacher"
SAMPLE = 64  # queries of a pool, each scored against all of it: millions of scores where a pool is large
_WORTH_A_TASK = 64  # examples


def teach(run: Run, assembly: Assembly, sources: DataFrame) -> Counter[str]:
    """Add the teacher's scores, and the negatives it finds, to the examples of `assembly`; returns `take_scores`' counts."""
    settings = run.config.training
    elements = Elements.of(assembly.items)
    say(f"training set: the teacher embeds {len(elements.contents):,} images and texts")
    with _embedded(run, elements, sources) as vectors:
        answers = _answers(run, assembly, elements, vectors)
    return take_scores(assembly, answers, settings.negatives)


@contextmanager
def _embedded(run: Run, elements: Elements, sources: DataFrame) -> Iterator[TeacherVectors]:
    """Yield the teacher's vectors, stored where tasks find them for as long as the context lasts."""
    items = _items(run, elements, sources)
    place = run.generation.uri(f"{STAGING}-{run.run_id}")
    application = str(run.spark.sparkContext.applicationId)
    vectors = TeacherVectors(place, len(elements.contents), run.model.full_width, application)
    try:
        with model_tasks(run, staging=place) as tasks:
            tasks.stage(items, len(elements.contents), "training set: teacher")
        yield vectors
    finally:
        tables.remove(place)
        vectors.drop()


def _answers(run: Run, assembly: Assembly, elements: Elements, vectors: TeacherVectors) -> pa.Table:
    """Score all examples, and find their negatives, in tasks."""
    context = run.spark.sparkContext
    pools = context.broadcast(pools_of(assembly, elements))
    questions = questions_of(assembly, elements)
    try:
        windows = _windows(run, questions, vectors, pools)
        asked = _in_tasks(run, questions)
        with step(f"training set: negatives of {len(questions):,} examples"):
            answers = make_answers(vectors, lambda: pools.value, windows)
            return asked.mapInArrow(answers, from_arrow_schema(ANSWERS)).toArrow()
    finally:
        pools.destroy()


def _in_tasks(run: Run, questions: pa.Table) -> DataFrame:
    """Return the questions as rows of tasks, those of one pool beside each other."""
    tasks = max(1, min(4 * run.spark.sparkContext.defaultParallelism, len(questions) // _WORTH_A_TASK))
    return (
        run.spark.createDataFrame(questions).repartitionByRange(tasks, "pool", "example").sortWithinPartitions("pool")
    )


def _windows(
    run: Run, questions: pa.Table, vectors: TeacherVectors, pools: Broadcast[dict[str, Composites]]
) -> dict[str, Window]:
    """Return the window of each pool: as configured, or between such shares of the scores of a sample of its queries."""
    settings = run.config.training
    window = Window(*settings.window, settings.margin, settings.negatives, settings.seed)
    names = questions["pool"].unique().to_pylist()
    if settings.window_unit == "cosine":
        return dict.fromkeys(names, window)
    sample = []
    for name in names:
        own = questions.filter(pc.equal(questions["pool"], name))
        sample.append(own.take(pa.array(first_in_order(own["mark"].to_numpy(), SAMPLE, settings.seed))))
    with step("training set: scores of the teacher, on a sample"):
        counted = _in_tasks(run, pa.concat_tables(sample)).mapInArrow(
            make_histograms(vectors, lambda: pools.value), "pool string, counts binary"
        )
        found = counted.toArrow().to_pylist()
    windows = {}
    for name in names:
        counts = np.sum([np.frombuffer(one["counts"], np.int64) for one in found if one["pool"] == name], axis=0)
        low, high = (quantile(counts, end) for end in settings.window)
        say(f"training set: of {name}, candidates from {low:.3f} to {high:.3f} are hard negatives")
        # All scores may be equal, and a window has a width.
        windows[name] = replace(window, low=low, high=max(high, low + LEAST_WIDTH))
    return windows


def _items(run: Run, elements: Elements, sources: DataFrame) -> DataFrame:
    """Return the elements as the model's tasks take items: content, and the bytes of images beside."""
    rows = list(starmap(_row, enumerate(elements.contents)))
    schema = StructType([StructField("item_key", StringType()), *CONTENT])
    frame = run.spark.createDataFrame(rows, schema).withColumn("item_key", F.col("item_key").cast("bigint"))
    files = sources.select(F.explode("files").alias("file")).select("file.*").dropDuplicates(["digest"])
    # An element has one image at most, named by its digest as an inline URI: the bytes come with the row, from no store.
    digest = F.substring_index(F.get("images.uri", F.lit(0)), ":", -1)
    joined = frame.withColumn("digest", digest).join(files, "digest", "left")
    uri = F.get("images.uri", F.lit(0)).alias("uri")
    inline = F.when(F.col("content").isNotNull(), F.array(F.struct(uri, "content"))).cast(
        f"array<{IMAGE_BYTES.schema.simpleString()}>"
    )
    key = F.col("item_key").cast("string")
    fixed = {"item_id": key, "content_hash": key, "kind": F.lit("note"), "meta_hash": F.lit("")}
    return joined.withColumns({"inline": inline, **fixed, "note_id": F.lit(None).cast(run.note_id)})


def _row(number: int, content: Mapping[str, Any]) -> tuple[Any, ...]:
    images: Sequence[Any] = [(f"inline:{image['digest']}", image["ocr"]) for image in content["images"]]
    return str(number), content["title"], content["body"], content["topics"], images
