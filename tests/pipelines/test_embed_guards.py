"""What a run of embed would do is told before; too much again, a model that moved and vectors that say nothing stop it."""

from __future__ import annotations

import pytest
from builders import make_image, make_note, rows_at, write_notes
from deltalake import DeltaTable

from uninote.errors import UninoteError
from uninote.model.hashing.folder import write_card
from uninote.pipelines.embed.guards import health
from uninote.pipelines.embed.preview import preview
from uninote.pipelines.embed.stage import embed
from uninote.pipelines.lake.run import ledger

pytestmark = pytest.mark.spark


@pytest.fixture
def run_of(make_run):
    """Return a run that writes one width, so that a night is short."""
    return lambda *overrides: make_run("embed.widths=[256]", *overrides)


def written(run):
    """Return what changes with anything that is written to the lake."""
    names = [
        "notes",
        "runs",
        "image_files",
        *(f"{run.model.generation}/{name}" for name in ("items", "embeddings/w256")),
    ]
    return {name: DeltaTable(run.lake.uri(name)).version() for name in names}


def check_preview(run_of, run):
    """A preview counts what would be computed, by reason, and writes nothing; returns what it says."""
    before = written(run)
    found = preview(run_of())
    assert {reason: count for reason, count in found["reasons"].items() if count} == {
        "new": 1, "text": 1, "image": 1, "attributes": 1,
    }  # fmt: skip
    assert (found["computed"], found["deleted"], found["notes_in"], found["stopped"]) == (3, 1, 14, None)
    assert found["seconds"] > 0
    assert written(run) == before
    return found


@pytest.mark.more
def test_a_preview_tells_why_and_a_model_that_moved_is_stopped(run_of, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(health, "ENOUGH", 14)
    for name in ("a", "b"):
        make_image(tmp_path / "media" / f"{name}.png", "red")
    notes = [make_note(number) for number in range(12)]
    notes += [make_note("a", images=["a.png"]), make_note("b", images=["b.png"])]
    notes = [note | {"note_id": str(note["note_id"])} for note in notes]
    run = run_of()
    write_notes(run, notes, tmp_path / "media")
    first = embed(run_of("embed.canaries=200"))  # nothing to compare with
    assert first["computed"] == 14
    assert "canaries" not in ledger(run, "embed")[0]["metrics"]

    notes[0]["body"], notes[1]["category"] = "edited", "new"
    make_image(tmp_path / "media" / "a.png", "blue")
    (tmp_path / "media" / "b.png").rename(tmp_path / "media" / "c.png")
    notes[13]["images"] = ["c.png"]
    write_notes(run, [*notes[:11], *notes[12:], make_note("n")])
    found = check_preview(run_of, run)

    assert embed(run_of("embed.canaries=200"))["computed"] == found["computed"]
    metrics = ledger(run, "embed")[0]["metrics"]
    assert metrics["canaries"] == 10
    assert metrics["canary_least_cosine"] > 1 - 1e-5
    assert 0 < metrics["health_mean_cosine"] < 1
    assert {"health_spread_w256", "health_equal_share", "change_of_health_mean_cosine"} <= set(metrics)
    assert "embed: health_" not in capsys.readouterr().err, "three vectors say nothing of the model"

    vectors = f"delta.`{run.generation.uri('embeddings/w256')}`"
    run.spark.sql(f"UPDATE {vectors} SET vector = reverse(vector)")
    notes[0]["body"] = "again"
    write_notes(run, notes)
    before = written(run)
    with pytest.raises(
        UninoteError, match=r"the model moved: of 1\d notes embedded before, 1\d have another vector now"
    ):
        embed(run_of("embed.canaries=200"))
    assert written(run) == before | {"runs": before["runs"] + 1}  # that it began


@pytest.mark.long
def test_more_than_the_share_again_is_refused_and_the_first_run_and_new_notes_are_free(run_of, tmp_path):
    run = run_of("embed.max_changed_share=0.2")
    notes = [make_note(number) for number in range(10)]
    write_notes(run, notes)
    embed(run)
    write_notes(run, [*notes, *(make_note(number) for number in range(10, 30))])
    assert embed(run_of("embed.max_changed_share=0.2"))["computed"] == 20
    edited = [make_note(number, body="edited") for number in range(7)]
    write_notes(run, [*edited, *(make_note(number) for number in range(7, 30))])
    message = (
        r"7 items that have a vector would be computed again, of 30 in the lake \(text 7\), more than embed\.max_cha"
    )
    with pytest.raises(UninoteError, match=message):
        embed(run_of("embed.max_changed_share=0.2"))
    assert preview(run_of("embed.max_changed_share=0.2"))["stopped"]
    assert embed(run_of("embed.max_changed_share=0.3"))["computed"] == 7
    write_card(tmp_path / "hashing", [256])
    other = ("model.kind=feature-hashing", f"model.checkpoint={tmp_path / 'hashing'}")
    told = preview(run_of(*other, "embed.max_changed_share=0.5"))
    assert (told["reasons"]["generation"], told["reasons"]["new"], told["seconds"]) == (30, 0, None)
    with pytest.raises(UninoteError, match=r"of 30 in the lake \(generation 30\)"):
        embed(run_of(*other, "embed.max_changed_share=0.5"))
    assert embed(run_of(*other))["computed"] == 30  # a small lake, and no share is set


@pytest.mark.more
def test_a_model_that_tells_nothing_apart_is_stopped(run_of, tmp_path):
    write_card(tmp_path / "hashing", [256], vocabulary_size=1)
    other = ("model.kind=feature-hashing", f"model.checkpoint={tmp_path / 'hashing'}")
    run = run_of(*other)
    write_notes(run, [make_note(number) for number in range(20)])
    with pytest.raises(UninoteError, match=r"one vector is shared by 20 of 20 different contents, such as '0' and '9'"):
        embed(run)
    assert embed(run_of(*other, "embed.max_equal_share=1"))["computed"] == 20
    assert ledger(run, "embed")[0]["metrics"]["health_equal_share"] == 1
    assert len(rows_at(run.generation.uri("items"))) == 20
