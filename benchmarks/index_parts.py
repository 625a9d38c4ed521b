"""An index built in one process, as executors build it: rows in batches, shards, segments, a manifest."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import numpy as np
import pyarrow as pa

from uninote.index.files.folder import IndexFolder
from uninote.index.files.manifest import publish_manifest
from uninote.index.files.records import Manifest, Segment, ShardFile
from uninote.index.note_keys import COLUMNS
from uninote.index.planning.plan import FAST_SCAN_NBITS, IndexPlan
from uninote.index.shard_builder import ShardBuilder
from uninote.index.template.template import Template
from uninote.index.template.training import train_template

BATCH = 10_000
QUERIES = 1000
Result = TypeVar("Result")


def cpu_of(work: Callable[[], Result]) -> tuple[float, Result]:
    """Return the CPU-seconds of a call, and what it returned."""
    started = time.process_time()
    result = work()
    return time.process_time() - started, result


def batches(vectors: np.ndarray, first_key: int = 0) -> Iterator[tuple[pa.RecordBatch, np.ndarray]]:
    """Yield the rows as Spark brings them: keys with their notes, and vectors."""
    for start in range(0, len(vectors), BATCH):
        part = vectors[start : start + BATCH]
        keys = pa.array(np.arange(first_key + start, first_key + start + len(part)))
        columns = {"item_key": keys, "note_id": keys}
        for name in COLUMNS[2:]:
            columns[name] = pa.nulls(len(part), pa.string())
        yield pa.RecordBatch.from_pydict(columns), part


def has_vectors(template: Template) -> bool:
    """Say whether searches rank again by vectors: plans have codes of 4 bits where they do."""
    return template.index.pq.nbits == FAST_SCAN_NBITS


def add_all(template: Template, vectors: np.ndarray, num_shards: int, first_key: int = 0) -> dict[int, ShardBuilder]:
    """Assign and encode every row, shard by shard, as the executors do."""
    cell_shard = template.pack(num_shards)
    builders: dict[int, ShardBuilder] = {}
    for rows, part in batches(vectors, first_key):
        rotated = template.rotate(part)
        lists = template.assign(rotated)
        shards = cell_shard[template.list_cell[lists]]
        for shard in np.unique(shards).tolist():
            if shard not in builders:
                cells = np.flatnonzero(cell_shard == shard)
                builders[shard] = ShardBuilder(template, shard, cells, has_vectors(template))
            mine = np.flatnonzero(shards == shard)
            builders[shard].add(rows.take(pa.array(mine)), rotated[mine], lists[mine])
    return builders


def build(vectors: np.ndarray, plan: IndexPlan, first_key: int = 0) -> tuple[Template, dict[int, ShardBuilder]]:
    """Train and add, as one process; the rows have the keys from `first_key` on."""
    every = max(1, len(vectors) // plan.train_rows)
    template = train_template(np.ascontiguousarray(vectors[::every][: plan.train_rows]), plan, 0)
    return template, add_all(template, vectors, plan.num_shards, first_key)


def publish(folder: IndexFolder, template: Template, plan: IndexPlan, segments: list[Segment], live: int) -> None:
    """Publish an index of these segments."""
    name = template.save(folder)
    publish_manifest(folder, Manifest("g", plan.width, ("note",), "", plan, name, 8, live, tuple(segments), ""))


def finish(folder: IndexFolder, builders: dict[int, ShardBuilder], name: str) -> tuple[ShardFile, ...]:
    """Write the shards' files."""
    shards = []
    for number, builder in sorted(builders.items()):
        shards.append(builder.finish(folder, f"shard-{number:05d}-{name}"))
    return tuple(shards)
