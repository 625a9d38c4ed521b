"""The job scripts on a Spark cluster whose workers share nothing with the driver but the lake and the source, in S3."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from builders import make_image, make_note, write_config
from cluster import Cluster, spark_cluster
from job_lake import JobLake

from uninote.storage import lake_files

pytestmark = [pytest.mark.s3, pytest.mark.slow]
NOTES = 90
PURPOSE = "spark.job.description"


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


def once(is_time: Callable[[], bool], act: Callable[[], None]) -> threading.Thread:
    """Call `act` as soon as it is time."""

    def wait() -> None:
        while not is_time():
            time.sleep(0.1)
        act()

    # It is over when the test is, whatever became of the run.
    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread


def is_embedding(lake: JobLake) -> bool:
    """Say whether the run of `lake` is at embed."""
    return b'"stage": "embed"' in (lake_files.read_or_none(f"{lake.root}/progress.json") or b"")


def has_answers(lake: JobLake) -> bool:
    """Say whether a task of the model has ended, and left what it found in the lake."""
    return any("/answers/" in name and name.endswith(".parquet") for name in lake_files.files_below(lake.root))


@dataclass
class Seen:
    """What Spark logged: how often each (stage, partition) of the model's stages was computed, and why executors went."""

    computed: Counter[tuple[int, int]] = field(default_factory=Counter)
    removed: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, events: Path) -> Seen:
        """Read the logs below a folder."""
        seen = cls()
        model = set()
        for path in events.rglob("events_*"):
            for event in map(json.loads, path.read_text().splitlines()):
                name = event["Event"]
                if name == "SparkListenerStageSubmitted" and event["Properties"].get(PURPOSE, "").endswith("model"):
                    model.add(event["Stage Info"]["Stage ID"])
                elif name == "SparkListenerTaskEnd" and event["Task End Reason"]["Reason"] == "Success":
                    if event["Stage ID"] in model:
                        seen.computed[event["Stage ID"], event["Task Info"]["Partition ID"]] += 1
                elif name == "SparkListenerExecutorRemoved":
                    seen.removed.append(event["Removed Reason"])
        return seen


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
    killed = once(lambda: is_embedding(lake), cluster.workers[0].kill)
    summary = lake.refresh(forced, "spark.spark.speculation=true", "spark.spark.speculation.multiplier=1")
    killed.join(1)
    assert cluster.workers[0].process.poll() is not None
    assert summary["stages"]["embed"]["embedded"] == len(changed)
    assert lake.tables() == alone.tables()


def test_finished_work_outlives_a_worker_that_is_taken_away(
    cluster, bucket, tmp_path, demo_folder, s3_jars, quick_model
):
    source = put_source(f"{bucket}/notes", tmp_path, make_notes())
    config = write_config(tmp_path, demo_folder)
    (tmp_path / "events").mkdir()
    elastic = {
        "spark.dynamicAllocation.enabled": "true",
        "spark.dynamicAllocation.minExecutors": "2",
        "spark.decommission.enabled": "true",
        "spark.storage.decommission.enabled": "true",
        "spark.storage.decommission.shuffleBlocks.enabled": "true",
        "spark.eventLog.enabled": "true",
        "spark.eventLog.dir": str(tmp_path / "events"),
        "spark.eventLog.compress": "false",
    }
    media = (f"media.roots=[{bucket}/notes]", "embed.items_per_task=3")
    alone = JobLake(str(tmp_path / "lake"), config, source, {"spark.jars": s3_jars}, *media, *quick_model)
    lake = JobLake(f"{bucket}/lake", config, source, cluster.settings() | elastic, *media, *quick_model)
    taken = once(lambda: has_answers(lake), cluster.workers[0].take_away)
    assert lake.refresh()["stages"]["embed"]["embedded"] == NOTES
    taken.join(1)
    assert not taken.is_alive()
    seen = Seen.read(tmp_path / "events")
    assert any("decommission" in reason for reason in seen.removed)
    assert len(seen.computed) >= NOTES / 3
    assert set(seen.computed.values()) == {1}
    assert alone.refresh()["stages"]["embed"]["embedded"] == NOTES
    assert lake.tables() == alone.tables()
