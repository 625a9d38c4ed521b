"""Building, following and searching the index against plain FAISS and autofaiss, one thread each.

    python benchmarks/index.py [--vectors fashion_mnist.npz] [--rows 500000] [--autofaiss-python <python that has it>]

The last line on stdout is one JSON object. For `real` (the vectors of an .npz file, as unit vectors) and `synthetic`
(clustered, x 128): recall_at_10, the least of the recalls of the base, of a base with a segment of 20 %, and of that segment
copied five times on, each at as many lists as calibration on other rows asks for; build_vs_faiss and build_vs_autofaiss,
CPU-seconds of training, assignment and adding over theirs with the same factory, files apart on all sides; memory_vs_plan,
the largest resident memory of a process that builds a shard from Arrow batches over the plan's figure; recall_vs_faiss,
recall@10 here and of one unsharded FAISS index, by lists probed; shards_visited_vs_hash, of 64 cells of 1,024 lists at
nprobe 8, over what shards by hash would be visited; one_percent_cost, CPU-seconds of a segment of 1 % over those of the
build; open_ms; search_ms_by_share_changed, milliseconds a query by the share of rows changed since the base was built. FAISS
trains codebooks of narrow parts by its slow path unless a threshold is lowered; faiss_tuned_cpu_s is FAISS with the
threshold that is used here.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from index_parts import QUERIES, add_all, build, cpu_of, finish, publish
from index_peers import autofaiss_seconds, plain_faiss, tuned_faiss
from index_recall import recall_at_10, recalls, shards_visited
from index_task import task_memory

from uninote.index.folder import IndexFolder
from uninote.index.manifest import Segment
from uninote.index.plan import IndexOverrides, IndexPlan
from uninote.index.planning import plan_index
from uninote.index.search import Index, write_voided
from uninote.index.shard.builder import ShardBuilder
from uninote.index.template import Template


def measure(vectors: np.ndarray, python: str | None, scratch: Path) -> dict[str, Any]:
    """Measure everything on one set of unit vectors."""
    plan = plan_index(len(vectors), vectors.shape[1], IndexOverrides())
    ours, (template, builders) = cpu_of(lambda: build(vectors, plan))
    theirs, plain = cpu_of(lambda: plain_faiss(vectors, plan))
    faiss.cvar.distance_compute_blas_threshold, before = 20, faiss.cvar.distance_compute_blas_threshold
    tuned, _ = cpu_of(lambda: plain_faiss(vectors, plan))
    faiss.cvar.distance_compute_blas_threshold = before
    folder = IndexFolder(str(scratch / "index"))
    files, shards = cpu_of(lambda: finish(folder, builders, "base"))
    base = Segment("base", len(vectors), shards, 0, None, {})
    publish(folder, template, plan, [base], len(vectors))
    few = np.ascontiguousarray(vectors[::100])
    night, _ = cpu_of(lambda: finish(folder, add_all(template, few, 1), "night"))
    started = time.perf_counter()
    index = Index.open(folder)
    opened = time.perf_counter() - started
    memory = task_memory(vectors, scratch / "index", index.manifest.template, plan, scratch)
    recall = recall_at_10(vectors, IndexFolder(str(scratch / "recall")), plan)
    result = {
        "recall_at_10": min(recall[name] for name in ("base", "segment", "copied")),
        "recalls_at_10": recall,
        "row_bytes": plan.row_bytes,
        "rows": len(vectors),
        "width": plan.width,
        "nlist": plan.nlist,
        "pq_m": plan.pq_m,
        "build_cpu_s": round(ours, 2),
        "faiss_cpu_s": round(theirs, 2),
        "faiss_tuned_cpu_s": round(tuned, 2),
        "files_cpu_s": round(files, 2),
        "build_vs_faiss": round(ours / theirs, 3),
        "memory_mib": round(memory),
        "memory_vs_plan": round(memory * 2**20 / plan.task_bytes, 3),
        "recall_vs_faiss": recalls(vectors, index, plain),
        "shards_visited_vs_hash": shards_visited(vectors),
        "one_percent_cost": round(night / (ours + files), 4),
        "open_ms": round(opened * 1000, 1),
        "search_ms_by_share_changed": search_by_share(folder, template, plan, base, vectors),
    }
    if python:
        seconds = autofaiss_seconds(vectors, plan, python, scratch)
        result |= {"autofaiss_cpu_s": round(seconds, 2), "build_vs_autofaiss": round(ours / seconds, 3)}
    return result


def search_by_share(
    folder: IndexFolder, template: Template, plan: IndexPlan, base: Segment, vectors: np.ndarray
) -> dict[str, float]:
    """Return milliseconds a query with 0, 1, 5, 10 and 20 % of the rows changed since the base was built."""
    rows, times, generator = len(vectors), {}, np.random.default_rng(3)
    queries = np.ascontiguousarray(vectors[:QUERIES])
    for share in (0.0, 0.01, 0.05, 0.1, 0.2):
        gone = np.sort(generator.choice(rows, int(share * rows), replace=False))
        made = [base]
        if len(gone):
            builders: dict[int, ShardBuilder] = add_all(template, np.ascontiguousarray(vectors[gone]), 1, rows)
            file = folder.put(f"gone-{share}.parquet", lambda path, gone=gone: write_voided(gone, path))
            made.append(Segment("since", len(gone), finish(folder, builders, f"since-{share}"), len(gone), file, {}))
        publish(folder, template, plan, made, rows)
        index = Index.open(folder)
        index.search(queries, 10, 8)
        seconds, _ = cpu_of(lambda index=index: index.search(queries, 10, 8))
        times[str(share)] = round(seconds / QUERIES * 1000, 4)
    return times


def synthetic(rows: int, width: int = 128) -> np.ndarray:
    """Return clustered unit vectors: a thousand centres, noise as long as a centre."""
    generator = np.random.default_rng(0)
    centres = generator.standard_normal((1000, width), dtype=np.float32)
    vectors = centres[generator.integers(0, 1000, rows)] + generator.standard_normal((rows, width), dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def real(path: Path) -> np.ndarray:
    """Return the largest matrix of an .npz file as unit vectors."""
    with np.load(path, allow_pickle=False) as file:
        largest = max((file[name] for name in file.files), key=lambda one: one.size)
    vectors = largest.reshape(len(largest), -1).astype(np.float32)
    return np.ascontiguousarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def main() -> None:
    """Run all of it."""
    if sys.argv[1:2] == ["--task"]:
        return task(*sys.argv[2:])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vectors", type=Path, help="an .npz file with a matrix of at least 60,000 rows")
    parser.add_argument("--rows", type=int, default=500_000, help="of the synthetic set; 0 leaves it out")
    parser.add_argument("--autofaiss-python", help="an interpreter with autofaiss")
    options = parser.parse_args()
    faiss.omp_set_num_threads(1)
    sets = {"real": (lambda: real(options.vectors)) if options.vectors else None}
    sets["synthetic"] = (lambda: synthetic(options.rows)) if options.rows else None
    results = {}
    for name, make in sets.items():
        if make is not None:
            scratch = Path(tempfile.mkdtemp())
            results[name] = measure(make(), options.autofaiss_python, scratch)
            print(name, json.dumps(results[name]), flush=True)
            shutil.rmtree(scratch)
    print(json.dumps(results))
    return None


if __name__ == "__main__":
    main()
