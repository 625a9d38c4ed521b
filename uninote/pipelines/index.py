"""The index stage: one sharded IVF-PQ index for each width, built by executors, visible once it is complete."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import IntegerType, StringType, StructField, StructType

from udfs.index import IndexBuild, make_route, make_shards
from uninote.config import fingerprint
from uninote.errors import UninoteError
from uninote.index.manifest import Manifest, ManifestError, ShardFile, read_manifest
from uninote.index.plan import IndexOverrides, IndexPlan, plan_index
from uninote.index.search import Index
from uninote.index.template import train_template
from uninote.lake import index_name
from uninote.neighbours.merge import merge_topk
from uninote.pipelines.progress import say, watched
from uninote.pipelines.recall import AT_K, exact_neighbours, recall_of
from uninote.pipelines.run import Outcome, Run, last_entry, record
from uninote.pipelines.sampling import sample_vectors
from uninote.pipelines.snapshot import Snapshot, newest_snapshot

STAGE = "index"


def unit_of(width: int) -> str:
    """Return the ledger's unit for the index of one width."""
    return f"w{width}"


def index(run: Run) -> dict[str, Any]:
    """Build the index of every configured width whose embeddings or settings changed."""
    snapshot = newest_snapshot(run)
    built = {width: _index(run, snapshot, width) for width in run.config.index.widths or snapshot.widths}
    return {
        "tables": {index_name(width): run.generation.uri(index_name(width)) for width in built},
        "state": "done" if any(one["state"] == "done" for one in built.values()) else "unchanged",
        "indexes": {unit_of(width): one for width, one in built.items()},
    }


def _index(run: Run, snapshot: Snapshot, width: int) -> dict[str, Any]:
    started = time.time()
    settings = run.config.index
    folder = Path(run.generation.uri(index_name(width)))
    version = snapshot.versions[snapshot.vectors_name(width)]
    mark = fingerprint(settings.model_dump(exclude={"widths"}), run.model.generation, width, version)
    before = _published(folder)
    done = last_entry(run, STAGE, unit_of(width))
    if before is not None and done is not None and before.fingerprint == mark == done["fingerprint"]:
        return {"state": "unchanged", **done["counts"], **done["metrics"]}
    vectors = snapshot.vectors(width).select("item_key", "note_id", "vector")
    rows = vectors.count()
    if rows == 0:
        raise UninoteError(
            f"{snapshot.vectors_name(width)} holds no vectors, so there is nothing to index; see quarantine"
        )
    plan = plan_index(rows, width, IndexOverrides(settings.nlist, settings.pq_m, settings.num_shards))
    say(
        f"index w{width}: {rows:,} rows, {plan.nlist:,} lists, {plan.pq_m} x {plan.pq_nbits} bit codes, {plan.num_shards} "
        f"shard(s) of about {plan.bytes_per_shard / 2**20:,.1f} MiB; training on {plan.train_rows:,} rows"
    )
    template = _train(vectors, plan, settings.seed, folder)
    shards = _build(run, vectors, IndexBuild(str(folder), template, mark), plan)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    manifest = Manifest(run.model.generation, width, mark, version, plan, template, shards, now)
    if manifest.rows != rows:
        raise UninoteError(f"index w{width}: {rows:,} vectors in, {manifest.rows:,} indexed; nothing was published")
    manifest.publish(folder)
    _remove_stale(folder, manifest, before)
    counts = _counts(manifest, settings.nprobe)
    metrics = {AT_K: _recall(run, vectors, rows, folder)}
    outcome = Outcome("done", counts, {snapshot.vectors_name(width): version}, metrics=metrics, fingerprint=mark)
    record(run, STAGE, unit_of(width), outcome, started)
    return {"state": "done", **counts, **metrics}


def _published(folder: Path) -> Manifest | None:
    try:
        return read_manifest(folder)
    except ManifestError:
        return None


def _train(vectors: DataFrame, plan: IndexPlan, seed: int, folder: Path) -> str:
    _, sample = sample_vectors(vectors, plan.rows, plan.train_rows, seed)
    return train_template(sample, plan, seed).save(folder)


def _build(run: Run, vectors: DataFrame, build: IndexBuild, plan: IndexPlan) -> tuple[ShardFile, ...]:
    routed_schema = StructType(
        [*vectors.schema, StructField("list", IntegerType()), StructField("shard", IntegerType())]
    )
    record_schema = StructType([StructField("shard", StringType())])
    with watched(run.spark.sparkContext, f"index w{plan.width}: rows", plan.rows) as done:
        routed = vectors.mapInArrow(make_route(build), routed_schema)
        # By id, so that a partition is a shard; in order of key, so that the same rows give the same bytes.
        by_shard = routed.repartitionById(plan.num_shards, F.col("shard")).sortWithinPartitions("item_key")
        records = by_shard.mapInArrow(make_shards(build, done.add), record_schema).collect()
    made = [ShardFile(**(values | _tuples(values))) for values in (json.loads(row["shard"]) for row in records)]
    return tuple(sorted(made, key=lambda shard: shard.shard_id))


def _tuples(values: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(values[name]) for name in ("lists", "cells")}


def _remove_stale(folder: Path, manifest: Manifest, before: Manifest | None) -> None:
    """Delete files of builds before the last one, whose readers may still be at work."""
    kept = [one for one in (manifest, before) if one is not None]
    stems = {Path(shard.file).stem for one in kept for shard in one.shards} | {
        f"template-{one.template}" for one in kept
    }
    for path in [*folder.glob("shard-*"), *folder.glob("template-*")]:
        if path.name.split(".")[0] not in stems:
            path.unlink()


def _counts(manifest: Manifest, nprobe: int) -> dict[str, int]:
    plan = manifest.plan
    return {
        "rows": manifest.rows,
        "nlist": plan.nlist,
        "num_cells": plan.num_cells,
        "num_shards": plan.num_shards,
        "pq_m": plan.pq_m,
        "bytes": sum(shard.bytes for shard in manifest.shards),
        "nprobe": nprobe,
    }


def _recall(run: Run, vectors: DataFrame, rows: int, folder: Path) -> float:
    """Search the index for a sample of its own vectors and compare with exact search, as the neighbours stage does."""
    settings = run.config.neighbours
    keys, queries = sample_vectors(vectors, rows, settings.recall_sample, settings.seed)
    _, exact = exact_neighbours(run, vectors, keys, settings.k)
    found, scores = Index.open(folder).search(queries, settings.k + 1, run.config.index.nprobe)
    others, _ = merge_topk(np.where(found == keys[:, None], -1, found), scores, settings.k)
    return recall_of(vectors, keys, others, exact)
