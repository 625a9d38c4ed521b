"""The same index made by FAISS alone and by autofaiss, with the factory string of our plan."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import faiss
import numpy as np

from uninote.index.planning.plan import FAST_SCAN_NBITS, IndexPlan

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


def tuned_faiss(vectors: np.ndarray, plan: IndexPlan) -> faiss.Index:
    """Do the same with the threshold that is used here: below it FAISS trains codebooks of narrow parts slowly."""
    before = faiss.cvar.distance_compute_blas_threshold
    faiss.cvar.distance_compute_blas_threshold = 20
    try:
        return plain_faiss(vectors, plan)
    finally:
        faiss.cvar.distance_compute_blas_threshold = before


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
