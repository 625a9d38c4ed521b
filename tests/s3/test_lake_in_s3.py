"""The whole pipeline on a lake in S3, by the job scripts, held against the same lake on a disk."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from builders import make_image, make_note, rows_at, write_config, write_source
from deltalake import DeltaTable
from s3_server import ENVIRONMENT

from uninote.index.search import Index
from uninote.neighbours.lookup import lookup
from uninote.pipelines.lake.writing import tables_below
from uninote.storage import lake_files

pytestmark = [pytest.mark.s3, pytest.mark.slow]
ROOT = Path(__file__).parents[2]
NOTES = 120
# What differs between two runs whatever they do.
OWN = {
    "run_id",
    "embedded_at",
    "ingested_at",
    "started_at",
    "ended_at",
    "seconds",
    "metrics",
    "inputs",
    "outputs",
    "as_of",
}


class Lake:
    """A lake that the job scripts work on, each as a process of its own."""

    def __init__(self, root: str, config: Path, source: Path, jars: str) -> None:
        self.root = root
        self.printed = ""
        values = {"spark.jars": jars, "spark.ui.enabled": "false"}
        self._arguments = ["--config", str(config), "--set", f"lake={root}", "--set", f"ingest.source={source}"]
        self._arguments += [word for name, value in values.items() for word in ("--set", f"spark.{name}={value}")]

    def refresh(self) -> dict[str, object]:
        """Return the summary of a refresh."""
        command = [sys.executable, str(ROOT / "jobs" / "refresh.py"), *self._arguments, "--allow-deletes"]
        done = subprocess.run(command, capture_output=True, text=True)
        self.printed += done.stdout + done.stderr
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.strip().splitlines()[-1])

    def tables(self) -> dict[str, pa.Table]:
        """Return the tables without what is every run's own, ordered, by their names in the lake."""
        found = {}
        for uri in tables_below(self.root):
            name = lake_files.relative(self.root, uri)
            table = DeltaTable(uri).to_pyarrow_table()
            table = table.select([column for column in table.column_names if column not in OWN])
            found[name] = sorted(map(repr, table.to_pylist()))
        return found


@pytest.fixture
def notes(tmp_path):
    """The notes of a source: texts, and a picture for every third."""
    pictures = [
        make_image(tmp_path / "source" / f"{n}.png", colour).name for n, colour in enumerate(("red", "teal", "navy"))
    ]
    words = ["coffee", "bread", "river", "lamp", "tent"]
    rows = []
    for number in range(NOTES):
        body = " ".join(np.random.default_rng(number).choice(words, 6))
        images = [pictures[number % 3]] if number % 3 == 0 else []
        rows.append(make_note(f"n{number:03d}", title=f"{words[number % 5]} {number}", body=body, images=images))
    return rows


def test_a_lake_in_a_bucket_is_what_a_lake_on_a_disk_is(bucket, s3, s3_jars, tmp_path, demo_folder, notes):
    source = write_source(tmp_path / "source", notes)
    config = write_config(tmp_path, demo_folder)
    lakes = [Lake(root, config, source, s3_jars) for root in (str(tmp_path / "lake"), f"{bucket}/lake")]
    first = [lake.refresh() for lake in lakes]
    assert first[0]["stages"]["embed"]["embedded"] == first[1]["stages"]["embed"]["embedded"] == NOTES
    disk, stored = lakes
    assert disk.tables() == stored.tables()

    changed = [make_note("n007", title="changed", body="another text altogether"), make_note("new", body="one more")]
    write_source(tmp_path / "source", [note for note in notes if note["note_id"] not in ("n007", "n011")] + changed)
    second = [lake.refresh() for lake in lakes]
    assert [one["stages"]["embed"]["embedded"] for one in second] == [2, 2]
    found = disk.tables()
    assert found == stored.tables()
    assert {"notes", "runs"} < set(found)
    assert stored.refresh()["stages"]["embed"]["state"] == "unchanged"

    ids = [row["note_id"] for row in rows_at(f"{stored.root}/notes")]
    assert lookup(stored.root, ids) == lookup(disk.root, ids)
    generation = str(second[1]["stages"]["embed"]["generation"])
    query = np.ones((1, 64), np.float32) / 8
    answers = [Index.open(f"{lake.root}/{generation}/index/w64").search_notes(query, 10) for lake in lakes]
    assert answers[0][0] == answers[1][0]
    assert b"<html" in lake_files.read(f"{stored.root}/report.html")
    check_leftovers(stored, s3, bucket)


def check_leftovers(lake: Lake, s3, bucket: str) -> None:
    """Nothing is left of what runs hold for themselves, no upload is unfinished, and no secret is anywhere."""
    names = lake_files.files_below(lake.root)
    assert not [name for name in names if "staging" in name or "neighbour_cells" in name or name.endswith(".tmp")]
    uploads = s3.client.list_multipart_uploads(Bucket=bucket.removeprefix("s3a://"))
    assert not uploads.get("Uploads")
    secret = ENVIRONMENT["AWS_SECRET_ACCESS_KEY"]
    assert secret not in lake.printed
    assert not [name for name in names if secret.encode() in lake_files.read(f"{lake.root}/{name}")]
