"""Sessions and runs of the benchmark of lakes in S3: in one process, or on a cluster."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession
from s3_server import S3Server

from uninote.config.settings import Config
from uninote.config.store_settings import store_settings
from uninote.install.s3 import LOG_STORE_JAR
from uninote.pipelines.lake.run import Run
from uninote.pipelines.runtime.session import open_session
from uninote.storage import objects
from uninote.storage.environment import export
from uninote.storage.types import S3Options

BUCKET = "bench"
COMMON = {
    "spark.sql.shuffle.partitions": "2",
    "spark.databricks.delta.snapshotPartitions": "1",
    "spark.ui.enabled": "false",
}


@dataclass
class Place:
    """Where lakes lie, one of them on a disk and one in a store, and the session that works on both."""

    root: str
    folder: Path
    spark: SparkSession
    checkpoint: str

    def run(self, lake: str, **sections: dict[str, Any]) -> Run:
        """Return a run on the lake of that name."""
        values: dict[str, Any] = {
            "lake": f"{self.root}/{lake}",
            "ingest": {"source": "demo"},
            "model": {"kind": "sentence-transformers", "checkpoint": self.checkpoint},
            "embed": {"chunk_items": 1_000_000},
        }
        return Run(self.spark, Config.model_validate(values | sections))


def s3_jars() -> Path:
    """Return the folder of the jars for S3, unless the caller names another."""
    return Path(os.environ.get("UNINOTE_S3_JARS", Path(sys.prefix) / "s3-jars"))


def find_store(server: S3Server, jars: Path) -> dict[str, str]:
    """Let this process reach the server, and return Spark's settings for lakes there."""
    if not (jars / LOG_STORE_JAR).exists():
        raise SystemExit(f"{jars} lacks what Spark needs for S3; run: python -m uninote.install --s3 {jars}")
    options = S3Options(server.endpoint)
    export(options)
    objects.forget()
    server.make_bucket(BUCKET)
    return COMMON | store_settings([f"s3a://{BUCKET}/lake"], options)


def open_places(folder: Path, server: S3Server, jars: Path, checkpoint: str) -> dict[str, Place]:
    """Return both places, in one session of this machine's cores."""
    settings = find_store(server, jars)
    settings |= {
        "spark.master": f"local[{os.cpu_count()},4]",
        "spark.jars": ",".join(sorted(map(str, jars.glob("*.jar")))),
    }
    spark = open_session("benchmark", settings)
    roots = {"local": str(folder / "lakes"), "s3": f"s3a://{BUCKET}"}
    return {name: Place(root, folder, spark, checkpoint) for name, root in roots.items()}
