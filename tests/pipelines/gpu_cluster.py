"""A session on a cluster whose worker says that it has two GPUs: python gpu_cluster.py FOLDER SETTINGS CONFIG OVERRIDE…

Embeds a few notes, and prints as JSON which address each of four tasks had, in stages with a GPU for each and in plain ones.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

sys.path.insert(0, str(Path(__file__).parents[1]))

from builders import make_note, write_notes

from uninote.config.loading import load_config
from uninote.pipelines.embed.stage import embed
from uninote.pipelines.lake.run import Run
from uninote.pipelines.runtime.gpus import model_profile
from uninote.pipelines.runtime.session import open_session

SCHEMA = "address string, begun double, ended double"


def seen(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Say which GPU a task has, and when it ran."""
    from udfs.task import gpu

    begun = time.time()
    time.sleep(2)
    for _ in batches:
        yield pa.RecordBatch.from_pydict({"address": [gpu()], "begun": [begun], "ended": [time.time()]})


def main(folder: str, settings: str, config: str, *overrides: str) -> None:
    """Embed, and look."""
    spark = open_session("gpus", json.loads(settings))
    # As a function of a script it goes to workers by value, which do not find this file.
    seen.__module__ = "__main__"
    run = Run(spark, load_config(Path(config), overrides), overrides)
    write_notes(run, [make_note(number) for number in range(40)], Path(folder) / "media")
    embedded = embed(run)["embedded"]
    profile = model_profile(spark.sparkContext, run.config.model.gpu)
    tasks = spark.range(0, 4, 1, 4)
    found = {"embedded": embedded}
    for name, frame in (
        ("model", tasks.mapInArrow(seen, SCHEMA, profile=profile)),
        ("plain", tasks.mapInArrow(seen, SCHEMA)),
    ):
        found[name] = [row.asDict() for row in frame.collect()]
    sys.stdout.write(json.dumps(found) + "\n")
    spark.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
