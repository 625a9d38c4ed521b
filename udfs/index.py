"""Building index shards inside executors: rows to shards, then one FAISS file and one key file a shard."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from udfs.arrow_vectors import to_matrix
from udfs.notes import ArrowMap
from udfs.worker_cache import load_once
from uninote.index.files import write_whole
from uninote.index.shard import ShardBuilder
from uninote.index.template import Template, load_template
from uninote.kmeans import compute_in_one_thread


@dataclass(frozen=True)
class IndexBuild:
    """Where an index is built, with which template, and what its files are marked with, so that builds do not meet."""

    folder: str
    template: str
    mark: str

    def stem(self, shard: int) -> str:
        """Return the name of a shard's files, their suffixes apart."""
        return f"shard-{shard:05d}-{self.mark}"

    def load_template(self) -> Template:
        """Return the template, read once a process, and keep FAISS to the one core that Spark gave the task."""
        compute_in_one_thread()
        return load_once(self.template, lambda: load_template(Path(self.folder), self.template))


def make_route(build: IndexBuild) -> ArrowMap:
    """Map (item_key, note_id, vector) to the same with the `list` and the `shard` each row belongs to."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        template = build.load_template()
        for batch in batches:
            lists = template.assign(to_matrix(batch.column("vector")))
            routed = batch.append_column("list", pa.array(lists, pa.int32()))
            yield routed.append_column("shard", pa.array(template.shard_of_list[lists], pa.int32()))

    return run


def make_shards(build: IndexBuild, count: Callable[[int], None]) -> ArrowMap:
    """Build one shard from the routed rows of a partition; yields its record as JSON. No rows yield no record."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        first = next((batch for batch in batches if len(batch)), None)
        if first is None:
            return
        shard = first.column("shard")[0].as_py()
        builder = ShardBuilder(build.load_template(), shard)

        def fill(path: Path) -> None:
            with pq.ParquetWriter(path, first.select(["item_key", "note_id"]).schema) as keys:
                for batch in chain([first], batches):
                    keys.write_batch(batch.select(["item_key", "note_id"]))
                    vectors, lists = to_matrix(batch.column("vector")), batch.column("list").to_numpy()
                    builder.add(batch.column("item_key").to_numpy(), vectors, lists)
                    count(len(batch))

        write_whole(Path(build.folder) / f"{build.stem(shard)}.keys.parquet", fill)
        record = builder.finish(Path(build.folder), build.stem(shard))
        yield pa.RecordBatch.from_pydict({"shard": [json.dumps(asdict(record))]})

    return run
