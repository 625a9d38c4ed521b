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
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pyarrow as pa

from uninote.index.folder import IndexFolder
from uninote.index.manifest import Manifest, Segment, ShardFile
from uninote.index.note_keys import COLUMNS
from uninote.index.plan import FAST_SCAN_NBITS, IndexOverrides, IndexPlan
from uninote.index.planning import RECALL, plan_index
from uninote.index.search import Index, write_voided
from uninote.index.shard.builder import ShardBuilder
from uninote.index.shard.opened import OpenShard
from uninote.index.template import Template, load_template
from uninote.index.training import train_template

BATCH = 10_000
QUERIES = 1000
AUTOFAISS = """
import sys, time, numpy as np, faiss
from autofaiss import build_index
faiss.omp_set_num_threads(1)
vectors, key = np.load(sys.argv[1]), sys.argv[2]
started = time.process_time()
build_index(vectors, save_on_disk=False, index_key=key, metric_type="l2", nb_cores=1, verbose=40,
            index_param="nprobe=8",  # it cannot tune this factory itself
            current_memory_available="16G", max_index_memory_usage="8G")
print(time.process_time() - started)
"""


def cpu_of(work: Any) -> tuple[float, Any]:
    """Return the CPU-seconds of a call, and what it returned."""
    started = time.process_time()
    result = work()
    return time.process_time() - started, result


def batches(vectors: np.ndarray, first_key: int = 0) -> Iterator[tuple[pa.RecordBatch, np.ndarray]]:
    """Yield the rows as Spark brings them: keys with their notes, and vectors."""
    for start in range(0, len(vectors), BATCH):
        part = vectors[start : start + BATCH]
        keys = pa.array(np.arange(first_key + start, first_key + start + len(part)))
        texts = {name: pa.nulls(len(part), pa.string()) for name in COLUMNS[2:]}
        yield pa.RecordBatch.from_pydict({"item_key": keys, "note_id": keys, **texts}), part


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


def build(vectors: np.ndarray, plan: IndexPlan) -> tuple[Template, dict[int, ShardBuilder]]:
    """Train and add, as one process."""
    every = max(1, len(vectors) // plan.train_rows)
    template = train_template(np.ascontiguousarray(vectors[::every][: plan.train_rows]), plan, 0)
    return template, add_all(template, vectors, plan.num_shards)


def factory(plan: IndexPlan) -> str:
    """Return FAISS' name of the codes of a plan."""
    fast = "fs" if plan.pq_nbits == FAST_SCAN_NBITS else ""
    return f"IVF{plan.nlist},PQ{plan.pq_m}x{plan.pq_nbits}{fast}"


def plain_faiss(vectors: np.ndarray, plan: IndexPlan) -> faiss.Index:
    """Train and add with FAISS alone."""
    index = faiss.index_factory(plan.width, factory(plan), faiss.METRIC_L2)
    index.train(vectors)
    index.add(vectors)
    return index


def autofaiss_seconds(vectors: np.ndarray, plan: IndexPlan, python: str, scratch: Path) -> float:
    """Return autofaiss' CPU-seconds for the same factory, in its own environment."""
    path = scratch / "vectors.npy"
    np.save(path, vectors)
    key = factory(plan)
    one = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run([python, "-c", AUTOFAISS, str(path), key], capture_output=True, text=True, env=one)
    if done.returncode:
        raise SystemExit(f"autofaiss failed:\n{done.stderr[-2000:]}")
    return float(done.stdout.split()[-1])


def publish(folder: IndexFolder, template: Template, plan: IndexPlan, segments: list[Segment], live: int) -> None:
    """Publish an index of these segments."""
    name = template.save(folder)
    Manifest("g", plan.width, ("note",), "", plan, name, 8, live, tuple(segments), "").publish(folder)


def finish(folder: IndexFolder, builders: dict[int, ShardBuilder], name: str) -> tuple[ShardFile, ...]:
    """Write the shards' files."""
    return tuple(builder.finish(folder, f"shard-{shard:05d}-{name}") for shard, builder in sorted(builders.items()))


def recalls(vectors: np.ndarray, index: Index, plain: faiss.Index) -> dict[str, list[float]]:
    """Return recall@10 by nprobe: ours, FAISS'."""
    rows = np.random.default_rng(1).choice(len(vectors), QUERIES, replace=False)
    queries = np.ascontiguousarray(vectors[rows])
    _, best = faiss.knn(queries, vectors, 10, metric=faiss.METRIC_L2)
    found = {}
    for nprobe in (4, 8, 16, 32):
        plain.nprobe = nprobe
        both = index.search(queries, 10, nprobe)[0], plain.search(queries, 10)[1]
        shares = [np.mean([len(set(a) & set(b)) / 10 for a, b in zip(one, best, strict=True)]) for one in both]
        found[str(nprobe)] = [round(float(share), 4) for share in shares]
    return found


def recall_at_10(vectors: np.ndarray, folder: IndexFolder, plan: IndexPlan) -> dict[str, float]:
    """Return recall@10 of a base of all rows, of one of 80 % with a segment, and of that segment copied five times on."""
    template, builders = build(vectors, plan)
    rows = len(vectors)
    shards = finish(folder, builders, "all")
    publish(folder, template, plan, [Segment("all", rows, shards, 0, None, {})], rows)
    lists = enough_lists(vectors, Index.open(folder))
    found = {"lists": lists, "base": recall_of(vectors, Index.open(folder), lists, 1)}
    few = np.arange(rows) % 5 == 0
    # The segment's rows come first, so that keys are row numbers once the base is counted on from them.
    ordered = np.ascontiguousarray(np.concatenate([vectors[few], vectors[~few]]))
    base = finish(folder, add_all(template, ordered[few.sum() :], plan.num_shards, int(few.sum())), "most")
    since = finish(folder, add_all(template, ordered[: few.sum()], 1), "since0")
    for number in range(6):
        segments = [
            Segment("most", int((~few).sum()), base, 0, None, {}),
            Segment("s", int(few.sum()), since, 0, None, {}),
        ]
        publish(folder, template, plan, segments, rows)
        if number in (0, 5):
            found["segment" if number == 0 else "copied"] = recall_of(ordered, Index.open(folder), lists, 1)
        since = finish(folder, copy_of(folder, template, since), f"since{number + 1}")
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
    found = index.search(queries, 11, lists)[0]
    shares = [len((set(a) - {row}) & (set(b) - {row})) / 10 for a, b, row in zip(found, best, rows, strict=True)]
    return round(float(np.minimum(shares, 1).mean()), 4)


def shards_visited(vectors: np.ndarray) -> dict[str, float]:
    """Count the shards that hold the lists of a query: 1,024 lists in 64 shards of neighbouring ones, or by hash."""
    plan = replace(plan_index(len(vectors), vectors.shape[1], IndexOverrides(nlist=1024, num_shards=16)), num_cells=64)
    template = train_template(np.ascontiguousarray(vectors[: plan.train_rows]), plan, 0)
    probed = template.centroids.nearest(vectors[:QUERIES], 8)
    by_hash = np.random.default_rng(0).permutation(1024) % 64
    mean = [np.mean([len(set(row)) for row in shard[probed]]) for shard in (template.list_cell, by_hash)]
    return {"cells": round(mean[0], 3), "hash": round(mean[1], 3), "ratio": round(mean[0] / mean[1], 3)}


def task_memory(vectors: np.ndarray, folder: Path, template: str, plan: IndexPlan, scratch: Path) -> float:
    """Return the peak MiB of a process that builds the first shard from Arrow batches."""
    path = scratch / "vectors.arrow"
    kind = pa.list_(pa.float32(), vectors.shape[1])
    with pa.ipc.new_file(str(path), pa.schema([("vector", kind)])) as writer:
        for _, part in batches(vectors):
            column = pa.FixedSizeListArray.from_arrays(pa.array(part.reshape(-1)), vectors.shape[1])
            writer.write_batch(pa.RecordBatch.from_arrays([column], ["vector"]))
    arguments = [str(path), str(folder), template, str(plan.num_shards)]
    done = subprocess.run([sys.executable, __file__, "--task", *arguments], capture_output=True, text=True, check=True)
    return float(done.stdout)


def task(path: str, folder: str, template: str, num_shards: str) -> None:
    """Build shard 0 of the rows in an Arrow file, as an executor's process does, and print its peak memory in MiB."""
    faiss.omp_set_num_threads(1)
    trained = load_template(IndexFolder(folder), template)
    cell_shard = trained.pack(int(num_shards))
    builder = ShardBuilder(trained, 0, np.flatnonzero(cell_shard == 0), has_vectors(trained))
    with open(path, "rb") as file:  # streamed, not mapped: mapped pages would count as resident
        reader, key = pa.ipc.open_file(file), 0
        for number in range(reader.num_record_batches):
            part = reader.get_batch(number).column("vector").flatten().to_numpy().reshape(-1, trained.width)
            lists = trained.assign(trained.rotate(part))
            mine = np.flatnonzero(cell_shard[trained.list_cell[lists]] == 0)
            rows, _ = next(batches(part, key))
            builder.add(rows.take(pa.array(mine)), part[mine], lists[mine])
            key += len(part)
    builder.finish(IndexFolder(f"{folder}/task"), "shard-00000")
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


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
