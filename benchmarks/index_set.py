"""The index of one set of vectors at one width, on one thread: what `benchmarks/index.py` runs for each in a process.

    python benchmarks/index_set.py <set> <width> <folder with data> <rows of drawn clusters> [<python with autofaiss, or "">]

The last line on stdout is one JSON object: recall_at_10 and recalls_at_10, see index_recall.py. With the fifth argument also
build_vs_faiss and build_vs_autofaiss, CPU-seconds of training, assignment and adding over theirs with the same codes, files
apart on all sides; memory_vs_plan, the largest resident memory of a process that builds a shard from Arrow batches over the
plan's figure; recall_vs_faiss, recall@10 here and of one unsharded FAISS index, by lists probed; shards_visited_vs_hash;
one_percent_cost, CPU-seconds of a segment of 1 % over those of the build; open_ms; search_ms_by_share_changed, milliseconds
a query by the share of rows changed since the base was built. FAISS trains codebooks of narrow parts by its slow path unless
a threshold is lowered; faiss_tuned_cpu_s is FAISS with the threshold that is used here.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from index_parts import QUERIES, add_all, build, cpu_of, finish, publish
from index_peers import autofaiss_seconds, plain_faiss, tuned_faiss
from index_recall import recall_at_10, recalls, shards_visited
from index_sets import load
from index_task import task_memory

from uninote.index.files.folder import IndexFolder
from uninote.index.files.records import Segment
from uninote.index.planning.choose import plan_index
from uninote.index.planning.plan import IndexOverrides, IndexPlan
from uninote.index.search import Index
from uninote.index.template.template import Template
from uninote.index.voided import write_voided


@dataclass(frozen=True)
class Built:
    """An index of `vectors` that was published, and the CPU-seconds of building it and of writing its `files`."""

    vectors: np.ndarray
    plan: IndexPlan
    folder: IndexFolder
    template: Template
    base: Segment
    seconds: float
    files: float


def measure(vectors: np.ndarray, python: str | None, scratch: Path) -> dict[str, Any]:
    """Measure recall on one set of unit vectors; where `python` is given, costs too, with autofaiss unless it is empty."""
    plan = plan_index(len(vectors), vectors.shape[1], IndexOverrides())
    recall = recall_at_10(vectors, IndexFolder(str(scratch / "recall")))
    result = {
        "recall_at_10": recall["least"],
        "recalls_at_10": recall,
        "row_bytes": plan.row_bytes,
        "rows": len(vectors),
        "width": plan.width,
        "nlist": plan.nlist,
        "pq_m": plan.pq_m,
    }
    return result if python is None else result | costs(vectors, plan, python, scratch)


def costs(vectors: np.ndarray, plan: IndexPlan, python: str, scratch: Path) -> dict[str, Any]:
    """Measure what building, updating and opening take, here and by the peers."""
    built = build_and_publish(vectors, plan, IndexFolder(str(scratch / "index")))
    memory = task_memory(vectors, scratch / "index", built.template.content_hash(), plan, scratch)
    visited = shards_visited(vectors)
    result = {
        "build_cpu_s": round(built.seconds, 2),
        "files_cpu_s": round(built.files, 2),
        "memory_mib": round(memory),
        "memory_vs_plan": round(memory * 2**20 / plan.task_bytes, 3),
        "shards_visited_vs_hash": visited["ratio"],
        "shards_visited": visited,
        "one_percent_cost": one_percent_cost(built),
    }
    result |= beside_faiss(built)
    # After that comparison: it publishes other segments.
    result["search_ms_by_share_changed"] = search_by_share(built)
    if python:
        seconds = autofaiss_seconds(vectors, plan, python, scratch)
        result |= {"autofaiss_cpu_s": round(seconds, 2), "build_vs_autofaiss": round(built.seconds / seconds, 3)}
    return result


def build_and_publish(vectors: np.ndarray, plan: IndexPlan, folder: IndexFolder) -> Built:
    """Train, add, write the files, and publish them as a base."""
    seconds, (template, builders) = cpu_of(lambda: build(vectors, plan))
    files, shards = cpu_of(lambda: finish(folder, builders, "base"))
    base = Segment("base", len(vectors), shards, 0, None, {})
    publish(folder, template, plan, [base], len(vectors))
    return Built(vectors, plan, folder, template, base, seconds, files)


def beside_faiss(built: Built) -> dict[str, Any]:
    """Return what opening takes, and CPU-seconds and recall beside FAISS."""
    plain_seconds, plain = cpu_of(lambda: plain_faiss(built.vectors, built.plan))
    tuned_seconds, _ = cpu_of(lambda: tuned_faiss(built.vectors, built.plan))
    started = time.perf_counter()
    index = Index.open(built.folder)
    opened = time.perf_counter() - started
    return {
        "faiss_cpu_s": round(plain_seconds, 2),
        "faiss_tuned_cpu_s": round(tuned_seconds, 2),
        "build_vs_faiss": round(built.seconds / plain_seconds, 3),
        "recall_vs_faiss": recalls(built.vectors, index, plain),
        "open_ms": round(opened * 1000, 1),
    }


def one_percent_cost(built: Built) -> float:
    """Return the CPU-seconds of a segment of 1 % of the rows over those of the build."""
    # Rows from all over the corpus, as edits are: a run of neighbours would touch few lists.
    few = np.ascontiguousarray(built.vectors[::100])
    seconds, _ = cpu_of(lambda: finish(built.folder, add_all(built.template, few, 1), "night"))
    return round(seconds / (built.seconds + built.files), 4)


def search_by_share(built: Built) -> dict[str, float]:
    """Return milliseconds a query with 0, 1, 5, 10 and 20 % of the rows changed since the base was built."""
    rows = len(built.vectors)
    generator = np.random.default_rng(3)
    queries = np.ascontiguousarray(built.vectors[:QUERIES])
    times = {}
    for share in (0.0, 0.01, 0.05, 0.1, 0.2):
        changed = np.sort(generator.choice(rows, int(share * rows), replace=False))
        segments = [built.base]
        if len(changed):
            segments.append(changed_segment(built, changed, str(share)))
        publish(built.folder, built.template, built.plan, segments, rows)
        index = Index.open(built.folder)
        # The first search opens and packs the shards.
        index.search(queries, 10, 8)
        seconds, _ = cpu_of(lambda index=index: index.search(queries, 10, 8))
        times[str(share)] = round(seconds / QUERIES * 1000, 4)
    return times


def changed_segment(built: Built, changed: np.ndarray, name: str) -> Segment:
    """Return a segment that voids the rows `changed` of the base, and has their vectors under new keys."""
    builders = add_all(built.template, np.ascontiguousarray(built.vectors[changed]), 1, len(built.vectors))
    voided = built.folder.put(f"gone-{name}.parquet", lambda path: write_voided(changed, path))
    shards = finish(built.folder, builders, f"since-{name}")
    return Segment("since", len(changed), shards, len(changed), voided, {})


def main(name: str, width: str, data: str, rows: str, python: str | None = None) -> None:
    """Measure one set at one width."""
    faiss.omp_set_num_threads(1)
    vectors = load(name, int(width), Path(data), int(rows))
    with tempfile.TemporaryDirectory() as scratch:
        print(json.dumps(measure(vectors, python, Path(scratch))))


if __name__ == "__main__":
    main(*sys.argv[1:])
