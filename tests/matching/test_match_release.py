"""Matches in a whole refresh: pinned by the release, found without Spark, taken back by a rollback, erased by a takedown."""

from __future__ import annotations

import json

import pytest
from builders import make_note, rows_at, write_source

from uninote.gallery import Gallery
from uninote.lake.releases.pointer import read_pointer
from uninote.lake.releases.record import read_release
from uninote.lake.takedowns.orders import add
from uninote.model.encoder import HASHING, load_encoder
from uninote.notes.note import Note
from uninote.pipelines.stages import STAGES, refresh, run_stage
from uninote.releases.changes import roll_back
from uninote.takedown.traces import traces_in
from uninote.takedown.wanted import wanted_of

pytestmark = pytest.mark.spark

SETTINGS = ("neighbours.k=4", "embed.widths=[64]", "index.nlist=4", "index.num_shards=2", "index.pq_m=8")
LIMITS = {"*": {f"text-{kind}": {"act": 0.9, "review": 0.4} for kind in ("note", "text")}}


def note(number: int, body: str) -> dict[str, object]:
    return make_note(f"note-{number:05}", title=f"{body} {number}", body=body)


def entry(name: str, body: str) -> dict[str, object]:
    return {"id": name, "category": "scam", "text": body}


@pytest.fixture
def run_of(make_run, quick_model, tmp_path):
    settings = (f"ingest.source={tmp_path / 'source'}", f"match.gallery={tmp_path / 'gallery'}")
    return lambda: make_run(*quick_model, *SETTINGS, *settings, f"match.thresholds={json.dumps(LIMITS)}")


def open_pairs(run):
    rows = rows_at(run.lake.uri("matches"))
    return {(row["entry_id"], row["note_id"]) for row in rows if row["until_run"] is None}


@pytest.mark.long
def test_matches_follow_releases_rollbacks_and_takedowns(run_of, tmp_path, quick_model):
    words = ("bread flour oven", "tent lake trail", "cheap prize click", "river stone moss")
    notes = [note(number, words[number % 4]) for number in range(24)]
    write_source(tmp_path / "source", notes)
    write_source(tmp_path / "gallery", [entry("scam", "cheap prize click"), entry("other", "violin cello")])
    run = run_of()
    summary = refresh(run)
    assert list(summary["stages"]) == [name for name in STAGES if name != "codes"]
    first = open_pairs(run)
    assert {pair[1] for pair in first if pair[0] == "scam"} >= {f"note-{number:05}" for number in range(2, 24, 4)}
    pinned = read_release(run.lake.root, read_pointer(run.lake.root).live).tables
    assert {"matches", f"{run.model.generation}/gallery", f"{run.model.generation}/match_thresholds"} <= pinned.keys()
    encoder = load_encoder(quick_model[1].partition("=")[2], HASHING)
    (best, *_) = Gallery.open(run.lake.root).match_note(encoder, Note(body="cheap prize click"))
    assert (best.entry_id, best.decision, best.entry_kind) == ("scam", "act", "text")

    # Another gallery, which is rolled back: the matches are those of before, and then those of the gallery again.
    write_source(tmp_path / "gallery", [entry("tents", "tent lake trail")])
    refresh(run_of())
    second = open_pairs(run)
    assert {entry for entry, _ in second} == {"tents"}
    roll_back(run.lake.root)
    write_source(tmp_path / "gallery", [entry("scam", "cheap prize click"), entry("other", "violin cello")])
    refresh(run_of())
    assert open_pairs(run) == first

    taken = f"note-{2:05}"
    assert ("scam", taken) in first
    add(run.lake.root, [taken], "order")
    refresh(run_of())
    assert taken not in {pair[1] for pair in open_pairs(run)}
    assert run_stage(run_of(), "erasure")["state"] == "unchanged"
    assert not list(traces_in({run.lake.root: ""}, wanted_of(run.lake.root, [taken]).marks_for))
