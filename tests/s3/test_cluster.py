"""The job scripts on a Spark cluster whose workers share nothing with the driver but the lake and the source, in S3."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from builders import make_image, make_note, write_config
from cluster import Cluster, spark_cluster
from job_lake import JobLake

from uninote.storage import lake_files

pytestmark = [pytest.mark.s3, pytest.mark.slow]
NOTES = 90


@pytest.fixture
def cluster(bucket, s3_folder, tmp_path) -> Iterator[Cluster]:
    """A cluster of two workers that see nothing in `tmp_path`, where the driver has all that it has."""
    folder = Path(tempfile.mkdtemp(prefix="uninote-cluster-"))
    with spark_cluster(folder, tmp_path, s3_folder, 2) as found:
        yield found
    shutil.rmtree(folder)


def put_source(uri: str, folder: Path, notes: list[dict[str, object]]) -> str:
    """Write notes and their pictures to a source in the store."""
    for name, colour in (("red.png", "red"), ("teal.png", "teal")):
        lake_files.write(f"{uri}/{name}", make_image(folder / name, colour).read_bytes())
    lines = [json.dumps(note) for note in notes]
    lake_files.write(f"{uri}/items.jsonl", ("\n".join(lines) + "\n").encode())
    return f"{uri}/items.jsonl"


def make_notes() -> list[dict[str, object]]:
    """Return the notes of a source; a third have pictures, one of which is not there."""
    notes = []
    for number in range(NOTES):
        images = [("red.png", "teal.png", "none.png")[number // 3 % 3]] if number % 3 == 0 else []
        notes.append(make_note(f"n{number:03d}", body=f"about {number % 7} and {number % 11}", images=images))
    return notes


def kill_when_embedding(lake: JobLake, cluster: Cluster) -> threading.Thread:
    """Kill a worker with its executors as soon as the run of `lake` is at embed."""

    def wait() -> None:
        while b'"stage": "embed"' not in (lake_files.read_or_none(f"{lake.root}/progress.json") or b""):
            time.sleep(0.1)
        cluster.workers[0].kill()

    # It is over when the test is, whatever became of the run.
    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread


def test_a_cluster_makes_what_one_machine_makes_whatever_dies(
    cluster, bucket, tmp_path, demo_folder, s3_jars, quick_model
):
    notes = make_notes()
    source = put_source(f"{bucket}/notes", tmp_path, notes)
    config = write_config(tmp_path, demo_folder)
    media = f"media.roots=[{bucket}/notes]"
    alone = JobLake(str(tmp_path / "lake"), config, source, {"spark.jars": s3_jars}, media, *quick_model)
    lake = JobLake(f"{bucket}/lake", config, source, cluster.settings(), media, *quick_model)
    for one in (alone, lake):
        assert one.refresh()["stages"]["embed"]["embedded"] == NOTES
    assert lake.tables() == alone.tables()

    for worker in cluster.workers:
        assert os.listdir(f"/proc/{worker.process.pid}/root{tmp_path}") == []

    # A night on which a worker dies while the model runs, another has lost its copies, and tasks are started twice.
    changed = [make_note(f"n{number:03d}", body=f"another text, {number}") for number in range(0, NOTES, 2)]
    put_source(f"{bucket}/notes", tmp_path, [*notes[1::2], *changed])
    # Half of all notes: more than the gates of a release let pass.
    forced = "refresh.force=true"
    alone.refresh(forced)
    shutil.rmtree(cluster.workers[1].folder / "tmp" / f"uninote-{os.getuid()}", ignore_errors=True)
    cluster.add_worker()
    killed = kill_when_embedding(lake, cluster)
    summary = lake.refresh(forced, "spark.spark.speculation=true", "spark.spark.speculation.multiplier=1")
    killed.join(1)
    assert cluster.workers[0].process.poll() is not None
    assert summary["stages"]["embed"]["embedded"] == len(changed)
    assert lake.tables() == alone.tables()
