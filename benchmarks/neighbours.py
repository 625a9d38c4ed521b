"""The kernel of the all-pairs join against its peers: CPU-seconds on one thread at equal recall@20, and growth.

    python benchmarks/neighbours.py [--sets a,b,c,d] [--methods kernel,pynndescent,...] [--growth 50000,100000,...]
        [--peers-python PATH] [--plots FOLDER]

Sets: a, docstring_embeddings (60k x 384); b, fashion_mnist (70k x 784, cosine); c, synthetic clusters (100k x 256); d,
the like (500k x 128); e and f, 1M and 2M x 64. Real sets lie below UNINOTE_DATA (../shared/data). Each run of a method is a
process of its own, and memory is touched before it. pynndescent, evoc, hnswlib and scann come from the environment of
--peers-python, or from one that is made, with the first two. Without --methods those run that came nearest on some set
(exact search, inverted lists, hnswlib and ScaNN take two to ten times as long). Recall is that of 1,000 rows, ties counted
fairly. The last line on stdout is one JSON object: speedup_over_best_peer, CPU-seconds of the cheapest peer that reaches a
recall over those of the kernel, compile time apart, the least of the real sets; speedups, by set and recall;
growth_exponent, of the kernel's CPU-seconds at recall 0.98 by rows x 64; runs; missing, the methods that were left out.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from neighbour_plots import draw_curves
from neighbour_sets import NAMES, best_scores, growing, scores_of, vectors_of
from peers_environment import DATA, python_with
from processes import run_apart, touch_memory

from uninote.neighbours.recall import tie_aware_recall
from uninote.pipelines.runtime.progress import say

HERE = Path(__file__).parent
K = 20
SAMPLE = 1_000
TOUCHED_GIB = 4  # more than any of the methods takes
RECALLS = (0.95, 0.98, 0.99)
APART = ("pynndescent", "evoc", "hnsw", "scann")  # not among this project's dependencies
METHODS = ("kernel", "big_batch", "pynndescent", "evoc")
NN_DESCENT = ("pynndescent", "evoc")
PEERS = ("pynndescent==0.7.0", "evoc==0.3.2")
GROWTH = (50_000, 100_000, 200_000, 400_000, 800_000, 1_600_000, 3_200_000)
GROWING_WIDTH = 64
REAL = ("docstring", "fashion")


def parameters(method: str, rows: int) -> list[dict[str, Any]]:
    """Return what to try, from cheap to thorough: tried in turn until the highest recall is reached.

    Of more than half a million rows, where a run of a peer takes minutes, each is run once, to reach 0.98.
    """
    if rows > 500_000:
        return [{"recall": 0.98}] if method == "kernel" else [{"n_neighbors": K + 1}] if method in NN_DESCENT else []
    lists, few = (256, []) if rows <= 200_000 else (1024, [1, 2])
    tried: dict[str, list[dict[str, Any]]] = {
        "kernel": [{"recall": recall} for recall in (0.9, 0.95, 0.96, 0.98, 0.985, 0.99, 0.995)],
        "exact": [{}],
        "big_batch": [{"lists": lists, "nprobe": nprobe} for nprobe in (*few, 8, 16, 32, 48, 64, 96, 128)],
        "ivf": [{"lists": lists, "nprobe": nprobe} for nprobe in (*few, 4, 8, 16, 32, 64, 96, 128)],
        "pynndescent": [{"n_neighbors": kept} for kept in (21, 26, 30, 35, 40, 50)],
        "evoc": [{"n_neighbors": kept} for kept in (21, 26, 30, 35, 40, 50)],
        "hnsw": [
            {"m": m, "build": build, "search": search}
            for m, build, search in ((12, 60, 40), (16, 60, 40), (16, 80, 60), (16, 100, 120), (24, 150, 150))
        ],
        "scann": [{"lists": 400, "nprobe": nprobe} for nprobe in (20, 30, 60, 100, 160)],
    }
    return tried[method]


class Arena:
    """One set of vectors, and the truth about a sample of its rows."""

    def __init__(self, vectors: np.ndarray, folder: Path, python: str | None) -> None:
        self.vectors, self.folder, self.python = vectors, folder, python
        np.save(folder / "vectors.npy", vectors)
        self.sample = np.sort(np.random.default_rng(9).choice(len(vectors), SAMPLE, replace=False))
        self.truth = best_scores(vectors, self.sample, K)

    def run(self, method: str, options: dict[str, Any]) -> dict[str, Any]:
        """Run a method once, and return what it took and its recall."""
        files = [str(self.folder / name) for name in ("vectors.npy", "ids.npy")]
        python = {"python": self.python} if self.python and method in APART else {}
        arguments = (method, *files, str(K), json.dumps(options))
        touch_memory(TOUCHED_GIB)
        taken = run_apart(HERE / "neighbour_peers.py", *arguments, threads=1, **python)
        ids = without_self(np.load(files[1]), K)
        recall = 1.0 if len(ids) < len(self.vectors) else self.recall(ids[self.sample])
        say(f"{method} {options}: recall {recall:.4f}, {taken['cpu_s']:,.2f} CPU-s, {taken['added_mib']:,} MiB")
        return {"method": method, "options": options, "recall": round(recall, 4)} | taken

    def recall(self, ids: np.ndarray) -> float:
        """Return the recall of the neighbours of the sampled rows."""
        return tie_aware_recall(scores_of(self.vectors, self.sample, ids), self.truth, K)

    def curve(self, method: str, limit_s: float) -> list[dict[str, Any]]:
        """Run a method ever more thoroughly, until it finds all that is asked, or one run takes `limit_s`."""
        runs: list[dict[str, Any]] = []
        for options in parameters(method, len(self.vectors)):
            runs.append(self.run(method, options))
            if runs[-1]["recall"] >= RECALLS[-1] or runs[-1]["cpu_s"] > limit_s:
                break
        return runs


def without_self(ids: np.ndarray, k: int) -> np.ndarray:
    """Return (n, k) ids, in order, without the row's own."""
    own = ids == np.arange(len(ids))[:, None]
    order = np.argsort(own, axis=1, kind="stable")
    return np.take_along_axis(ids, order, axis=1)[:, :k].astype(np.int64)


def speedups(name: str, runs: list[dict[str, Any]]) -> dict[str, float]:
    """Return, for each recall that both sides reach, the cheapest peer's CPU-seconds over the kernel's."""
    ratios = {}
    for recall in RECALLS:
        reached = [run for run in runs if run["recall"] >= recall]
        own = [run["cpu_s"] for run in reached if run["method"] == "kernel"]
        peers = [run["cpu_s"] for run in reached if run["method"] != "kernel"]
        if own and peers:
            ratios[f"{name}_0{round(100 * recall)}"] = round(min(peers) / min(own), 2)
    return ratios


def growth(sizes: list[int], folder: Path) -> dict[str, Any]:
    """Run the kernel at 0.98 on sets of growing size."""
    runs = []
    for rows in sizes:
        arena = Arena(growing(rows, GROWING_WIDTH), folder, None)
        runs.append(arena.run("kernel", {"recall": 0.98}) | {"rows": rows})
    fit = np.polyfit(np.log(sizes), np.log([run["cpu_s"] for run in runs]), 1) if len(sizes) > 1 else [np.nan]
    return {"growth_exponent": round(float(fit[0]), 3), "growth": runs}


def main() -> None:
    """Run what is asked for and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA, help="the folder of the real sets")
    parser.add_argument("--sets", default=",".join(NAMES), help="letters (default: %(default)s)")
    parser.add_argument("--methods", default=",".join(METHODS), help="default: %(default)s")
    parser.add_argument("--growth", default=",".join(map(str, GROWTH)), help="numbers of rows (default: %(default)s)")
    parser.add_argument(
        "--peers-python", default=None, help="an interpreter that has the peers; without it, one is made"
    )
    parser.add_argument("--peer-limit-s", type=float, default=300, help="a peer that took so long is asked no more")
    parser.add_argument("--plots", type=Path, default=None, help="where to write curves as SVG")
    options = parser.parse_args()
    python = options.peers_python or python_with("evoc", PEERS)
    missing = [] if python else [method for method in APART if method in options.methods.split(",")]
    methods = [method for method in options.methods.split(",") if method not in missing]
    result: dict[str, Any] = {"speedups": {}, "growth_exponent": None, "runs": {}, "missing": missing}
    with tempfile.TemporaryDirectory() as folder:
        for letter in filter(None, options.sets.split(",")):
            name = NAMES[letter]
            arena = Arena(vectors_of(letter, options.data), Path(folder), python)
            runs = [run for method in methods for run in arena.curve(method, options.peer_limit_s)]
            result["runs"][name] = runs
            result["speedups"] |= speedups(name, runs)
            if options.plots:
                options.plots.mkdir(parents=True, exist_ok=True)
                (options.plots / f"neighbours_{name}.svg").write_text(draw_curves(name, runs))
        if options.growth:
            result |= growth([int(rows) for rows in options.growth.split(",")], Path(folder))
    real = [ratio for name, ratio in result["speedups"].items() if name.startswith(REAL)]
    print(json.dumps({"speedup_over_best_peer": min(real, default=None)} | result))


if __name__ == "__main__":
    main()
