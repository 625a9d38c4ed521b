"""Trying again what a limit had left out, and settings and stops that must not double anything."""

from __future__ import annotations

import pytest
from builders import make_image, make_note, rows_at, table_at, write_notes

from uninote.model.hashing.folder import write_card
from uninote.pipelines.embed import stage
from uninote.pipelines.embed.stage import embed

pytestmark = pytest.mark.spark


@pytest.fixture
def run_on(make_run, tmp_path):
    """Return a function from overrides to a run of a small, quick encoder."""
    write_card(tmp_path / "hashing", [16])
    common = (f"model.checkpoint={tmp_path / 'hashing'}", "model.kind=feature-hashing", "embed.widths=null")
    return lambda *overrides: make_run(*common, *overrides)


@pytest.mark.long
def test_degraded_notes_are_tried_again_after_a_limit_was_raised(run_on, tmp_path):
    make_image(tmp_path / "media" / "small.png", "red", (4, 4))
    make_image(tmp_path / "media" / "large.png", "blue", (40, 40))
    strict, mild = "media.max_pixels=100", "media.max_pixels=10000"
    write_notes(run_on(), [make_note("a", images=["small.png", "large.png"]), make_note("b")], tmp_path / "media")
    told = [
        embed(run_on(*overrides))
        for overrides in (
            (strict,),
            (mild,),
            (strict, "embed.retry_quarantined=true"),
            (mild, "embed.retry_quarantined=true"),
        )
    ]
    assert [(one["degraded"], one["embedded"], one["computed"]) for one in told] == [
        (1, 2, 2),
        (1, 0, 0),
        (1, 1, 1),
        (0, 1, 1),
    ]
    items = rows_at(run_on().generation.uri("items"))
    assert sorted((row["item_key"], row["degraded"]) for row in items) == [(0, False), (1, False)]


def test_what_a_stopped_run_left_is_not_doubled_whatever_the_overwrite_mode(run_on, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    run = run_on("embed.chunk_items=1")
    write_notes(run, [make_note("a"), make_note("b"), make_note("c")])
    with monkeypatch.context() as patched:
        patched.setattr(stage, "_chunk", stop)
        with pytest.raises(KeyboardInterrupt):
            embed(run)
    run.spark.conf.set("spark.sql.sources.partitionOverwriteMode", "dynamic")
    try:
        summary = embed(run_on())
    finally:
        run.spark.conf.set("spark.sql.sources.partitionOverwriteMode", "static")
    assert (summary["embedded"], summary["computed"]) == (3, 3)
    assert table_at(run.generation.uri("embeddings/w16")).num_rows == 3
