"""Running the model over items: the broadcast, the tasks, and what they said, stored before it is split."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from pyspark import Broadcast
from pyspark.resource import ResourceProfile
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import (
    ArrayType,
    BinaryType,
    BooleanType,
    DataType,
    DoubleType,
    IntegerType,
    LongType,
    StringType,
    StructType,
)

from udfs.arrow import over_parts
from udfs.embed.devices import Known, to_stream
from udfs.embed.model_files import fits_broadcast, read_files
from udfs.embed.model_run import EmbedTask, make_embed
from udfs.embed.worker_model import Files, WorkerModel, make_load
from udfs.notes.fingerprints import MODEL_COLUMNS
from uninote.lake.schemas import CONTENT, CUTS, IMAGE_BYTES, VECTOR, items_table, struct_of
from uninote.media.fetching import MediaPolicy
from uninote.model.encoder import WITHOUT_TORCH, modules_of
from uninote.pipelines.embed.steps.outcomes import PHASES
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.encoders import check_widths, require_encoder
from uninote.pipelines.lake.run import Run
from uninote.pipelines.notes.images.image_bytes import INLINE
from uninote.pipelines.notes.images.image_hashes import hashes_images
from uninote.pipelines.notes.images.media_roots import media_policy, s3_options
from uninote.pipelines.notes.items import ITEM_KEY, items_of
from uninote.pipelines.runtime.environment import importing
from uninote.pipelines.runtime.gpus import device_for, model_profile
from uninote.pipelines.runtime.progress import watched
from uninote.storage.private_folders import own_folder

# A lazy frame used twice would run the model twice.
STAGED = "answers"
# Items: fewer take less time than a task takes to begin.
WORTH_A_TASK = 50
# A worker cuts batches within what it prepares together: a thousand short texts, or some two hundred long ones.
SORTED_ROWS = 256
PASSED = ("note_id", *ITEM_KEY, "item_key", "content_hash", "meta_hash")
_HASH = struct_of(digest=StringType(), bits=BinaryType(), quality=IntegerType())
_REJECT = struct_of(item_id=StringType(), kind=StringType(), reason=StringType(), message=StringType())


def with_content(run: Run, notes: DataFrame, keyed: DataFrame) -> DataFrame:
    """Add what the model sees of each item: MODEL_COLUMNS, and as `inline` the bytes of images that are in the lake."""
    content = items_of(notes, run.config.embed.kinds).select(*ITEM_KEY, *MODEL_COLUMNS)
    return with_stored(run, keyed.join(content, list(ITEM_KEY), "left"))


def with_stored(run: Run, items: DataFrame) -> DataFrame:
    """Add `inline`, out of the images that the lake holds as bytes."""
    uri = run.lake.uri(IMAGE_BYTES.name)
    return with_inline(items, tables.read_table(run.spark, uri) if tables.has_table(uri) else None)


def with_inline(items: DataFrame, images: DataFrame | None) -> DataFrame:
    """Add `inline`: the (uri, content) of an item's images that are among `images`."""
    if images is None:
        return items.withColumn("inline", F.lit(None).cast(ArrayType(IMAGE_BYTES.schema)))
    wanted = items.select(*ITEM_KEY, F.explode(F.array_distinct("images.uri")).alias("uri"))
    held = wanted.where(F.col("uri").startswith(INLINE)).join(images, "uri")
    inline = held.groupBy(*ITEM_KEY).agg(F.collect_list(F.struct("uri", "content")).alias("inline"))
    return items.join(inline, list(ITEM_KEY), "left")


@contextmanager
def model_tasks(run: Run, media: MediaPolicy | None = None, staging: str | None = None) -> Iterator[Tasks]:
    """Yield what runs the configured model on the executors; its broadcast goes when the context ends.

    `media` null allows what the notes may name. The model's answers are stored at `staging`, a URI; null: among
    what the run holds for itself.
    """
    require_encoder(run.model)
    folder = run.model.folder
    is_sent = fits_broadcast(folder, run.config.model.broadcast_mib << 20) and not _is_at_hand(run)
    files = run.spark.sparkContext.broadcast(read_files(folder)) if is_sent else None
    try:
        yield Tasks(run, files, media or media_policy(run), staging or run.staging(STAGED))
    finally:
        if files is not None:
            files.destroy()


def _is_at_hand(run: Run) -> bool:
    """Say whether workers are on this host, and the checkpoint is a private copy here already.

    A copy of it would cost half a gigabyte of disk and of the driver's memory.
    """
    model = run.model
    is_local = str(run.spark.sparkContext.master).startswith("local")
    return is_local and model.uri == str(model.folder) and own_folder() in model.folder.parents


@dataclass(frozen=True)
class Tasks:
    """The model, ready for executors; `known` as in EmbedTask."""

    run: Run
    files: Broadcast[dict[str, bytes]] | None
    media: MediaPolicy
    staging: str
    known: Known | None = None

    def with_content(self, notes: DataFrame, keyed: DataFrame) -> DataFrame:
        """Add what the model sees of each item."""
        return with_content(self.run, notes, keyed)

    def stage(self, items: DataFrame, rows: int, label: str) -> DataFrame:
        """Run the model over `items` (PASSED and content), store what it said of each, and return that."""
        run = self.run
        schema = staged_schema(run)
        if rows == 0:
            return run.spark.createDataFrame([], schema)
        uri = self.staging
        with watched(run.spark.sparkContext, label, rows) as done:
            embed = make_embed(make_load(self._model(), self._files()), self._task(), done.add, to_arrow_schema(schema))
            with importing(run.spark.sparkContext, modules_of(run.model.kind)):
                arranged = _arranged(items, rows, self._tasks(rows))
                said = arranged.mapInArrow(embed, schema, profile=self._profile())
            said.write.mode("overwrite").parquet(uri)
        return run.spark.read.schema(schema).parquet(uri)

    def answer(self, rows: Sequence[Mapping[str, Any]], label: str) -> pa.Table:
        """Run the model over a few items (PASSED and content) that this process holds, and return what it said of each."""
        run = self.run
        schema = staged_schema(run)
        parts = _parted(rows, _few_schema(run), self._tasks(len(rows)))
        with watched(run.spark.sparkContext, label, len(rows)) as done:
            embed = make_embed(make_load(self._model(), self._files()), self._task(), done.add, to_arrow_schema(schema))
            with importing(run.spark.sparkContext, modules_of(run.model.kind)):
                numbers = run.spark.range(0, len(parts), 1, len(parts))
                said = numbers.mapInArrow(over_parts(parts, embed), schema, profile=self._profile())
            return said.toArrow()

    def _tasks(self, rows: int) -> int:
        return task_count(rows, self.run.config.embed.items_per_task, self.run.spark.sparkContext.defaultParallelism)

    def _profile(self) -> ResourceProfile | None:
        """Return what the model's tasks need beyond those of other stages."""
        gpu = self.run.config.model.gpu
        if gpu == "auto" and self.run.model.kind in WITHOUT_TORCH:
            return None
        return model_profile(self.run.spark.sparkContext, gpu)

    def _model(self) -> WorkerModel:
        model = self.run.model
        threads = int(self.run.spark.conf.get("spark.task.cpus", "1"))  # type: ignore[arg-type]
        options = s3_options(self.run.config)
        application = str(self.run.spark.sparkContext.applicationId)
        device = device_for(self.run.config.model.gpu)
        return WorkerModel(
            model.generation,
            model.kind,
            model.dtype,
            threads,
            model.uri,
            options,
            application,
            model.layout,
            device,
            model.limits,
            model.layers,
        )

    def _files(self) -> Files | None:
        files = self.files
        return None if files is None else lambda: files.value

    def _task(self) -> EmbedTask:
        config = self.run.config
        narrowest = check_widths(self.run.model, config.embed)[-1]
        media = self.media
        return EmbedTask(
            config.embed.batch_tokens, config.media.threads, media, narrowest, self.known, hashes_images(self.run)
        )


def task_count(rows: int, most: int, cores: int) -> int:
    """Return how many tasks: so many that none holds more than `most` rows, and where that would leave cores idle, more.

    They are the same number for each core: of three tasks on two cores, the last would have one for itself. Where executors
    come and go `cores` are those of the moment, few at the start: it is the rows then that make the tasks, for whoever comes.
    """
    bounded = -(-rows // most)
    return min(-(-bounded // cores) * cores, max(bounded, -(-rows // WORTH_A_TASK)))


def _arranged(items: DataFrame, rows: int, tasks: int) -> DataFrame:
    """Put equal contents into one task, beside each other, and items of similar length too, so that little is padded.

    Only SORTED_ROWS together: over a whole task, the long ones would all come first, and the time that is left would be taken
    for twice what it is.
    """
    texts = F.concat_ws("", "title", "body", F.array_join("topics", ""), F.array_join("images.ocr", ""))
    length = F.length(texts) + 1000 * F.greatest(F.size("images"), F.lit(0))
    wanted = items.select(*PASSED, *MODEL_COLUMNS, "inline")
    part = F.pmod(F.xxhash64("content_hash"), F.lit(-(-rows // (tasks * SORTED_ROWS))))
    return wanted.repartition(tasks, "content_hash").sortWithinPartitions(part, length.desc(), "content_hash")


def _parted(rows: Sequence[Mapping[str, Any]], schema: pa.Schema, tasks: int) -> list[bytes]:
    """Return a few items for each task, as Arrow streams: equal contents in one task, and items of similar length together."""
    parts: list[list[Mapping[str, Any]]] = [[] for _ in range(tasks)]
    for row in sorted(rows, key=_length, reverse=True):
        parts[int(row["content_hash"][:8], 16) % tasks].append(row)
    return [to_stream(pa.Table.from_pylist(part, schema)) for part in parts if part]


def _length(row: Mapping[str, Any]) -> int:
    return len("".join([row["title"] or "", row["body"] or "", *filter(None, row["topics"] or ())]))


def _few_schema(run: Run) -> pa.Schema:
    """Return PASSED and what the model sees of an item without images."""
    passed = staged_schema(run)
    columns: dict[str, DataType] = {name: passed[name].dataType for name in PASSED}
    columns |= {name: CONTENT[name].dataType for name in MODEL_COLUMNS}
    return to_arrow_schema(struct_of(**columns, inline=ArrayType(IMAGE_BYTES.schema)))


def staged_schema(run: Run) -> StructType:
    """Return the columns of what a model says of items: PASSED, the results, and what they took."""
    items = items_table(run.note_id).schema
    strings = dict.fromkeys((*ITEM_KEY, "content_hash", "meta_hash"), StringType())
    types = {"note_id": run.note_id, "item_key": LongType(), **strings}
    columns: dict[str, DataType] = {name: types[name] for name in PASSED}
    columns |= {"vector": VECTOR, "degraded": BooleanType(), "rejects": ArrayType(_REJECT)}
    for name in CUTS:
        columns[name] = items[name].dataType
    columns |= dict.fromkeys(("tokens", "padded_tokens", "unseen_images", "images_opened"), IntegerType())
    columns |= dict.fromkeys(PHASES, DoubleType())
    columns |= {"device": StringType(), "known_cosine": DoubleType(), "image_hashes": ArrayType(_HASH)}
    return struct_of(**columns)
