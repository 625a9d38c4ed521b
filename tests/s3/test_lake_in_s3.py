"""The whole pipeline on a lake in S3, by the job scripts, held against the same lake on a disk."""

from __future__ import annotations

import os

import numpy as np
import pytest
from builders import make_image, make_note, rows_at, write_config, write_source
from job_lake import JobLake
from rough import rough_store
from s3_server import ENVIRONMENT

from uninote.index.search import Index
from uninote.neighbours.lookup import lookup
from uninote.storage import lake_files, objects

pytestmark = [pytest.mark.s3, pytest.mark.slow]
NOTES = 120
FEW = 30  # in a store that is slow
SHARE = 0.03  # of all requests
SEED = int(os.environ.get("UNINOTE_STORE_SEED", "1"))


def make_notes(tmp_path, count):
    """Return the notes of a source: texts, and a picture for every third."""
    pictures = [
        make_image(tmp_path / "source" / f"{n}.png", colour).name for n, colour in enumerate(("red", "teal", "navy"))
    ]
    words = ["coffee", "bread", "river", "lamp", "tent"]
    rows = []
    for number in range(count):
        body = " ".join(np.random.default_rng(number).choice(words, 6))
        images = [pictures[number % 3]] if number % 3 == 0 else []
        rows.append(make_note(f"n{number:03d}", title=f"{words[number % 5]} {number}", body=body, images=images))
    return rows


def test_a_lake_in_a_bucket_is_what_a_lake_on_a_disk_is(bucket, s3, s3_jars, tmp_path, demo_folder, quick_model):
    notes = make_notes(tmp_path, NOTES)
    source = write_source(tmp_path / "source", notes)
    config = write_config(tmp_path, demo_folder)
    settings = {"spark.jars": s3_jars, "spark.ui.enabled": "false"}
    roots = (str(tmp_path / "lake"), f"{bucket}/lake")
    lakes = [JobLake(root, config, str(source), settings, *quick_model) for root in roots]
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
    assert answers[0][0].tolist() == answers[1][0].tolist()
    assert b"<html" in lake_files.read(f"{stored.root}/report.html")
    check_leftovers(stored, s3, bucket)


def test_a_store_that_is_slow_and_fails_changes_no_table(
    bucket, s3, s3_jars, tmp_path, demo_folder, quick_model, monkeypatch
):
    """Requests are delayed, answered 503, and dropped before or after the store has done them."""
    notes = make_notes(tmp_path, FEW)
    source = write_source(tmp_path / "source", notes)
    config = write_config(tmp_path, demo_folder)
    settings = {"spark.jars": s3_jars, "spark.ui.enabled": "false", "spark.sql.shuffle.partitions": "2"}
    disk = JobLake(str(tmp_path / "lake"), config, str(source), settings, *quick_model)
    stored = JobLake(f"{bucket}/lake", config, str(source), settings, *quick_model)
    with rough_store(s3.endpoint, SEED, SHARE) as store:
        monkeypatch.setenv("AWS_ENDPOINT_URL", store.endpoint)
        assert disk.refresh()["stages"]["embed"]["embedded"] == stored.refresh()["stages"]["embed"]["embedded"] == FEW
        write_source(tmp_path / "source", [make_note("n007", body="another text altogether"), *notes[8:]])
        assert [one.refresh()["stages"]["embed"]["embedded"] for one in (disk, stored)] == [1, 1]
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3.endpoint)
    objects.forget()
    assert disk.tables() == stored.tables()
    assert min(store.done[what] for what in ("delay", "fail", "drop", "lose")) > 0
    check_leftovers(stored, s3, bucket)


def check_leftovers(lake: JobLake, s3, bucket: str) -> None:
    """Nothing is left of what runs hold for themselves, no upload is unfinished, and no secret is anywhere."""
    names = lake_files.files_below(lake.root)
    assert not [name for name in names if "staging" in name or name.endswith(".tmp")]
    uploads = s3.client.list_multipart_uploads(Bucket=bucket.removeprefix("s3a://"))
    assert not uploads.get("Uploads")
    secret = ENVIRONMENT["AWS_SECRET_ACCESS_KEY"]
    assert secret not in lake.printed
    assert not [name for name in names if secret.encode() in lake_files.read(f"{lake.root}/{name}")]
