"""What searches of an index find: recall@10 beside exact search and FAISS, and how many shards a query visits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import faiss
import numpy as np
from index_parts import QUERIES, add_all, build, finish, has_vectors, publish

from uninote.evaluation.estimates import Estimate, estimate_recall
from uninote.index.files.folder import IndexFolder
from uninote.index.files.records import Segment, ShardFile
from uninote.index.open_shard import OpenShard
from uninote.index.planning.choose import plan_index, recall_wanted
from uninote.index.planning.plan import IndexOverrides
from uninote.index.search import Index
from uninote.index.shard_builder import ShardBuilder
from uninote.index.template.template import Template
from uninote.index.template.training import train_template
from uninote.pipelines.index.recall import enough_lists


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


def recall_at_10(vectors: np.ndarray, folder: IndexFolder) -> dict[str, float]:
    """Return recall@10 as a corpus grows from 80 % of the rows to all: of the base, of the base with a segment of the rest, of
    that segment copied five times on, as updates do, and of a compaction: all rows in a new base of the same template.

    After each step lists are calibrated as the index stage does it, `lists` being the last number; recall is that of other
    rows. `least` is the least.
    """
    shuffled = np.ascontiguousarray(np.random.default_rng(4).permutation(vectors))
    rows = len(shuffled)
    few = rows // 5
    # The segment's rows come first, so that keys are row numbers once the base is counted on from them.
    plan = plan_index(rows - few, shuffled.shape[1], IndexOverrides())
    template, builders = build(shuffled[few:], plan, few)
    base = Segment("base", rows - few, finish(folder, builders, "base"), 0, None, {})
    publish(folder, template, plan, [base], rows - few)
    measured = Measured(folder, shuffled, few, 4, {})
    measured.add("base")
    measured = replace(measured, first=0)
    since = finish(folder, add_all(template, shuffled[:few], 1), "since0")
    for name, copies in (("segment", 0), ("copied", 5)):
        for number in range(copies):
            since = finish(folder, copy_of(folder, template, since), f"since{number + 1}")
        publish(folder, template, plan, [base, Segment("since", few, since, 0, None, {})], rows)
        measured.add(name)
    shards = finish(folder, add_all(template, shuffled, plan.num_shards), "compacted")
    publish(folder, template, plan, [Segment("compacted", rows, shards, 0, None, {})], rows)
    measured.add("compaction")
    found = measured.found
    return {**found, "least": min(found.values()), "lists": measured.lists}


@dataclass
class Measured:
    """What was `found` of an index in `folder` so far, that holds the rows of `vectors` from `first` on, keys being places.

    `lists` are as many as were needed last.
    """

    folder: IndexFolder
    vectors: np.ndarray
    first: int
    lists: int
    found: dict[str, float]

    def add(self, name: str) -> None:
        """Calibrate the index that is published, and note its recall@10 under `name`."""
        index = Index.open(self.folder)
        wanted = recall_wanted(None, index.manifest.plan.rerank)
        # As the stage by default: recall@20 of 500 rows.
        recall_of = self._recalls(index, 20, 500, 2)
        self.lists, _ = enough_lists(recall_of, self.lists, index.template.nlist, wanted)
        self.found[name] = round(self._recalls(index, 10, QUERIES, 1)(self.lists).recall, 4)

    def _recalls(self, index: Index, k: int, count: int, seed: int) -> Callable[[int], Estimate]:
        """Return a function from a number of lists to recall@k, each row itself apart, of `count` rows drawn with `seed`."""
        held = self.vectors[self.first :]
        rows = np.random.default_rng(seed).choice(len(held), count, replace=False)
        queries = np.ascontiguousarray(held[rows])
        _, best = faiss.knn(queries, held, k + 1, metric=faiss.METRIC_L2)
        true = _others(best, rows, k) + self.first

        def recall_of(lists: int) -> Estimate:
            found, _ = index.search(queries, k + 1, lists)
            ours = _others(found, rows + self.first, k)
            common = []
            for one, row in zip(ours, true, strict=True):
                common.append(len(np.intersect1d(one, row)))
            return estimate_recall(np.array(common), np.full(count, k), len(held))

        return recall_of


def _others(found: np.ndarray, own: np.ndarray, k: int) -> np.ndarray:
    """Return int64 (n, k): the first `k` of each row of `found`, (n, k + 1), that are not its own, -1 after them."""
    rest = np.full((len(found), k), -1, np.int64)
    for row, one in enumerate(found):
        others = one[one != own[row]][:k]
        rest[row, : len(others)] = others
    return rest


def copy_of(folder: IndexFolder, template: Template, shards: tuple[ShardFile, ...]) -> dict[int, ShardBuilder]:
    """Return a builder that took over all rows of a segment, as the next update does."""
    builder = ShardBuilder(template, 0, np.arange(template.num_cells), has_vectors(template))
    for shard in shards:
        builder.take(OpenShard(folder, shard, template.nlist, np.empty(0, np.int64)))
    return {0: builder}


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
