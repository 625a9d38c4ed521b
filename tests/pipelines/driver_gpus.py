"""A session whose driver was given GPUs: python driver_gpus.py SETTINGS GPU; prints what it has and what a process sees."""

from __future__ import annotations

import json
import os
import sys

from uninote.pipelines.runtime.gpus import driver_gpus
from uninote.pipelines.runtime.session import open_session
from uninote.pipelines.training.train import distributor_for


def seen() -> tuple[str, str]:
    """Return the GPUs that a process may use, and how many processes there are."""
    return os.environ.get("CUDA_VISIBLE_DEVICES", "none set"), os.environ["WORLD_SIZE"]


def main(settings: str, gpu: str) -> None:
    """Start two processes, and look."""
    # As a function of a script it goes to processes by value, which do not find this file.
    seen.__module__ = "__main__"
    spark = open_session("driver gpus", json.loads(settings))
    given = driver_gpus(spark.sparkContext, json.loads(gpu))
    sys.stdout.write(json.dumps({"given": given, "seen": distributor_for(given, 2).run(seen)}) + "\n")
    spark.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
