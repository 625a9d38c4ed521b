"""Building, updating and searching the index against plain FAISS and autofaiss, on every set of vectors and every width.

    python benchmarks/index.py [--data FOLDER] [--rows 500000] [--peers-python PATH] [--sets docstring,fashion,clusters]

Needs nothing on its line: real sets lie below UNINOTE_DATA (../shared/data), and autofaiss comes from an environment that is
made once, in .uninote/peers. Each set and width is measured by index_set.py in a process of its own, on one thread. Narrow
widths of docstring_embeddings are its first columns, those of fashion_mnist its principal axes. The last line on stdout is
one JSON object:
recall_at_10, the least of all sets and widths, of a base, of a base with a segment of 20 %, of that segment copied five times
on, and of a compaction of both, each at as many lists as the index stage would calibrate it to;
build_vs_faiss and build_vs_autofaiss, the largest, CPU-seconds of training, assignment and adding over theirs with the same
codes, files apart on all sides; memory_vs_plan, the largest, resident memory of a process that builds a shard from Arrow
batches over the plan's figure; one_percent_cost, the largest, CPU-seconds of a segment of 1 % over those of the build;
shards_visited_vs_hash, the larger of the two real sets, of 64 cells of 1,024 lists at 8 lists probed over what shards by
hash would be visited; sets, all that index_set.py found, by set and width.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from index_sets import WIDEST, WIDTHS
from peers_environment import DATA, python_with
from processes import run_apart

from uninote.pipelines.runtime.progress import say

PEERS = ("autofaiss==2.18.0", "pyarrow<22")  # which asks for a NumPy that newer Arrow refuses
WORST = ("build_vs_faiss", "build_vs_autofaiss", "memory_vs_plan", "one_percent_cost")
DRAWN = "clusters"  # unrelated to each other, so no cell can hold lists that are probed together


def measure(options: argparse.Namespace, python: str | None) -> dict[str, dict[str, Any]]:
    """Measure each set at each width; at its widest beside the peers too."""
    found = {}
    for name in options.sets.split(","):
        for width in WIDTHS[name]:
            arguments = [name, str(width), str(options.data), str(options.rows)]
            if width == WIDEST[name]:
                arguments.append(python or "")
            key = f"{name}_{width}"
            found[key] = run_apart(Path(__file__).with_name("index_set.py"), *arguments, threads=1)
            say(f"{key}: {json.dumps(found[key])}")
    return found


def worst_of(name: str, results: Iterable[dict[str, Any]]) -> float | None:
    """Return the largest of what was measured under that name; null where it was not."""
    return max((one[name] for one in results if name in one), default=None)


def main() -> None:
    """Run all of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA, help="holds docstring_embeddings/ and fashion_mnist/")
    parser.add_argument("--sets", default=",".join(WIDTHS))
    parser.add_argument("--rows", type=int, default=500_000, help="of the drawn clusters")
    parser.add_argument("--peers-python", help="an interpreter with autofaiss; without it, one is made")
    options = parser.parse_args()
    found = measure(options, options.peers_python or python_with("autofaiss", PEERS))
    result: dict[str, Any] = {"recall_at_10": min(one["recall_at_10"] for one in found.values())}
    for name in WORST:
        result[name] = worst_of(name, found.values())
    real = [one for key, one in found.items() if not key.startswith(DRAWN)]
    result["shards_visited_vs_hash"] = worst_of("shards_visited_vs_hash", real)
    print(json.dumps(result | {"sets": found}))


if __name__ == "__main__":
    main()
