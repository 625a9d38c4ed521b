"""Codes of notes beside semantic-id's residual k-means on the same vectors, the memory of encoding, and a night against all.

    python benchmarks/codes.py [--rows 1000000] [--encoded 5000000]

The last line on stdout is one JSON object. codes_speedup: seconds of semantic-id 0.2.5 (PyPI, in an environment of its own; one
start of its k-means, though its default is ten) to fit 3 x 256 codes to 60,000 x 384 sentence vectors and code them, over ours;
codes_speedup_cpu: the same of CPU-seconds, which say more on a busy machine. Beside them the share of notes that have no codes
of their own, and the purity by groups that plain k-means makes of the vectors. codes_peak_gib: the most that a process holds
which codes 5 M x 64 out of files. codes_night: a night of 1 % changed notes over a run that codes all, on Spark. `purity`: by
the demo's topics, of three kinds of vectors (codes_purity.py).
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from codes_purity import purity_rows
from peers_environment import DATA, python_with
from pyspark.sql.types import FloatType, LongType
from stored_lake import edited, make_lake, write

from udfs.arrow import to_array
from udfs.codes.encode import make_encode
from udfs.table_files import make_reader
from uninote.codes.fitting import FitSettings, fit_codebook
from uninote.codes.measures import prefixes, purity
from uninote.config.settings import Config
from uninote.model.hashing.folder import write_card
from uninote.pipelines.codes.stage import codes
from uninote.pipelines.lake.run import Run
from uninote.pipelines.runtime.progress import say
from uninote.pipelines.runtime.session import open_session
from uninote.vectors.kmeans import fit_kmeans, nearest_centroids

PEERS = ("semantic-id==0.2.5",)
LEVELS, SIZE = 3, 256
LABELS = 64  # groups of plain k-means that stand for labels, which these vectors lack
PEER = """
import sys, time, json
import numpy as np
from semantic_id import RQKMeans
vectors = np.load(sys.argv[1])
started = time.perf_counter(), time.process_time()
model = RQKMeans(n_levels=3, n_clusters=256, random_state=0, n_init=1).fit(vectors)
codes = model.encode(vectors)
seconds = time.perf_counter() - started[0], time.process_time() - started[1]
np.save(sys.argv[2], codes)
print(json.dumps({"seconds": seconds}))
"""


def sentence_vectors() -> np.ndarray:
    """Return the set's vectors, float32 (60,000, 384)."""
    return np.load(DATA / "docstring_embeddings" / "vectors_fp16.npy").astype(np.float32)


def quality(vectors: np.ndarray, found: np.ndarray) -> dict[str, float]:
    """Return the share of notes whose codes another one has, the fullest code in shares, and purity by the first codes."""
    centroids = fit_kmeans(vectors, LABELS, seed=1)
    labels = nearest_centroids(vectors, centroids)[:, 0].astype(np.int64)
    groups = prefixes(found.astype(np.int64), SIZE)
    counts = np.unique(groups[-1], return_counts=True)[1]
    most = max(np.bincount(level, minlength=SIZE).max() for level in found.T) * SIZE / len(found)
    made = {"collisions": float(counts[counts > 1].sum() / len(found)), "most": float(most)}
    return made | {f"purity_{level}": purity(group, labels) for level, group in enumerate(groups[:2], 1)}


def beside_peer(folder: Path) -> dict[str, Any]:
    """Return the seconds of both, and what their codes are worth; the peer is left out where it cannot be installed."""
    vectors = sentence_vectors()
    started = time.perf_counter(), time.process_time()
    ours = fit_codebook(vectors, FitSettings(LEVELS, SIZE), "benchmark").encode(vectors)
    seconds = time.perf_counter() - started[0], time.process_time() - started[1]
    found: dict[str, Any] = timed(*seconds) | quality(vectors, ours)
    say(f"codes: ours {found}")
    python = python_with("semantic_id", PEERS)
    if python is None:
        return {"codes_speedup": None, "ours": found}
    np.save(folder / "vectors.npy", vectors)
    script = folder / "peer.py"
    script.write_text(PEER)
    command = [python, str(script), str(folder / "vectors.npy"), str(folder / "peer_codes.npy")]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    peer = json.loads(done.stdout.splitlines()[-1])["seconds"]
    theirs = timed(*peer) | quality(vectors, np.load(folder / "peer_codes.npy"))
    say(f"codes: semantic-id {theirs}")
    speedup, by_cpu = (round(one / own, 2) for one, own in zip(peer, seconds, strict=True))
    return {"codes_speedup": speedup, "codes_speedup_cpu": by_cpu, "ours": found, "semantic_id": theirs}


def timed(seconds: float, cpu: float) -> dict[str, float]:
    """Return seconds and CPU-seconds as the report has them."""
    return {"seconds": round(seconds, 2), "cpu": round(cpu, 1)}


def drawn(rows: int, width: int, seed: int) -> np.ndarray:
    """Return unit vectors around 1,000 centres, float32 (rows, width)."""
    centres = np.random.default_rng(0).standard_normal((1000, width), np.float32)
    random = np.random.default_rng(seed)
    made = centres[random.integers(1000, size=rows)] + 0.7 * random.standard_normal((rows, width), np.float32)
    return made / np.linalg.norm(made, axis=1, keepdims=True)


def peak(folder: Path, rows: int) -> dict[str, Any]:
    """Return the most GiB of a process that codes so many vectors of width 64, which it reads from Parquet, and its seconds."""
    part = 250_000
    for number in range(rows // part):
        vectors = drawn(part, 64, number)
        keys = np.arange(number * part, (number + 1) * part)
        pq.write_table(pa.table({"note_id": keys, "vector": to_array(vectors)}), folder / f"{number:03}.parquet")
    done = subprocess.run([sys.executable, __file__, "--code", str(folder)], capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def code_files(folder: str) -> None:
    """Code all vectors of a folder as a task does, in this process, and print seconds and the peak of its memory."""
    read = make_reader(["note_id", "vector"])
    paths = sorted(Path(folder).glob("*.parquet"))
    codebook = fit_codebook(drawn(65_536, 64, 1), FitSettings(LEVELS, SIZE), "benchmark")
    fields = [("note_id", LongType()), ("prefix", LongType()), ("error", FloatType())]
    schema = pa.schema([(name, pa.int64() if isinstance(kind, LongType) else pa.float32()) for name, kind in fields])
    started = time.perf_counter()
    rows = 0
    for path in paths:
        rows += sum(len(batch) for batch in make_encode(lambda: codebook, schema)(read(str(path))))
    seconds = time.perf_counter() - started
    gib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(json.dumps({"codes_peak_gib": round(gib, 2), "encoded": rows, "encode_s": round(seconds, 1)}))


def night(folder: Path, rows: int) -> dict[str, Any]:
    """Return what a night of 1 % takes of the first run, which codes all."""
    cores = os.cpu_count()
    local = {"spark.master": f"local[{cores}]", "spark.sql.shuffle.partitions": str(cores), "spark.ui.enabled": "false"}
    spark = open_session("codes", local | {"spark.databricks.delta.snapshotPartitions": "1"})
    write_card(folder / "model", (64,))
    model = {"kind": "feature-hashing", "checkpoint": f"{folder}/model"}
    run = Run(spark, Config.model_validate({"lake": f"{folder}/lake", "model": model, "embed": {"widths": [64]}}))
    vectors = drawn(rows, 64, 0)
    make_lake(run, vectors)
    spark.range(0, 64, 1, cores).mapInArrow(lambda batches: batches, "id long").count()
    started = time.perf_counter()
    first = codes(run)
    whole = time.perf_counter() - started
    write(run, *edited(vectors), "edited")
    started = time.perf_counter()
    second = codes(run)
    seconds = time.perf_counter() - started
    spark.stop()
    if second["notes"] != rows or second["notes_coded"] != rows // 100:
        raise SystemExit(f"the night coded {second['notes_coded']} of {second['notes']} notes")
    return {
        "codes_night": round(seconds / whole, 4),
        "whole_s": round(whole, 1),
        "night_s": round(seconds, 2),
        "rows": rows,
        "collision_share": round(first["collision_share"], 4),
    }


def main() -> None:
    """Measure, and print one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--encoded", type=int, default=5_000_000)
    parser.add_argument("--code", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.code:
        code_files(options.code)
        return
    found: dict[str, Any] = {}
    measures = (
        beside_peer,
        lambda at: peak(at, options.encoded),
        lambda at: night(at, options.rows),
        lambda at: {"purity": purity_rows(at)},
    )
    for measure in measures:
        with tempfile.TemporaryDirectory() as folder:
            found |= measure(Path(folder))
            say(f"codes: {found}")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
