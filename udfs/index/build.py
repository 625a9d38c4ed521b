"""Building index shards inside executors: rows to lists and shards, then the files of one shard; and training's lists."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from udfs.arrow import ArrowMap, as_matrix, read_rows, to_array, to_bytes
from udfs.task import partition_number
from udfs.worker import load_once
from uninote.index.files.folder import IndexFolder
from uninote.index.files.manifest import shard_from
from uninote.index.files.records import ShardFile
from uninote.index.files.stored_file import IndexDamagedError, StoredFile
from uninote.index.note_keys import COLUMNS
from uninote.index.open_shard import OpenShard
from uninote.index.planning.plan import LIST_ROUNDS
from uninote.index.shard_builder import ShardBuilder
from uninote.index.template.centroids import Centroids
from uninote.index.template.template import Template, load_template
from uninote.vectors.kmeans import compute_in_one_thread, fit_kmeans

Given = Callable[[], np.ndarray]


@dataclass(frozen=True)
class SegmentBuild:
    """Where a segment is built, with which template, how its cells are shared out, and the id that its files bear.

    `carried` are shards of an older segment whose rows come along. With `rerank`, vectors lie beside the codes.
    """

    folder: IndexFolder
    template: str
    cell_shard: tuple[int, ...]
    build_id: str
    carried: tuple[ShardFile, ...] = ()
    rerank: bool = False

    def stem(self, shard: int) -> str:
        """Return the name of a shard's files, their suffixes apart."""
        return f"shard-{shard:05d}-{self.build_id}"

    def load_template(self) -> Template:
        """Return the template, read once a process, and keep FAISS to the one core that Spark gave the task."""
        compute_in_one_thread()
        return load_once(self.template, lambda: load_template(self.folder, self.template))

    def finished(self) -> dict[int, ShardFile]:
        """Return the shards that an earlier attempt finished: a shard's record is written last."""
        sizes = self.folder.sizes()
        found: dict[int, ShardFile] = {}
        for name in sizes:
            if name.startswith("shard-") and name.endswith(f"-{self.build_id}.json"):
                shard = shard_from(json.loads(self.folder.read(name)))
                if all(self._is_as_written(file, sizes) for file in shard.files):
                    found[shard.shard_id] = shard
        return found

    def _is_as_written(self, file: StoredFile, sizes: Mapping[str, int]) -> bool:
        try:
            self.folder.check_size(file, sizes)
            self.folder.checked(file)
        except IndexDamagedError:
            return False
        return True


def make_route(build: SegmentBuild) -> ArrowMap:
    """Map rows with a `vector`, as bytes, to the same, rotated, with the `list` and the `shard` each belongs to."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        template = build.load_template()
        shards = np.array(build.cell_shard, np.int32)
        for batch in batches:
            vectors = as_matrix(batch.column("vector"), template.width)
            rotated = template.rotate(vectors)
            lists = template.assign(rotated) if len(batch) else np.empty(0, np.int32)
            if template.rotation is not None:
                # Codes are of rotated vectors: shards get them so, and need not rotate again.
                place = batch.schema.get_field_index("vector")
                batch = batch.set_column(place, batch.schema.field(place), to_bytes(rotated))
            routed = batch.append_column("list", pa.array(lists, pa.int32()))
            yield routed.append_column("shard", pa.array(shards[template.list_cell[lists]], pa.int32()))

    return run


def make_shards(build: SegmentBuild, shards: Sequence[int], dropped: Given, count: Callable[[int], None]) -> ArrowMap:
    """Build, from the routed rows of a partition and what is carried, the shard that `shards` names in its place.

    `dropped`, sorted int64, are keys that are not carried. Yields the shard's record as JSON; no rows yield no record.
    """

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        shard = shards[partition_number()]
        template = build.load_template()
        cells = np.flatnonzero(np.array(build.cell_shard) == shard)
        builder = ShardBuilder(template, shard, cells, build.rerank)
        for old in build.carried:
            # Codes are copied: what earlier updates encoded is not read from the table again.
            if set(old.cells) & set(cells.tolist()):
                builder.take(OpenShard(build.folder, old, template.nlist, dropped()))
        for batch in map(_with_key, batches):
            builder.add(
                batch.select(COLUMNS),
                as_matrix(batch.column("vector"), template.width),
                batch.column("list").to_numpy(),
            )
            count(len(batch))
        if builder.rows:
            # The record goes last, and says that all files are there: see `finished`.
            record = json.dumps(asdict(builder.finish(build.folder, build.stem(shard))))
            build.folder.put(f"{build.stem(shard)}.json", lambda path: _write(path, record))
            yield pa.RecordBatch.from_pydict({"shard": [record]})

    return run


def _with_key(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return the rows that have a key: one without only names its shard."""
    return batch.filter(pc.is_valid(batch.column("item_key")))


def make_group(groups: Given) -> ArrowMap:
    """Map (item_key, vector) to (group, vector as bytes): the nearest of the group centres, float32 (groups, width)."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        compute_in_one_thread()
        nearest = Centroids(groups())
        for batch in batches:
            if len(batch):
                matrix = as_matrix(batch.column("vector"))
                found = nearest.nearest(matrix)[:, 0]
                vectors = to_bytes(matrix)
                yield pa.RecordBatch.from_arrays([pa.array(found), vectors], ["group", "vector"])

    return run


def make_lists(wanted: Given, seed: int) -> ArrowMap:
    """Map the vectors of a group (one partition) to the centres of as many lists as `wanted`, int (groups,), says."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        compute_in_one_thread()
        # `read_rows` reads keys and vectors; here the group stands where it expects the key.
        keyed = (batch.rename_columns(["item_key", "vector"]) for batch in batches)
        groups, vectors = read_rows(keyed)
        if len(vectors):
            group = int(groups[0])
            count = min(int(wanted()[group]), len(vectors))
            centres = fit_kmeans(vectors, count, seed, LIST_ROUNDS)
            numbers = pa.array(np.full(len(centres), group), pa.int32())
            yield pa.RecordBatch.from_arrays([numbers, to_array(centres)], ["group", "vector"])

    return run


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
