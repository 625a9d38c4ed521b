"""One method of finding all rows' neighbours, in one process and on one thread: the kernel, or a peer.

    python benchmarks/neighbour_peers.py <method> <vectors.npy> <ids.npy> <k> <parameters as JSON>

Vectors are float32 (n, width) of length one. Writes ids (n, any) whose rows may name the row itself. The last line on
stdout is a JSON object: cpu_s, process time of building and searching; compile_s, of the warm-up before it; added_mib,
the peak of resident memory over what the process had once the vectors were loaded.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

EXACT_QUERIES = 10_000  # exact search costs the same for each query: the rest is counted, not run

Search = Callable[[], np.ndarray]


def kernel(vectors: np.ndarray, k: int, recall: float) -> Search:
    """Prepare this project's kernel."""
    from uninote.neighbours.kernel.approximate import top_k
    from uninote.neighbours.kernel.settings import Settings

    for asked in (0.5, 0.9995):  # one ends early, the other scores all pairs
        top_k(vectors[:2000], k, settings=Settings(2, leaf_rows=100, length=32, recall=asked))
    return lambda: top_k(vectors, k, recall=recall)[0]


def exact(vectors: np.ndarray, k: int) -> Search:
    """Prepare brute force."""
    import faiss

    faiss.omp_set_num_threads(1)
    return lambda: faiss.knn(vectors[:EXACT_QUERIES], vectors, k + 1, faiss.METRIC_INNER_PRODUCT)[1]


def _lists(vectors: np.ndarray, lists: int, nprobe: int) -> Any:
    import faiss

    faiss.omp_set_num_threads(1)
    quantizer = faiss.IndexFlatIP(vectors.shape[1])
    index = faiss.IndexIVFFlat(quantizer, vectors.shape[1], lists, faiss.METRIC_INNER_PRODUCT)
    index.cp.niter, index.cp.max_points_per_centroid, index.nprobe = 6, 64, nprobe
    index.train(vectors)
    index.add(vectors)
    return index


def ivf(vectors: np.ndarray, k: int, lists: int, nprobe: int) -> Search:
    """Prepare inverted lists, searched for all rows."""
    return lambda: _lists(vectors, lists, nprobe).search(vectors, k + 1)[1]


def big_batch(vectors: np.ndarray, k: int, lists: int, nprobe: int) -> Search:
    """Prepare inverted lists, searched list by list with all of a list's queries at once."""
    from faiss.contrib.big_batch_search import big_batch_search

    def search() -> np.ndarray:
        index = _lists(vectors, lists, nprobe)
        options = {"method": "knn_function", "threaded": 0, "computation_threads": 1, "verbose": 0}
        return big_batch_search(index, vectors, k + 1, **options)[1]

    return search


def pynndescent(vectors: np.ndarray, k: int, **options: Any) -> Search:
    """Prepare NN-descent."""
    from pynndescent import NNDescent

    def search(rows: np.ndarray) -> np.ndarray:
        return NNDescent(rows, metric="cosine", n_jobs=1, random_state=0, **options).neighbor_graph[0]

    for rows in (5_000, 20_000):  # it compiles another way past 16,384 rows
        search(vectors[:rows])
    return lambda: search(vectors)


def evoc(vectors: np.ndarray, k: int, **options: Any) -> Search:
    """Prepare the NN-descent of EVoC, which has pynndescent's method for embeddings alone."""
    from evoc.knn_graph import knn_graph

    def search(rows: np.ndarray) -> np.ndarray:
        return knn_graph(rows, n_jobs=1, random_state=0, **options)[0]

    for rows in (5_000, 20_000):
        search(vectors[:rows])
    return lambda: search(vectors)


def hnsw(vectors: np.ndarray, k: int, m: int, build: int, search: int) -> Search:
    """Prepare hnswlib."""
    import hnswlib

    def run() -> np.ndarray:
        index = hnswlib.Index("ip", vectors.shape[1])
        index.init_index(len(vectors), M=m, ef_construction=build)
        index.add_items(vectors, num_threads=1)
        index.set_ef(search)
        return index.knn_query(vectors, k + 1, num_threads=1)[0]

    return run


def scann(vectors: np.ndarray, k: int, lists: int, nprobe: int) -> Search:
    """Prepare ScaNN: lists, anisotropic codes, reordering."""
    import scann as library

    def run() -> np.ndarray:
        builder = library.scann_ops_pybind.builder(vectors, k + 1, "dot_product")
        tree = builder.tree(num_leaves=lists, num_leaves_to_search=nprobe, training_sample_size=60_000)
        coded = tree.score_ah(2, anisotropic_quantization_threshold=0.2, training_iterations=6)
        searcher = coded.reorder(4 * k).build()
        searcher.set_num_threads(1)
        starts = range(0, len(vectors), 10_000)
        return np.concatenate([searcher.search_batched(vectors[start : start + 10_000])[0] for start in starts])

    return run


METHODS = {method.__name__: method for method in (kernel, exact, ivf, big_batch, pynndescent, evoc, hnsw, scann)}


def main(method: str, vectors_file: str, ids_file: str, k: str, parameters: str) -> None:
    """Run one method once."""
    vectors = np.load(vectors_file)
    started = time.process_time()
    search = METHODS[method](vectors, int(k), **json.loads(parameters))
    compiled, before = time.process_time(), _resident_mib()
    wall = time.perf_counter()
    ids = search()
    taken, wall = time.process_time() - compiled, time.perf_counter() - wall
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    np.save(ids_file, np.asarray(ids))
    share = len(ids) / len(vectors)
    result = {"cpu_s": taken / share, "seconds": wall / share, "compile_s": compiled - started}
    print(json.dumps({name: round(value, 3) for name, value in result.items()} | {"added_mib": round(peak - before)}))


def _resident_mib() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


if __name__ == "__main__":
    main(*sys.argv[1:])
