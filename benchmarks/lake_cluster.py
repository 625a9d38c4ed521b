"""A cluster of one worker of one core, then of two: how long the stages take that compute, by Spark's own clock.

python benchmarks/lake_cluster.py JOB    as benchmarks/lake.py calls it, with the environment that finds the store
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "s3"))
sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

import pyarrow as pa
import pyarrow.parquet as pq
from cluster import spark_cluster
from lake_session import BUCKET, Place, find_store
from neighbour_sets import growing
from pyspark.sql import SparkSession
from s3_server import S3Server
from stored_lake import make_lake

from uninote.pipelines.embed.stage import embed
from uninote.pipelines.neighbours.stage import neighbours
from uninote.pipelines.notes.stage import ingest
from uninote.pipelines.runtime.session import open_session
from uninote.storage import lake_files

KINDS = {"model": "chunk 1, model", "cells": "rows joined"}  # what the descriptions of their Spark jobs have in them
CELLS = 8
WARM_TEXTS = 200


def compare_clusters(folder: Path, server: S3Server, jars: Path, work: dict[str, Any]) -> dict[str, Any]:
    """Return the figures of one worker and of two; `work` is checkpoint, texts, and the number of rows."""
    seconds = {}
    (folder / "driver").mkdir()
    for workers in (1, 2):
        # For workers the driver's folder is empty, so what lies in it comes to them by the store or with the job.
        with (
            tempfile.TemporaryDirectory(prefix="uninote-cluster-") as theirs,
            spark_cluster(Path(theirs), folder / "driver", jars, workers) as cluster,
        ):
            job = work | {"settings": find_store(server, jars) | cluster.settings(), "workers": workers}
            (folder / "driver" / "job.json").write_text(json.dumps(job))
            command = [sys.executable, __file__, str(folder / "driver" / "job.json")]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        seconds[workers] = json.loads(done.stdout.splitlines()[-1])
        print(f"{workers} worker(s): {seconds[workers]}", file=sys.stderr, flush=True)
    ratios = {kind: round(seconds[1][kind] / seconds[2][kind], 3) for kind in KINDS}
    both = {workers: sum(found[kind] for kind in KINDS) for workers, found in seconds.items()}
    return {
        "two_workers_vs_one": round(both[1] / both[2], 3),
        "clusters": {"one_s": seconds[1], "two_s": seconds[2], "ratios": ratios},
    }


def stage_seconds(spark: SparkSession) -> dict[str, float]:
    """Return the wall time of the stages so far, by KINDS and all others together."""
    context = spark.sparkContext
    no_quantiles = context._gateway.new_array(context._jvm.double, 0)
    stages = context._jsc.sc().statusStore().stageList(None, False, False, no_quantiles, None)
    found = dict.fromkeys((*KINDS, "others"), 0.0)
    for place in range(stages.size()):
        stage = stages.apply(place)
        if not (stage.submissionTime().isDefined() and stage.completionTime().isDefined()):
            continue
        purpose = stage.description().get() if stage.description().isDefined() else ""
        kind = next((kind for kind, words in KINDS.items() if words in purpose), "others")
        found[kind] += (stage.completionTime().get().getTime() - stage.submissionTime().get().getTime()) / 1000
    return found


def main(job: dict[str, Any]) -> None:
    """Embed and join on the cluster; print the seconds of its stages."""
    spark = open_session("benchmark", job["settings"])
    lakes = f"s3a://{BUCKET}/cluster-{job['workers']}"
    place = Place(lakes, Path(), spark, job["checkpoint"])
    for lake, texts in (("few", job["texts"][:WARM_TEXTS]), ("texts", job["texts"])):
        # Workers load the model with the first lake, whose stages are taken off.
        before = stage_seconds(spark)
        source = f"{lakes}/{lake}.parquet"
        table = pa.BufferOutputStream()
        pq.write_table(pa.table({"note_id": range(len(texts)), "body": texts}), table)
        lake_files.write(source, table.getvalue().to_pybytes())
        run = place.run(lake, ingest={"source": source})
        ingest(run)
        embed(run)
    for lake, rows in (("small", 50_000), ("vectors", job["rows"])):
        before_join = stage_seconds(spark)
        vectors = growing(rows)
        run = place.run(
            lake,
            embed={"widths": [vectors.shape[1]], "undeclared_widths": True},
            neighbours={"cell_rows": rows // CELLS, "overlap": 3, "task_mib": 16_384},
        )
        make_lake(run, vectors)
        neighbours(run)
    after = stage_seconds(spark)
    found = {"model": after["model"] - before["model"], "cells": after["cells"] - before_join["cells"]}
    sys.stdout.write(json.dumps(found | {"others": after["others"] - before["others"]}) + "\n")
    spark.stop()


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
