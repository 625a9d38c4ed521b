"""The match stage's comparison on Spark against one BLAS loop over the same Parquet, and a night against all of it.

    python benchmarks/match.py [--rows 1000000] [--entries 10000] [--width 256]

Wall seconds, on all cores of this machine for both. The last line on stdout is one JSON object: match_vs_blas, everything
compared (scores, histograms of best scores, matches committed) over one process that reads the vectors, multiplies them by
the entries in blocks, and keeps what reaches the threshold; match_night, 1 % changed items and 10 new entries over everything;
seconds of each; and `matches`, which both sides must agree on.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable, write_deltalake
from stored_lake import edited, make_lake, write

from uninote.config.settings import Config
from uninote.gallery.thresholds import Limits, Pair, Thresholds
from uninote.lake.schemas import GALLERY
from uninote.model.hashing.folder import write_card
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.reading.snapshot import newest_snapshot
from uninote.pipelines.lake.run import Outcome, Run, last_entry, record
from uninote.pipelines.matching.scope import Scope, find_scope
from uninote.pipelines.matching.stage import compare_scope
from uninote.pipelines.runtime.session import open_session

NEW_ENTRIES = 10
CATEGORIES = 4
REVIEW = 0.9
LIMITS = Thresholds({Pair("*", "image", "note"): Limits(0.95, REVIEW)})
BLOCK = 4 << 20


def unit(generator: np.random.Generator, rows: int, width: int) -> np.ndarray:
    """Return random directions, float32 (rows, width)."""
    made = generator.standard_normal((rows, width), np.float32)
    return made / np.linalg.norm(made, axis=1, keepdims=True)


def write_entries(run: Run, vectors: np.ndarray, first: int, mode: str) -> None:
    """Put entries into the gallery, as the stage leaves them."""
    count = len(vectors)
    width = vectors.shape[1]
    columns: dict[str, Any] = {
        "entry_id": [f"e{number:06}" for number in range(first, first + count)],
        "kind": ["image"] * count,
        "position": pa.array([0] * count, pa.int32()),
        "category": [f"c{number % CATEGORIES}" for number in range(count)],
        "enabled": [True] * count,
        "generic": [False] * count,
        "content_hash": [""] * count,
        "generation": [run.model.generation] * count,
        "vector": pa.ListArray.from_arrays(np.arange(0, (count + 1) * width, width, np.int32), vectors.reshape(-1)),
    }
    uri = run.generation.uri(GALLERY.name)
    tables.create(run.spark, GALLERY, uri)
    schema = pa.schema(DeltaTable(uri, without_files=True).schema().to_arrow())
    for name in schema.names:
        columns.setdefault(name, pa.nulls(count, schema.field(name).type))
    write_deltalake(uri, pa.table({name: columns[name] for name in schema.names}).cast(schema), mode=mode)


def timed(run: Run) -> tuple[float, dict[str, int]]:
    """Compare what changed, write that down, and return seconds and counts."""
    started = time.perf_counter()
    scope = find_scope(run, newest_snapshot(run), last_entry(run, "match", "all"))
    counts = compare_scope(scope, LIMITS)
    _record(scope, counts)
    return time.perf_counter() - started, counts


def _record(scope: Scope, counts: dict[str, int]) -> None:
    inputs = {"items": scope.vectors.snapshot.versions["items"], GALLERY.name: scope.gallery}
    record(scope.run, "match", "all", Outcome("done", counts, inputs, fingerprint=scope.settings), time.time())


def blas(table: str, gallery: str) -> None:
    """The peer, in a process of its own: print the seconds and the number of scores that reach the threshold."""
    started = time.perf_counter()
    entries = _matrix(pa.concat_tables(pq.read_table(path, columns=["vector"]) for path in _files(gallery)))
    rows = BLOCK // len(entries)
    found = 0
    for path in _files(table):
        for batch in pq.ParquetFile(path).iter_batches(1 << 14, columns=["note_id", "vector"]):
            items = _matrix(pa.Table.from_batches([batch]))
            for first in range(0, len(items), rows):
                found += len(np.argwhere(items[first : first + rows] @ entries.T >= REVIEW))
    print(json.dumps({"seconds": time.perf_counter() - started, "found": found}))


def _files(uri: str) -> list[str]:
    return sorted(DeltaTable(uri).file_uris())


def _matrix(rows: pa.Table) -> np.ndarray:
    vectors = rows["vector"].combine_chunks()
    return vectors.flatten().to_numpy().reshape(len(vectors), -1)


def peer(table: str, gallery: str) -> dict[str, float]:
    """Return what the peer says."""
    done = subprocess.run(
        [sys.executable, __file__, "--blas", table, gallery], capture_output=True, text=True, check=True
    )
    return dict(json.loads(done.stdout.splitlines()[-1]))


def measure(run: Run, rows: int, entries: int, width: int) -> dict[str, Any]:
    """Return all that the last line says."""
    generator = np.random.default_rng(0)
    vectors = unit(generator, rows, width)
    gallery = unit(generator, entries, width)
    # One entry in ten is near to a note.
    near = gallery[: entries // 10] * 0.3
    near += vectors[generator.choice(rows, len(near), replace=False)]
    gallery[: len(near)] = near / np.linalg.norm(near, axis=1, keepdims=True)
    make_lake(run, vectors)
    write_entries(run, gallery, 0, "overwrite")
    run.spark.range(0, 64, 1, os.cpu_count()).mapInArrow(lambda batches: batches, "id long").count()
    whole, counts = timed(run)
    slow = peer(run.generation.uri(f"embeddings/w{width}"), run.generation.uri(GALLERY.name))
    found = counts["matches_act"] + counts["matches_review"]
    if found != slow["found"]:
        raise SystemExit(f"{found} matches on Spark, {slow['found']} by BLAS")
    write(run, *edited(vectors), "edited")
    write_entries(run, unit(generator, NEW_ENTRIES, width), entries, "append")
    night, changed = timed(run)
    return {
        "match_vs_blas": round(whole / slow["seconds"], 3),
        "match_night": round(night / whole, 4),
        "wall_s": {"whole": round(whole, 2), "blas": round(slow["seconds"], 2), "night": round(night, 2)},
        "rows": rows,
        "entries": entries,
        "width": width,
        "matches": found,
        "items_of_the_night": changed["items_compared"],
    }


def main() -> None:
    """Measure, and print one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--entries", type=int, default=10_000)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--blas", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.blas:
        blas(*options.blas)
        return
    cores = os.cpu_count()
    local = {"spark.master": f"local[{cores}]", "spark.sql.shuffle.partitions": str(cores), "spark.ui.enabled": "false"}
    spark = open_session("match", local | {"spark.databricks.delta.snapshotPartitions": "1"})
    with tempfile.TemporaryDirectory() as folder:
        write_card(Path(folder) / "model", (options.width,))
        model = {"kind": "feature-hashing", "checkpoint": f"{folder}/model"}
        settings = {"lake": f"{folder}/lake", "model": model, "embed": {"widths": [options.width]}}
        run = Run(spark, Config.model_validate(settings))
        print(json.dumps(measure(run, options.rows, options.entries, options.width)))


if __name__ == "__main__":
    main()
