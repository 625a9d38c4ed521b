"""What a teacher says of a training set: soft scores of its pairs, and hard negatives in a window of similarity.

The teacher is the configured encoder. It embeds the items' elements, single images and texts, once; a composite candidate's
score is MaxSim over its elements, as the paper says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import starmap
from typing import Any

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructField, StructType

from udfs.arrow import to_matrix
from uninote.lake.schemas import IMAGE_BYTES, notes_table
from uninote.pipelines.embed.steps.model_run import model_tasks
from uninote.pipelines.lake.run import Run
from uninote.pipelines.runtime.progress import say
from uninote.training.from_notes.assembly import Assembly
from uninote.training.from_notes.negatives import Window
from uninote.training.from_notes.soft_scores import Elements, score_examples

STAGING = "staging/teacher"


def teach(run: Run, assembly: Assembly, sources: DataFrame) -> None:
    """Add the teacher's scores, and the negatives it finds, to the examples of `assembly`."""
    settings = run.config.training
    elements = Elements.of(assembly.items)
    say(f"training set: the teacher embeds {len(elements.contents):,} images and texts")
    vectors = _embedded(run, elements, sources)
    window = Window(settings.window[0], settings.window[1], settings.margin, settings.negatives)
    score_examples(assembly, elements, vectors, window)


def _embedded(run: Run, elements: Elements, sources: DataFrame) -> np.ndarray:
    """Return float32 (elements, width): the teacher's vectors, NaN where it could not embed one."""
    items = _items(run, elements, sources)
    with model_tasks(run, staging=run.generation.uri(f"{STAGING}-{run.run_id}")) as tasks:
        answers = tasks.stage(items, len(elements.contents), "training set: teacher").select("item_key", "vector")
        found = answers.where("vector IS NOT NULL").toArrow()
    # What the teacher could not embed stays NaN, by which examples with it are taken out later.
    vectors = np.full((len(elements.contents), run.model.full_width), np.nan, np.float32)
    for batch in found.to_batches():
        vectors[batch.column("item_key").to_numpy()] = to_matrix(batch.column("vector"))
    return vectors


def _items(run: Run, elements: Elements, sources: DataFrame) -> DataFrame:
    """Return the elements as the model's tasks take items: content, and the bytes of images beside."""
    rows = list(starmap(_row, enumerate(elements.contents)))
    notes = notes_table(run.note_id).schema
    schema = StructType(
        [StructField("item_key", StringType()), notes["title"], notes["body"], notes["topics"], notes["images"]]
    )
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
