"""What searches of an index find: recall@10 beside exact search and FAISS, and how many shards a query visits."""

from __future__ import annotations

from dataclasses import replace

import faiss
import numpy as np
from index_parts import QUERIES, add_all, build, finish, has_vectors, publish

from uninote.index.files.folder import IndexFolder
from uninote.index.files.records import Segment, ShardFile
from uninote.index.open_shard import OpenShard
from uninote.index.planning.choose import RECALL, plan_index
from uninote.index.planning.plan import IndexOverrides, IndexPlan
from uninote.index.search import Index
from uninote.index.shard_builder import ShardBuilder
from uninote.index.template.template import Template
from uninote.index.template.training import train_template


def recalls(vectors: np.ndarray, index: Index, plain: faiss.Index) -> dict[str, list[float]]:
    """Return recall@10 by nprobe: ours, FAISS'."""
    rows = np.random.default_rng(1).choice(len(vectors), QUERIES, replace=False)
    queries = np.ascontiguousarray(vectors[rows])
    _, best = faiss.knn(queries, vectors, 10, metric=faiss.METRIC_L2)
    found = {}
    for nprobe in (4, 8, 16, 32):
        plain.nprobe = nprobe
        ours, _ = index.search(queries, 10, nprobe)
        _, theirs = plain.search(queries, 10)
        found[str(nprobe)] = [_share(ours, best), _share(theirs, best)]
    return found


def _share(found: np.ndarray, best: np.ndarray) -> float:
    """Return the share of the true neighbours, (queries, 10), that are among those found."""
    common = 0
    for one, true in zip(found, best, strict=True):
        common += len(set(one) & set(true))
    return round(common / best.size, 4)


def recall_at_10(vectors: np.ndarray, folder: IndexFolder, plan: IndexPlan) -> dict[str, float]:
    """Return recall@10 of a base of all rows, of one of 80 % with a segment, and of that segment copied five times on."""
    template, builders = build(vectors, plan)
    rows = len(vectors)
    shards = finish(folder, builders, "all")
    publish(folder, template, plan, [Segment("all", rows, shards, 0, None, {})], rows)
    lists = enough_lists(vectors, Index.open(folder))
    found = {"lists": lists, "base": recall_of(vectors, Index.open(folder), lists, 1)}
    # The segment's rows come first, so that keys are row numbers once the base is counted on from them.
    in_segment = np.arange(rows) % 5 == 0
    ordered = np.ascontiguousarray(np.concatenate([vectors[in_segment], vectors[~in_segment]]))
    few = int(in_segment.sum())
    base = finish(folder, add_all(template, ordered[few:], plan.num_shards, few), "most")
    since = finish(folder, add_all(template, ordered[:few], 1), "since0")
    for name, copies in (("segment", 0), ("copied", 5)):
        for number in range(copies):
            since = finish(folder, copy_of(folder, template, since), f"since{number + 1}")
        segments = [Segment("most", rows - few, base, 0, None, {}), Segment("s", few, since, 0, None, {})]
        publish(folder, template, plan, segments, rows)
        found[name] = recall_of(ordered, Index.open(folder), lists, 1)
    return found


def copy_of(folder: IndexFolder, template: Template, shards: tuple[ShardFile, ...]) -> dict[int, ShardBuilder]:
    """Return a builder that took over all rows of a segment, as the next update does."""
    builder = ShardBuilder(template, 0, np.arange(template.num_cells), has_vectors(template))
    for shard in shards:
        builder.take(OpenShard(folder, shard, template.nlist, np.empty(0, np.int64)))
    return {0: builder}


def enough_lists(vectors: np.ndarray, index: Index) -> int:
    """Return the least doubling of lists that reaches the recall which is asked by default, on a sample of its own."""
    lists = 4
    while lists < index.template.nlist and recall_of(vectors, index, lists, 2) < RECALL:
        lists *= 2
    return min(lists, index.template.nlist)


def recall_of(vectors: np.ndarray, index: Index, lists: int, seed: int) -> float:
    """Return recall@10, each row itself apart, of a sample drawn with `seed`."""
    rows = np.random.default_rng(seed).choice(len(vectors), QUERIES, replace=False)
    queries = np.ascontiguousarray(vectors[rows])
    _, best = faiss.knn(queries, vectors, 11, metric=faiss.METRIC_L2)
    found, _ = index.search(queries, 11, lists)
    shares = []
    for one, true, row in zip(found, best, rows, strict=True):
        common = set(one) & set(true) - {row}
        shares.append(min(len(common) / 10, 1))
    return round(float(np.mean(shares)), 4)


def shards_visited(vectors: np.ndarray) -> dict[str, float]:
    """Count the shards that hold the lists of a query: 1,024 lists in 64 shards of neighbouring ones, or by hash."""
    plan = replace(plan_index(len(vectors), vectors.shape[1], IndexOverrides(nlist=1024, num_shards=16)), num_cells=64)
    template = train_template(np.ascontiguousarray(vectors[: plan.train_rows]), plan, 0)
    probed = template.centroids.nearest(vectors[:QUERIES], 8)
    by_hash = _visited(np.random.default_rng(0).permutation(1024) % 64, probed)
    by_cell = _visited(template.list_cell, probed)
    return {"cells": round(by_cell, 3), "hash": round(by_hash, 3), "ratio": round(by_cell / by_hash, 3)}


def _visited(shard_of: np.ndarray, probed: np.ndarray) -> float:
    """Return the mean number of shards that the probed lists of a query lie in."""
    return float(np.mean([len(set(row)) for row in shard_of[probed]]))
