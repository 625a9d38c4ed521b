"""Building one segment of an index by executors: train when asked, route rows to shards, build those that are missing."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import IntegerType, StringType, StructField, StructType

from udfs.index.build import SegmentBuild, make_group, make_lists, make_route, make_shards
from udfs.samples import make_share
from uninote.errors import UninoteError
from uninote.index.files.folder import IndexFolder
from uninote.index.files.manifest import shard_from
from uninote.index.files.records import ShardFile, rows_in
from uninote.index.files.stored_file import IndexDamagedError
from uninote.index.planning.plan import IndexPlan
from uninote.index.template.centroids import Centroids
from uninote.index.template.template import Template, load_template
from uninote.index.template.training import finish_template, fit_rotation, train_template
from uninote.lake.schemas import VECTOR
from uninote.pipelines.index.rows import Rows
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.reading.stored_vectors import StoredVectors, with_bytes
from uninote.pipelines.lake.run import Run
from uninote.pipelines.runtime.progress import say, step, watched
from uninote.storage.types import MissingFileError
from uninote.vectors.kmeans import fit_kmeans, threads_unchanged
from uninote.vectors.sampling import share_of, training_seed

_DRIVER_ROWS = 65_536
_GROUPED = StructType([StructField("group", IntegerType()), StructField("vector", VECTOR)])


@dataclass(frozen=True)
class Carried:
    """The shards of an older segment whose rows come along, but for the keys `dropped`, sorted int64."""

    shards: tuple[ShardFile, ...]
    dropped: np.ndarray


NOTHING = Carried((), np.empty(0, np.int64))


@dataclass(frozen=True)
class SegmentRows:
    """What a segment is made of: new `rows` (note_keys.COLUMNS, and vector as bytes), and what is carried; `count` in all."""

    rows: Rows
    count: int
    carried: Carried = NOTHING


@dataclass(frozen=True)
class Build:
    """The run, the folder, and the id of what is being built, which its files bear: an attempt that was killed leaves some.

    With `rerank`, vectors lie beside the codes.
    """

    run: Run
    folder: IndexFolder
    build_id: str
    rerank: bool

    def template(self, vectors: StoredVectors, plan: IndexPlan) -> tuple[str, Template]:
        """Return (hash, template) trained on a sample of `vectors`, or what an attempt before this one trained."""
        note = f"trained-{self.build_id}.json"
        try:
            name = json.loads(self.folder.read(note))["template"]
            return name, load_template(self.folder, name)
        except MissingFileError:
            pass
        except (IndexDamagedError, ValueError, KeyError) as error:
            say(f"index w{plan.width}: {error}; training again")
        say(f"index w{plan.width}: training on {plan.train_rows:,} rows")
        template = self._train(vectors, plan)
        name = template.save(self.folder)
        self.folder.put(note, lambda path: _write(path, json.dumps({"template": name})))
        return name, template

    def segment(self, wanted: SegmentRows, template: tuple[str, Template], num_shards: int) -> tuple[ShardFile, ...]:
        """Build the shards of a segment that are not there yet, and return all of them.

        Raises UninoteError unless `wanted.count` rows are in them.
        """
        name, trained = template
        shards = tuple(trained.pack(num_shards).tolist())
        build = SegmentBuild(self.folder, name, shards, self.build_id, wanted.carried.shards, self.rerank)
        finished = build.finished()
        if finished:
            say(f"index w{trained.width}: {len(finished)} of {num_shards} shard(s) are finished already")
        # An attempt that was killed left finished shards; the others are built from their rows alone.
        missing = sorted(set(range(max(shards) + 1)) - finished.keys())
        # Shards without a row have no file, so that the number of files does not say whether all are there.
        if rows_in(finished.values()) < wanted.count:
            for shard in self._shards(wanted, build, missing):
                finished[shard.shard_id] = shard
        found = rows_in(finished.values())
        if found != wanted.count:
            raise UninoteError(
                f"index w{trained.width}: {wanted.count:,} vectors in, {found:,} indexed; nothing was published"
            )
        return tuple(finished[shard] for shard in sorted(finished))

    def _shards(self, wanted: SegmentRows, build: SegmentBuild, missing: list[int]) -> list[ShardFile]:
        """Build the shards `missing`."""
        if isinstance(wanted.rows, pa.Table):
            records = _shards_here(wanted.rows, wanted.carried, build, missing)
        else:
            records = self._shards_by_tasks(wanted.rows, wanted, build, missing)
        return [shard_from(json.loads(record)) for record in records]

    def _shards_by_tasks(
        self, rows: DataFrame, wanted: SegmentRows, build: SegmentBuild, missing: list[int]
    ) -> list[str]:
        """Build the shards `missing`, each in a task of its own; returns their records."""
        places = [StructField("list", IntegerType()), StructField("shard", IntegerType())]
        routed_schema = StructType([*rows.schema, *places])
        record_schema = StructType([StructField("shard", StringType())])
        context = self.run.spark.sparkContext
        shared = context.broadcast(wanted.carried.dropped)
        with watched(context, f"index {self.folder.uri.rsplit('/', 1)[-1]}: rows", wanted.count) as done:
            routed = rows.mapInArrow(make_route(build), routed_schema).where(F.col("shard").isin(missing))
            routed = routed.union(self._shard_numbers(routed_schema, missing))
            # By id, so that a partition is a shard; in order of key, so that the same rows give the same bytes.
            place = F.array_position(F.lit(missing), F.col("shard")) - 1
            by_shard = routed.repartitionById(len(missing), place.cast("int")).sortWithinPartitions("item_key")
            make = make_shards(build, missing, lambda: shared.value, done.add)
            records = by_shard.mapInArrow(make, record_schema).collect()
        shared.destroy()
        return [row["shard"] for row in records]

    def _shard_numbers(self, routed: StructType, shards: list[int]) -> DataFrame:
        """Return a row for each shard that has nothing but its number.

        A segment may get no new row and yet carry old ones. Spark would skip its tasks: it drops what comes after an empty
        shuffle.
        """
        nothing = tables.filled_columns(routed.fields[:-1], {})
        shard = F.element_at(F.lit(shards), F.col("id").cast("int") + 1).cast("int").alias("shard")
        return self.run.spark.range(len(shards)).select(*nothing, shard)

    def _train(self, vectors: StoredVectors, plan: IndexPlan) -> Template:
        seed = self.run.config.index.seed
        if plan.groups:
            return self._train_in_groups(vectors, plan, seed)
        sample = vectors.draw(plan.train_rows, training_seed(seed))
        return train_template(sample, plan, seed, lambda part: step(f"index w{plan.width}: {part}"))

    def _train_in_groups(self, vectors: StoredVectors, plan: IndexPlan, seed: int) -> Template:
        """Cut the sample into groups, and let executors find the lists of each group: k-means in two levels."""
        small = max(_DRIVER_ROWS, 256 * plan.groups)
        sample = vectors.draw(small, training_seed(seed))
        rotation = fit_rotation(sample, plan, seed)
        rotated = sample if rotation is None else sample @ rotation.T
        # Groups and lists are found on vectors as they are, and rotated after: distances are the same, and executors need
        # no rotation.
        with step(f"index w{plan.width}: k-means, {plan.groups:,} groups of {len(sample):,} rows"):
            groups = fit_kmeans(sample, plan.groups, seed)
        held = np.bincount(Centroids(groups).nearest(sample)[:, 0], minlength=plan.groups)
        wanted = np.maximum(1, np.floor(plan.nlist * held / held.sum())).astype(int)
        context = self.run.spark.sparkContext
        shared = context.broadcast((groups, wanted))
        share = share_of(plan.train_rows, plan.rows)
        # Not the order of the sample: the lists of a group must not be trained on the rows that found the groups.
        in_groups = make_share(share, training_seed(seed) + 1, make_group(lambda: shared.value[0]))
        grouped = vectors.scan(in_groups, with_bytes(_GROUPED), ("item_key", "vector"))
        by_group = grouped.repartitionById(plan.groups, F.col("group"))
        with step(f"index w{plan.width}: k-means, {plan.nlist:,} lists in {plan.groups:,} groups"):
            found = by_group.mapInArrow(make_lists(lambda: shared.value[1], seed), _GROUPED).toArrow()
        centres = np.stack(found["vector"].to_numpy()).astype(np.float32)
        shared.destroy()
        if rotation is not None:
            centres = centres @ rotation.T
            groups = groups @ rotation.T
        trained = replace(plan, nlist=len(centres), num_cells=min(plan.num_cells, len(centres)))
        with step(f"index w{plan.width}: training of {plan.pq_m} codebooks"):
            return finish_template(rotated, rotation, Centroids(centres, groups), trained, seed)


def _shards_here(rows: pa.Table, carried: Carried, build: SegmentBuild, missing: list[int]) -> list[str]:
    """Build the shards `missing` in this process, one after the other, with the bytes that tasks give them."""
    made: list[str] = []
    batches = rows.to_batches() or [pa.RecordBatch.from_pylist([], rows.schema)]
    with threads_unchanged():
        routed = pa.Table.from_batches(make_route(build)(iter(batches)))
        for shard in missing:
            mine = routed.filter(pc.field("shard") == shard).sort_by("item_key")
            make = make_shards(build, [shard], lambda: carried.dropped, lambda _: None)
            for record in make(iter(mine.to_batches())):
                made += record.column("shard").to_pylist()
    return made


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
