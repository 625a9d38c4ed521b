"""Building index shards inside executors: rows to shards, then one FAISS file and one key file a shard."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark import TaskContext

from udfs.arrow_vectors import to_matrix
from udfs.notes import ArrowMap
from udfs.worker_cache import load_once
from uninote.index.shard import ShardBuilder
from uninote.index.template import Template
from uninote.index.threads import one_thread


def make_route(template_folder: str) -> ArrowMap:
    """Map (item_key, note_id, vector) to the same with the `shard` and the `list` each row belongs to."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        template = _template(template_folder)
        for batch in batches:
            lists = template.assign(to_matrix(batch.column("vector")))
            routed = batch.append_column("list", pa.array(lists, pa.int32()))
            yield routed.append_column("shard", pa.array(template.shard_of_list[lists], pa.int32()))

    return run


def make_shards(template_folder: str, folder: str, count: Callable[[int], None]) -> ArrowMap:
    """Build the shard whose number is the partition's from the rows of `make_route`; yields its record as JSON."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        number = TaskContext.get().partitionId()
        builder = ShardBuilder(_template(template_folder), number)
        stem = f"shard-{number:05d}"
        with _KeyFile(Path(folder) / f"{stem}.keys.parquet") as keys:
            for batch in batches:
                keys.write(batch.select(["item_key", "note_id"]))
                vectors, lists = to_matrix(batch.column("vector")), batch.column("list").to_numpy()
                builder.add(batch.column("item_key").to_numpy(), vectors, lists)
                count(len(batch))
        record = builder.finish(Path(folder), stem)
        yield pa.RecordBatch.from_pydict({"shard": [record.to_json()]})

    return run


def _template(folder: str) -> Template:
    one_thread()  # as many cores as Spark gave the task
    return load_once(folder, lambda: Template.load(Path(folder)))
