"""The join in one process and on one thread, without Spark: what the neighbours job is measured against, and a night's floor.

    python benchmarks/neighbours_process.py join <folder of embeddings> <folder for lists> <K> <entries> <recall>
    python benchmarks/neighbours_process.py floor <folder of the state's lists> <folder for lists> <K> <entries>

`join` reads the vectors of a Delta table's files, joins them with the kernel and writes lists of K for readers. `floor` reads
the stored lists and writes them again as they are, for updates and for readers. The last line on stdout is a JSON object of
CPU-seconds by phase, compilation and imports apart. That of `join` has the recall, and what measuring it took, `measure`, of
which `truth`, the exact neighbours of 500 notes, is a part.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from udfs.arrow import read_rows
from udfs.neighbours.files import ListFolders, PublicEntries, Shown, public_lists, write_lists
from udfs.neighbours.lists import LISTS
from uninote.lake.delta_files import files_of
from uninote.lake.parquet_files import write_file
from uninote.neighbours.compiling import compile_kernels
from uninote.neighbours.kernel.approximate import top_k
from uninote.neighbours.kernel.settings import settings_for
from uninote.neighbours.recall import exact_scores, tie_aware_recall
from uninote.neighbours.results.lists import Lists
from uninote.neighbours.truth import exact_topk

FILE_ROWS = 100_000
GROUP_ROWS = 4096
SAMPLE = 500


@contextmanager
def counted(spent: dict[str, float], phase: str) -> Iterator[None]:
    """Add the CPU-seconds of what is done within."""
    started = time.process_time()
    yield
    spent[phase] = spent.get(phase, 0.0) + time.process_time() - started


def read_vectors(folder: str) -> tuple[np.ndarray, pa.Array, np.ndarray]:
    """Return keys, note_ids and vectors, in order of key."""
    batches: list[pa.RecordBatch] = []
    for file in files_of(folder):
        with pq.ParquetFile(file.path) as parquet:
            batches += parquet.iter_batches(1 << 16, columns=["item_key", "note_id", "vector"], use_threads=False)
    keys, vectors = read_rows(batches)
    order = np.argsort(keys, kind="stable")
    note_ids = pa.Table.from_batches([batch.select(["note_id"]) for batch in batches])["note_id"].combine_chunks()
    return keys[order], note_ids.take(pa.array(order)), vectors[order]


def write_public(note_ids: pa.Array, lists: Lists, k: int, folder: str) -> None:
    """Write lists of `k` as the job's readers see them."""
    for start in range(0, len(note_ids), FILE_ROWS):
        ids = lists.ids[start : start + FILE_ROWS]
        held = ids >= 0
        others = note_ids.take(pa.array(ids[held]))
        scores = lists.scores[start : start + FILE_ROWS][held]
        # Strengths cost the program what they cost the job but for the product with the vectors, a second of 500,000 x 128.
        unknown = np.full(len(scores), np.nan, np.float32)
        entries = PublicEntries(others, scores, unknown, unknown)
        rows = public_lists(note_ids[start : start + FILE_ROWS], held.sum(axis=1), entries, Shown(k))
        write_file(pa.Table.from_batches([rows]), folder, GROUP_ROWS)


def join(source: str, target: str, k: int, depth: int, recall: float) -> dict[str, float]:
    """Join all notes, and measure recall."""
    # Compiling, 22 CPU-seconds once on a machine, belongs to no phase.
    compile_kernels()
    spent: dict[str, float] = {}
    with counted(spent, "read"):
        keys, note_ids, vectors = read_vectors(source)
    with counted(spent, "join"):
        lists = top_k(vectors, depth, settings=settings_for(len(vectors), k, recall, depth))
    with counted(spent, "write"):
        write_public(note_ids, lists, k, target)
    with counted(spent, "measure"):
        places = np.sort(np.random.default_rng(0).choice(len(keys), SAMPLE, replace=False))
        with counted(spent, "truth"):
            truth = exact_topk(vectors[places], iter([(keys, vectors)]), 2 * k, keys[places])
        found = exact_scores(vectors[places], iter([(keys, vectors)]), keys[lists.ids[places, :k]])
    return spent | {"recall": tie_aware_recall(found, truth.scores, k, tolerance=1e-6)}


def floor(source: str, target: str, k: int, depth: int) -> dict[str, float]:
    """Read stored lists and write them again."""
    spent: dict[str, float] = {}
    folders = ListFolders(f"{target}/state", f"{target}/public", None, depth, k, 2.0, np.empty(0, np.int64))
    with counted(spent, "lists"):
        for file in files_of(source):
            with pq.ParquetFile(file.path) as parquet:
                for _ in write_lists(parquet.iter_batches(FILE_ROWS, columns=[*LISTS], use_threads=False), folders):
                    pass
    return spent


if __name__ == "__main__":
    command, source, target, k, depth, *rest = sys.argv[1:]
    if command == "join":
        result = join(source, target, int(k), int(depth), float(rest[0]))
    else:
        result = floor(source, target, int(k), int(depth))
    print(json.dumps({name: round(value, 4) for name, value in result.items()}))
