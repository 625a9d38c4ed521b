"""Images and checkpoint in an object store, and a store that goes away."""

from __future__ import annotations

import pytest
from builders import make_image, make_note, rows_at, write_notes

from uninote.demo.workspace import demo_checkpoint
from uninote.errors import UninoteError
from uninote.model.qwen.checkpoint import generation
from uninote.pipelines.embed.stage import embed
from uninote.pipelines.embed.steps import model_run

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
def test_images_and_the_checkpoint_come_from_a_store_that_may_go_away(run_of, make_run, s3, tmp_path, monkeypatch):
    monkeypatch.setattr(model_run, "fits_broadcast", lambda folder: False)  # each host fetches for itself
    uri = s3.put("s3://media/notes/a.png", make_image(tmp_path / "a.png").read_bytes())
    s3.put("s3://media/private/b.png", b"secret")
    notes = [
        make_note(0, images=["a.png"]),
        make_note(1, images=[uri, "s3://media/private/b.png"]),
        make_note(2, images=["missing.png"]),
    ]
    run = run_of()
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
