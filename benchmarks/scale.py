"""Neighbours and the index of one width over millions of drawn vectors: memory, time and recall, beside what was planned.

    python benchmarks/scale.py [--rows 5000000] [--width 64] [--skew 0.5] [--seed 0] [--cores 2]

Tasks draw the vectors and write them in the lake's own layout; then the real stages run on this host, each in a Spark
session of its own.
The last line on stdout is one JSON object:
peak_gib, the most memory that this process, the JVM and all workers take together (shared pages count once), and
driver_peak_gib, that of this process, the driver's Python, both while the stages run; jvm_peak_gib, which is driver and
executor in one here; worker_peak_mib by stage, of one worker; neighbours_recall, of the first 20 neighbours of 500 notes, and
index_recall and index_recall_at_20, of the first 10 and 20, at the number of lists that the index was calibrated to, all
against exact scores of all vectors, ties counted fairly (measured_by_stages has the stages' own recall@20, of other notes);
stages, with wall_s, cpu_s, shuffled_bytes and spilled_bytes (of memory and of disk, as Spark counts them), and seconds by
step; plans, with what was foretold beside what was seen, and `off`, seen over foretold less 1.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import scale_lake
from processes import phases_counted
from pyspark import cloudpickle
from pyspark.sql import SparkSession
from resident import Watch
from scale_lake import Drawn, make_lake, stored_parts

from uninote.config.settings import Config
from uninote.index.planning.choose import overrides_of, plan_index
from uninote.index.search import Index
from uninote.neighbours.lookup import open_table
from uninote.neighbours.planning.cells import shuffled_bytes, task_bytes
from uninote.pipelines.index import stage as index_stage
from uninote.pipelines.lake.run import Run
from uninote.pipelines.neighbours import stage as neighbours_stage
from uninote.pipelines.neighbours.planning import join as join_work
from uninote.pipelines.runtime.session import open_session

K = 20
FIRST = 10  # neighbours, of which the recall of the index is
QUERIES = 500
TIE = 1e-6
STEPS = {
    "exact neighbours of a sample": (join_work, "sample_truth"),  # where there are cells: a part of the join
    "join": (neighbours_stage, "join_all"),
    "tables": (neighbours_stage, "publish"),
    "recall": (neighbours_stage, "measure_recall"),
}


def main() -> None:
    """Run all of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--skew", type=float, default=0.5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cores", type=int, default=os.cpu_count())
    parser.add_argument("--folder", default=None, help="where the lake is made, and removed again")
    options = parser.parse_args()
    # Workers cannot import it: it lies beside this script, not in a package.
    cloudpickle.register_pickle_by_value(scale_lake)
    drawn = Drawn(options.rows, options.width, options.skew, options.seed)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        run = Run(_session(options.cores), _config(folder, drawn))
        started = time.perf_counter()
        make_lake(run, drawn)
        made_s = round(time.perf_counter() - started, 1)
        print(json.dumps({**vars(options), "lake_s": made_s, **measure(run, drawn, options.cores)}))


def _session(cores: int) -> SparkSession:
    return open_session("scale", {"spark.master": f"local[{cores}]"})


def _config(folder: str, drawn: Drawn) -> Config:
    values = {
        "lake": f"{folder}/lake",
        "ingest": {"source": "demo"},
        "model": {"checkpoint": "demo", "allow_demo": True},
        "demo": {"folder": f"{folder}/demo", "notes": 60},
        "embed": {"widths": [drawn.width], "undeclared_widths": True},
        "neighbours": {"k": K},
    }
    return Config.model_validate(values)


def measure(run: Run, drawn: Drawn, cores: int) -> dict[str, Any]:
    """Run both stages, and return what they took and found."""
    with Watch() as watch:
        neighbours, joined = _timed(run, watch, neighbours_stage.neighbours)
        # Workers of its own: those that have joined keep what that left in them.
        run.spark.stop()
        run = Run(_session(cores), run.config)
        index, indexed = _timed(run, watch, index_stage.index)
    built = indexed["indexes"][f"w{drawn.width}"]
    seen = {"neighbours": neighbours, "index": index}
    return {
        "peak_gib": round(watch.all_mib / 1024, 2),
        "driver_peak_gib": round(watch.driver_mib / 1024, 2),
        "jvm_peak_gib": round(watch.jvm_mib / 1024, 2),
        **recalls(run, drawn, indexed["tables"], built["nprobe"]),
        "measured_by_stages": {"neighbours": joined["recall_at_k"], "index": built["recall_at_k"]},
        "stages": seen,
        "plans": plans(run, drawn, joined, built, seen),
    }


def _timed(run: Run, watch: Watch, stage: Callable[[Run], dict[str, Any]]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Run a stage, and return (what it took, its summary)."""
    watch.worker_mib = 0.0
    before = spark_bytes(run)
    cpu = watch.cpu_s
    started = time.perf_counter()
    with phases_counted(STEPS) as spent:
        summary = stage(run)
    took: dict[str, Any] = {
        "wall_s": round(time.perf_counter() - started, 1),
        "cpu_s": round(watch.cpu_s - cpu, 1),
        "worker_peak_mib": round(watch.worker_mib),
    }
    for name, value in spark_bytes(run).items():
        took[name] = value - before[name]
    if spent:
        took["cpu_s_by_step"] = {name: round(seconds, 1) for name, seconds in spent.items()}
    return took, summary


def spark_bytes(run: Run) -> dict[str, int]:
    """Return what all tasks so far have shuffled and spilled, by Spark's own counters."""
    context = run.spark.sparkContext
    no_quantiles = context._gateway.new_array(context._jvm.double, 0)
    stages = context._jsc.sc().statusStore().stageList(None, False, False, no_quantiles, None)
    total = {"shuffled_bytes": 0, "spilled_memory_bytes": 0, "spilled_disk_bytes": 0}
    for place in range(stages.size()):
        stage = stages.apply(place)
        total["shuffled_bytes"] += stage.shuffleWriteBytes()
        total["spilled_memory_bytes"] += stage.memoryBytesSpilled()
        total["spilled_disk_bytes"] += stage.diskBytesSpilled()
    return total


def recalls(run: Run, drawn: Drawn, indexes: Mapping[str, str], lists: int) -> dict[str, float]:
    """Return recall of the lists and of searches in the index, a note itself apart, by scores of all stored vectors."""
    keys = np.sort(np.random.default_rng(drawn.seed + 1).choice(drawn.rows, min(QUERIES, drawn.rows), replace=False))
    queries = np.empty((len(keys), drawn.width), np.float32)
    for part_keys, vectors in stored_parts(run, drawn.width):
        mine = np.isin(part_keys, keys)
        queries[np.searchsorted(keys, part_keys[mine])] = vectors[mine]
    table = open_table(run.config.lake).get(keys.tolist())
    listed = np.full((len(keys), K), -1)
    for row, key in enumerate(keys.tolist()):
        others = [other for other, _ in table[key]]
        listed[row, : len(others)] = others
    (uri,) = indexes.values()
    index = Index.open(uri)
    first = _searched(index, keys, queries, lists, FIRST)
    more = _searched(index, keys, queries, lists, K)
    best, scores = _exact(run, drawn, keys, queries, [listed, first, more])
    return {
        "neighbours_recall": _reached(scores[0], best[:, K - 1]),
        "index_recall": _reached(scores[1], best[:, FIRST - 1]),
        "index_recall_at_20": _reached(scores[2], best[:, K - 1]),
    }


def _searched(index: Index, keys: np.ndarray, queries: np.ndarray, lists: int, k: int) -> np.ndarray:
    """Return int64 (queries, k): what a search of so many lists finds, the query's own key apart, -1 for none."""
    found, _ = index.search(queries, k + 1, lists)
    searched = np.full((len(keys), k), -1)
    for row, key in enumerate(keys):
        others = found[row][(found[row] >= 0) & (found[row] != key)][:k]
        searched[row, : len(others)] = others
    return searched


def _exact(
    run: Run, drawn: Drawn, keys: np.ndarray, queries: np.ndarray, found: list[np.ndarray]
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return (the K best scores of each query, best first; the scores of what was found, -inf for none)."""
    best = np.full((len(keys), K), -np.inf, np.float32)
    scores = [np.full(one.shape, -np.inf, np.float32) for one in found]
    for part_keys, vectors in stored_parts(run, drawn.width):
        place = np.full(drawn.rows, -1)
        place[part_keys] = np.arange(len(part_keys))
        block = queries @ vectors.T
        mine = np.flatnonzero(place[keys] >= 0)
        block[mine, place[keys[mine]]] = -np.inf
        for one, into in zip(found, scores, strict=True):
            rows, slots = np.nonzero((one >= 0) & (place[one] >= 0))
            into[rows, slots] = block[rows, place[one[rows, slots]]]
        both = np.concatenate([best, block], axis=1)
        best = -np.sort(-np.partition(both, -K, axis=1)[:, -K:], axis=1)
    return best, scores


def _reached(scores: np.ndarray, least: np.ndarray) -> float:
    """Return the share of entries whose score reaches that of the last true neighbour."""
    return round(float((scores >= least[:, None] - TIE).mean()), 4)


def plans(
    run: Run, drawn: Drawn, joined: Mapping[str, Any], built: Mapping[str, Any], seen: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what was foretold beside what was seen."""
    settings = run.config.neighbours
    kept = settings.k + settings.slack
    is_cut = joined["cells"] > 1
    foretold = shuffled_bytes(drawn.rows, joined["overlap"], drawn.width, kept, 8)
    held = drawn.rows * joined["overlap"] / joined["cells"]
    plan = plan_index(drawn.rows, drawn.width, overrides_of(run.config.index))
    return {
        "cells": joined["cells"],
        "overlap": joined["overlap"],
        "join_worker_mib": _beside(
            task_bytes(settings, drawn.width, int(held)) / 2**20, seen["neighbours"]["worker_peak_mib"]
        ),
        "join_shuffled_bytes": _beside(foretold * is_cut, seen["neighbours"]["shuffled_bytes"]),
        "index_worker_mib": _beside(plan.task_bytes / 2**20, seen["index"]["worker_peak_mib"]),
        "index_bytes": _beside(plan.total_bytes, built["bytes"]),
        "index_cpu_s": _beside(plan.cpu_seconds, seen["index"]["cpu_s"]),
    }


def _beside(foretold: float, seen: float) -> dict[str, float | None]:
    off = round(seen / foretold - 1, 3) if foretold else None
    return {"foretold": round(foretold, 1), "seen": round(seen, 1), "off": off}


if __name__ == "__main__":
    main()
