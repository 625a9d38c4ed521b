"""Images and checkpoint in an object store, and a store that goes away."""

from __future__ import annotations

import time

import pytest
from builders import make_image, make_note, rows_at, write_notes

from uninote.demo.workspace import demo_checkpoint
from uninote.errors import UninoteError
from uninote.model.hashing.folder import CARD, write_card
from uninote.model.qwen.files.checkpoint import generation
from uninote.pipelines.embed.stage import embed
from uninote.pipelines.embed.steps.model_run import task_count

pytestmark = pytest.mark.spark


@pytest.fixture
def run_of(make_run, s3):
    """Return a run that finds everything in the store, and gives up on it soon."""
    model = demo_checkpoint()
    for path in model.iterdir():
        s3.put(f"{s3.make_bucket('models')}/tiny/{path.name}", path.read_bytes())
    media = s3.make_bucket("media")
    common = ("embed.widths=[64]", "model.checkpoint=s3://models/tiny", f"media.roots=[{media}/notes]")
    patience = ("media.timeout_s=4.0", "media.attempts=2", f"s3.endpoint={s3.endpoint}")
    return lambda *overrides: make_run(*common, *patience, *overrides)


@pytest.mark.long
def test_images_and_the_checkpoint_come_from_a_store_that_may_go_away(run_of, make_run, s3, tmp_path):
    uri = s3.put("s3://media/notes/a.png", make_image(tmp_path / "a.png").read_bytes())
    s3.put("s3://media/private/b.png", b"secret")
    notes = [
        make_note(0, images=["a.png"]),
        make_note(1, images=[uri, "s3://media/private/b.png"]),
        make_note(2, images=["missing.png"]),
    ]
    run = run_of("model.broadcast_mib=0")  # each host fetches for itself
    assert run.model.generation == generation(demo_checkpoint())
    write_notes(run, notes)
    summary = embed(run)
    assert (summary["embedded"], summary["degraded"]) == (3, 2)
    quarantined = rows_at(run.lake.uri("quarantine"))
    assert {(row["item_id"], row["reason"]) for row in quarantined} == {
        ("1#image/1", "media_outside_roots"),
        ("2#image/0", "media_missing"),
    }
    s3.put("s3://media/notes/missing.png", (tmp_path / "a.png").read_bytes())
    s3.stop()
    try:
        summary = embed(run)
        assert (summary["state"], summary["postponed"], summary["unchanged"]) == ("unchanged", 3, 3)
        write_notes(run, [*notes, make_note(3, images=["a.png"]), make_note(4, title="", body="", images=["a.png"])])
        with pytest.raises(UninoteError, match=r"2 of 5 notes cannot be embedded, or not whole"):
            embed(run_of("embed.max_quarantined_share=0.3", "model.checkpoint=demo"))
        summary = embed(run)
        assert (summary["embedded"], summary["quarantined"], summary["unreachable"]) == (1, 1, 2)
    finally:
        s3.start()
    summary = embed(run_of("embed.recheck_media=false"))
    assert (summary["computed"], summary["unchanged"], summary["unreachable"]) == (3, 2, 0)
    items = rows_at(run.generation.uri("items"))
    assert [row["item_id"] for row in items if row["degraded"]] == ["1"]
    summary = embed(run_of())
    assert (summary["computed"], summary["postponed"]) == (0, 0)


@pytest.mark.more
def test_a_checkpoint_that_is_not_sent_is_fetched_once_by_each_host(make_run, s3, tmp_path):
    # One that no host has yet.
    write_card(tmp_path / "card", (64,), seed=time.time_ns() % 10**6)
    card = tmp_path / "card" / CARD
    uri = s3.put(f"{s3.make_bucket('models')}/once-{time.time_ns()}/{CARD}", card.read_bytes()).rpartition("/")[0]
    model = ("model.kind=feature-hashing", f"model.checkpoint={uri}", "embed.widths=[64]", f"s3.endpoint={s3.endpoint}")

    def fetched():
        path = f"{uri.removeprefix('s3:/')}/{CARD}"
        return sum(request.startswith(f"GET {path}") for request in s3.requests())

    def embedded(first, count, *overrides):
        run = make_run(*model, *overrides)
        write_notes(run, [make_note(number) for number in range(first + count)])
        assert embed(run)["embedded"] == count
        return run

    limited = "model.broadcast_mib=0"
    run = embedded(0, 110, limited)
    # The driver, which names the model by its bytes, and this host for both of its tasks.
    assert task_count(110, run.config.embed.items_per_task, run.spark.sparkContext.defaultParallelism) > 1
    assert fetched() == 2
    embedded(110, 60, limited)
    assert fetched() == 2
    # What is sent is fetched by the driver alone.
    other = s3.put(f"s3://models/sent-{time.time_ns()}/{CARD}", card.read_bytes()).rpartition("/")[0]
    before = len(s3.requests())
    embedded(170, 10, f"model.checkpoint={other}")
    assert sum(request.startswith("GET /models/sent-") and CARD in request for request in s3.requests()[before:]) == 1


def test_rows_make_the_tasks_whatever_the_machine_that_plans():
    for cores in (1, 2, 7, 64, 1000):
        for rows in (1, 50, 2001, 100_000):
            tasks = task_count(rows, 2000, cores)
            assert -(-rows // 2000) <= tasks <= max(-(-rows // 50), -(-rows // 2000))
    assert task_count(100_000, 2000, 2) == 50
    assert task_count(100_000, 2000, 64) == 64
