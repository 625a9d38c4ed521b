"""The neighbours job end to end on Spark against its own kernel in one process, and a night of 1 % against a full join.

    python benchmarks/neighbours_spark.py [--rows 500000]

CPU-seconds are those of all processes: driver, JVM and Python workers; the start of the session and of its workers with their
compiled code, and the making of the lake, apart. Memory is touched before each measurement.
The last line on stdout is one JSON object: spark_vs_process, over one process that reads the same Parquet, joins as many
neighbours a row and writes lists of K for readers (neighbours_process.py), measuring recall apart on both sides, and
spark_vs_process_measured, with it; spark_vs_best_peer, over the best peer in one process at recall 0.98, pynndescent among
them, measuring recall apart, and spark_vs_best_peer_measured; spark_vs_kernel, everything over the kernel
alone; night_vs_floor, a night of 1 % over its floor, the larger of one cell and of eight: reading and writing the stored
lists once, in one process, and the night's share of the kernel; rules_vs_plain, the largest of full join and night with
different authors and with the same language over those without rules (--rule-rows); one_percent_cost, what it takes to find
all that changes in a night in which 1 % of the notes became much like some other ones, over the join of all (merging and
writing are `merge`, and part of the full join's side); one_percent_kernel, the same of the two kernels alone, in one process;
cpu_s by phase of both; wall_s; recall; lookup_ms, the median of look-ups of ten notes in the table, opened once and opened
each time; cells, of the same join cut into eight cells: its CPU-seconds, those of a night in them, and the bytes shuffled
over those that docs/neighbours.md foretells; nearest_by_join, of --nearest-rows: the wall time of Spark's own join over that of
this one.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from neighbour_sets import growing
from neighbours import PEERS, Arena
from neighbours_rules import rules_vs_plain
from peers_environment import python_with
from processes import cpu_seconds, phases_counted, run_apart, touch_memory
from pyspark.sql import functions as F
from stored_lake import edited, make_lake, write

from uninote.config.settings import Config
from uninote.neighbours.kernel.approximate import top_k
from uninote.neighbours.kernel.assignments import Assignment
from uninote.neighbours.lookup import lookup, open_table
from uninote.neighbours.planning import cells
from uninote.neighbours.truth import exact_topk
from uninote.neighbours.update.changed_join import ChangedRows
from uninote.neighbours.update.probes import join_probed
from uninote.pipelines.lake.run import Run
from uninote.pipelines.neighbours import stage, update
from uninote.pipelines.neighbours.planning.plan import kernel_recall
from uninote.pipelines.runtime.session import open_session

K = 20
TOUCHED_GIB = 6  # more than the workers, and the files that they write, take
# What the JVM does here is plan: compiled quickly, not well.
QUICK_JVM = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
PHASES = {
    "open_join": (stage, "open_join"),
    "follow": (stage, "update_lists"),
    "join_all": (stage, "join_all"),
    "merge": (update, "merge_updates"),
    "publish": (stage, "publish"),
    "measure_recall": (stage, "measure_recall"),
    "record": (stage, "record"),
}
LOCAL = {
    "spark.master": f"local[{os.cpu_count()},4]",
    "spark.sql.shuffle.partitions": str(os.cpu_count()),
    "spark.databricks.delta.snapshotPartitions": "1",
    "spark.ui.enabled": "false",
    "spark.shuffle.compress": "false",  # so that bytes are those that were foretold
}


def start_workers(run: Run) -> float:
    """Have every worker import what it needs and load the compiled code; returns the CPU-seconds that took."""

    def work(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for name in ("udfs.neighbours.full_join", "udfs.neighbours.update"):
            importlib.import_module(name)
        started, few = time.monotonic(), np.random.default_rng(0).standard_normal((22_000, 16), dtype=np.float32)
        assignments: list[Assignment] = []
        scores = top_k(few[1000:], K, assignments=assignments)[1]
        limits = np.append(np.full(1000, -np.inf, np.float32), scores[:, -1])
        join_probed(ChangedRows(few, 1000, limits), K, assignments, recall=0.98, seed=0)
        exact_topk(few[:2], iter([(np.arange(len(few)), few)]), K, np.arange(2))
        time.sleep(max(0.0, 4 + started - time.monotonic()))  # or one worker would do it all
        yield from batches

    before, cores = cpu_seconds(), run.spark.sparkContext.defaultParallelism
    run.spark.range(0, cores, 1, cores).mapInArrow(work, "id bigint").collect()
    return round(cpu_seconds() - before, 1)


def timed(run: Run) -> dict[str, Any]:
    """Run the stage, and return its summary, CPU-seconds by phase, and wall time."""
    touch_memory(TOUCHED_GIB)
    started, cpu = time.perf_counter(), cpu_seconds()
    with phases_counted(PHASES) as spent:
        summary = stage.neighbours(run)
    total = cpu_seconds() - cpu
    if "merge" in spent:
        spent["follow"] -= spent["merge"]  # which is a part of an update
    phases = {name: round(seconds, 1) for name, seconds in spent.items()}
    return {
        "recall": summary["recall_at_k"],
        "cpu_s": phases | {"all": round(total, 1)},
        "wall_s": round(time.perf_counter() - started, 1),
    }


def kernel(vectors: np.ndarray, recall: float) -> float:
    """Return the CPU-seconds of the kernel alone on all rows, compiled before."""
    top_k(vectors[:30_000], K, recall=recall)
    touch_memory(TOUCHED_GIB)
    started = time.process_time()
    top_k(vectors, K, recall=recall)
    return time.process_time() - started


def kernel_night(vectors: np.ndarray, kept: int, recall: float) -> tuple[float, float]:
    """Return the CPU-seconds of the kernel alone, of a night and of the full join, lists as long on both sides, compiled."""
    keys, moved = edited(vectors)
    others = np.setdiff1d(np.arange(len(vectors)), keys)
    for rows in (others[:30_000], others):
        assignments: list[Assignment] = []
        started = time.process_time()
        scores = top_k(vectors[rows], kept, recall=recall, assignments=assignments)[1]
        full = time.process_time() - started
        limits = np.concatenate([np.full(len(keys), -np.inf, np.float32), scores[:, -1]])
        met = np.concatenate([moved, vectors[rows]])
        started = time.process_time()
        join_probed(ChangedRows(met, len(keys), limits), kept, assignments, recall=recall, seed=0)
        night = time.process_time() - started
    return night, full


def shuffled_bytes(run: Run) -> int:
    """Return what all stages so far have written to be shuffled."""
    store = run.spark.sparkContext._jsc.sc().statusStore()
    no_quantiles = run.spark.sparkContext._gateway.new_array(run.spark.sparkContext._jvm.double, 0)
    stages = store.stageList(None, False, False, no_quantiles, None)
    return sum(stages.apply(place).shuffleWriteBytes() for place in range(stages.size()))


def in_cells(run: Run, vectors: np.ndarray) -> dict[str, Any]:
    """Join the same rows in eight cells, and compare what is shuffled with what was foretold."""
    rows, width = vectors.shape
    overlap, kept = 3, K + run.config.neighbours.slack
    settings = {"cell_rows": rows // 8, "overlap": overlap, "task_mib": 16_384}
    config = run.config.model_copy(update={"neighbours": run.config.neighbours.model_copy(update=settings)})
    before = shuffled_bytes(run)
    told = timed(Run(run.spark, config))
    shuffled = shuffled_bytes(run) - before
    foretold = cells.shuffled_bytes(rows, overlap, width, kept, 8)
    write(run, *edited(vectors, seed=6), "third")
    night = timed(Run(run.spark, config))
    return told | {"night": night, "shuffled_vs_foretold": round(shuffled / foretold, 3)}


def nearest_by_join(run: Run, folder: str, rows: int) -> dict[str, Any]:
    """Time Spark's own nearest-by join, a cross product, on its first rows, against this project's whole stage."""
    vectors = growing(rows)
    small = Run(run.spark, run.config.model_copy(update={"lake": f"{folder}/small"}))
    make_lake(small, vectors)
    ours = timed(small)["wall_s"]
    stored = small.generation.uri(f"embeddings/w{vectors.shape[1]}")
    left = run.spark.read.format("delta").load(stored).select("item_key", "vector")
    right = left.select(left.item_key.alias("other"), left.vector.alias("their"))
    product = F.aggregate(F.zip_with("vector", "their", lambda x, y: x * y), F.lit(0.0), lambda total, x: total + x)
    started = time.perf_counter()
    found = left.nearestByJoin(right, product, K + 1, "exact", "similarity")
    found.select("item_key", "other").write.format("noop").mode("overwrite").save()
    theirs = time.perf_counter() - started
    return {"rows": rows, "wall_s": round(theirs, 1), "ours_s": ours, "ratio": round(theirs / ours, 1)}


def nearest_in_its_own(rows: int) -> dict[str, Any]:
    """Run that in a process of its own: there the JVM computes, and should be compiled well."""
    command = [sys.executable, __file__, "--only-nearest", "--nearest-rows", str(rows)]
    printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return dict(json.loads(printed.splitlines()[-1]))


def in_process(run: Run, folder: str, command: str, table: str, *rest: str) -> dict[str, float]:
    """Run neighbours_process.py on a table of the lake; returns what it printed."""
    source = run.generation.uri(table)
    depth = K + run.config.neighbours.slack
    touch_memory(TOUCHED_GIB)
    script = Path(__file__).parent / "neighbours_process.py"
    return run_apart(script, command, source, f"{folder}/process/{command}", str(K), str(depth), *rest, threads=1)


def noted(what: str, found: Any) -> Any:
    """Say what was found so far, as the run takes long and may be ended; return it."""
    print(f"{what}: {json.dumps(found)}", file=sys.stderr)
    return found


def apart(taken: dict[str, Any], process: dict[str, float]) -> float:
    """Return the CPU-seconds of a run without measuring recall: its phase, and what the join's task finds for it."""
    return float(taken["cpu_s"]["all"] - taken["cpu_s"]["measure_recall"] - process["truth"])


def best_peer(vectors: np.ndarray, folder: Path, python: str | None) -> dict[str, Any]:
    """Return the cheapest run of a peer that reaches recall 0.98: of faiss, and of pynndescent where there is one."""
    arena, methods = Arena(vectors, folder, python), ("big_batch", "ivf", *(("pynndescent",) if python else ()))
    runs = [run for method in methods for run in arena.curve(method, 600)]
    return min((run for run in runs if run["recall"] >= 0.98), key=lambda run: run["cpu_s"])


def lookups(lake: str, rows: int) -> dict[str, float]:
    """Return the median milliseconds of look-ups of ten notes."""
    generator, table = np.random.default_rng(0), open_table(lake)
    ways = {"opened_once": table.get, "opened_each_time": lambda ids: lookup(lake, ids)}
    found = {}
    for name, way in ways.items():
        times = []
        for _ in range(20):
            ids = generator.integers(0, rows, 10).tolist()
            started = time.perf_counter()
            assert len(way(ids)) == len(set(ids))
            times.append((time.perf_counter() - started) * 1000)
        found[name] = round(float(np.median(times)), 1)
    return found


def config_of(folder: str, width: int) -> Config:
    """Return a configuration whose lake is in `folder`, with vectors of one width."""
    values = {
        "lake": f"{folder}/lake",
        "ingest": {"source": "demo"},
        "model": {"checkpoint": "demo", "allow_demo": True},
        "demo": {"folder": f"{folder}/demo", "notes": 60},
        # An update that is measured is one, whatever it costs.
        "neighbours": {"full_share": 0.2},
        "embed": {"widths": [width], "undeclared_widths": True},
    }
    return Config.model_validate(values)


def measure(run: Run, folder: str, rows: int) -> dict[str, Any]:
    """Return what the job takes beside one process that does the same: a full join and an update, in one cell and in eight."""
    vectors = growing(rows)
    make_lake(run, vectors)
    started = start_workers(run)
    full = noted("full join", timed(run))
    recall = kernel_recall(run.config.neighbours)
    alone = kernel(vectors, recall)
    process = in_process(run, folder, "join", f"embeddings/w{vectors.shape[1]}", str(recall))
    noted("kernel, and one process", [alone, process])
    write(run, *edited(vectors), "second")
    night = noted("night", timed(Run(run.spark, run.config)))
    looked_up = lookups(f"{folder}/lake", rows)
    night_kernel, full_kernel = kernel_night(vectors, K + run.config.neighbours.slack, recall)
    floor = in_process(run, folder, "floor", f"neighbour_state/{stage.STAGE}")["lists"] + night_kernel
    noted("night of the kernel, full join of the kernel, floor", [night_kernel, full_kernel, floor])
    cells = noted("in cells", in_cells(run, vectors))
    bare = process["read"] + process["join"] + process["write"]
    return {
        "rows": rows,
        "width": vectors.shape[1],
        "spark_vs_process": round(apart(full, process) / bare, 2),
        "spark_vs_process_measured": round(full["cpu_s"]["all"] / (bare + process["measure"]), 2),
        "spark_vs_kernel": round(full["cpu_s"]["all"] / alone, 2),
        "kernel_cpu_s": round(alone, 2),
        "one_percent_cost": round(night["cpu_s"]["follow"] / full["cpu_s"]["join_all"], 3),
        "one_percent_kernel": round(night_kernel / full_kernel, 3),
        "process": process,
        "night_floor_cpu_s": round(floor, 2),
        "night_vs_floor": round(max(apart(one, process) for one in (night, cells["night"])) / floor, 2),
        "workers_start_cpu_s": started,
        "full": full,
        "night": night,
        "lookup_ms": looked_up,
        "cells": cells,
    }


def against_best_peer(measured: dict[str, Any], folder: str, python: str | None) -> dict[str, Any]:
    """Return the full join's CPU-seconds over those of the best peer at the same recall."""
    peer = best_peer(growing(measured["rows"]), Path(folder), python)
    full = measured["full"]
    return {
        "peer": peer,
        "spark_vs_best_peer": round(apart(full, measured["process"]) / peer["cpu_s"], 2),
        "spark_vs_best_peer_measured": round(full["cpu_s"]["all"] / peer["cpu_s"], 2),
    }


def main() -> None:
    """Run all of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=500_000)
    parser.add_argument("--nearest-rows", type=int, default=200)
    parser.add_argument("--rule-rows", type=int, default=200_000)
    parser.add_argument("--only-nearest", action="store_true", help="run nearest_by_join and nothing else")
    parser.add_argument("--peers-python", help="an interpreter that has pynndescent; without it, one is made")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        config = config_of(folder, growing(2).shape[1])
        if options.only_nearest:
            run = Run(open_session("benchmark", LOCAL), config)
            print(json.dumps(nearest_by_join(run, folder, options.nearest_rows)))
            return
        run = Run(open_session("benchmark", LOCAL | {"spark.driver.extraJavaOptions": QUICK_JVM}), config)
        result = measure(run, folder, options.rows)
        result |= noted("rules", rules_vs_plain(run, folder, options.rule_rows, timed))
        python = options.peers_python or python_with("pynndescent", PEERS)
        result |= noted("peer", against_best_peer(result, folder, python))
        # Last, as it takes minutes for a thousand rows.
        result["nearest_by_join"] = nearest_in_its_own(options.nearest_rows)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
