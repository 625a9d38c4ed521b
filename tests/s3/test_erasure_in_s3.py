"""A note is taken down in a lake in S3 whose indexes lie elsewhere in the bucket: the next refresh leaves nothing of it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from builders import make_note, write_config, write_source
from job_lake import JobLake

import uninote
from uninote.cli.command import main as command
from uninote.lake.takedowns.orders import add, read_orders
from uninote.takedown.traces import traces_in
from uninote.takedown.wanted import stored_pieces, wanted_of

pytestmark = [pytest.mark.s3, pytest.mark.slow]

TAKEN = "note-00007"
WORDS = ("coffee", "bread", "river", "lamp", "tent", "ramen", "temple")


def note(number: int) -> dict[str, object]:
    words = " ".join(WORDS[(number * step + step) % len(WORDS)] for step in (1, 3, 5))
    return make_note(f"note-{number:05d}", title=f"{words} {number}", body=f"{words[::-1]} as of {number}")


def test_a_note_is_erased_from_a_lake_in_a_bucket(bucket, s3, s3_jars, tmp_path, demo_folder, quick_model):
    source = write_source(tmp_path / "source", map(note, range(30)))
    settings = {"spark.jars": s3_jars, "spark.ui.enabled": "false", "spark.sql.shuffle.partitions": "2"}
    elsewhere = f"{bucket}/indexes"
    overrides = (
        "embed.widths=[64]",
        f"index.folder={elsewhere}",
        "index.nlist=4",
        "index.num_shards=2",
        "index.pq_m=8",
    )
    lake = JobLake(
        f"{bucket}/lake", write_config(tmp_path, demo_folder), str(source), settings, *quick_model, *overrides
    )
    lake.refresh()
    held = replace(wanted_of(lake.root, [TAKEN]), pieces=stored_pieces(lake.root, [TAKEN]))
    places = {lake.root: "", elsewhere: ""}
    assert {trace.path.split("/")[3] for trace in traces_in(places, held.marks_for)} == {"lake", "indexes"}
    add(lake.root, [TAKEN], "an order")
    said = lake.refresh()["stages"]["erasure"]
    assert (said["erased"], said["waiting"], said["releases_ended"]) == (1, 0, 1)
    assert list(traces_in(places, held.marks_for)) == []
    assert command(["takedown", "prove", TAKEN, "--lake", lake.root]) == 0
    assert [order.note_id for order in read_orders(lake.root)] == [None]
    opened = uninote.open_release(lake.root)
    assert len(opened.lookup([f"note-{number:05d}" for number in range(30)])) == 29
    assert opened.index().verify()["live"] == 29
