"""Judgments through the nights of a lake: the report shows them, a map is used and rolled back, a takedown leaves hashes."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest
from builders import make_note, rows_at, write_source

import uninote
from uninote.cli.command import main as command
from uninote.confidence.features import features_of
from uninote.confidence.stored_maps import read_maps
from uninote.judgments.drawing import draw
from uninote.lake.takedowns.orders import add, read_orders
from uninote.lake.takedowns.watch import Taken
from uninote.neighbours.background import Background
from uninote.pipelines.index.search import search
from uninote.pipelines.report.judged import judged_tables
from uninote.pipelines.report.stage import report
from uninote.pipelines.stages import refresh

pytestmark = pytest.mark.spark

WORDS = ("bread", "soup", "garden", "river", "temple", "ramen", "camera", "hiking", "tea", "bridge")
SETTINGS = ("neighbours.k=4", "embed.widths=[64]", "index.nlist=4", "index.num_shards=2", "index.pq_m=8")
NOTES = 90


def note(number):
    words = " ".join(WORDS[(number * step + number // 7) % len(WORDS)] for step in (1, 3, 7))
    return make_note(f"n{number}", title=words, body=f"{words} {number}")


@pytest.fixture
def run_of(make_run, tmp_path, quick_model):
    write_source(tmp_path / "source", map(note, range(NOTES)))
    return lambda *more: make_run(f"ingest.source={tmp_path}/source", *quick_model, *SETTINGS, *more)


def judge_all(lake, folder):
    """Import a judgment of every pair: relevant where the titles begin alike."""
    pairs = draw(*uninote.open_release(lake).tables["neighbours"], 10**6, 0, Taken())
    lines = []
    for one in pairs:
        a, b = (int(name[1:]) for name in (one.a, one.b))
        row = {"a": one.a, "b": one.b, "relevant": note(a)["title"][:4] == note(b)["title"][:4]}
        lines.append(json.dumps(row | {"probability": one.probability, "rank": one.rank}))
    path = folder / "answers.jsonl"
    path.write_text("\n".join(lines))
    assert command(["judge", "--import", str(path), "--lake", lake]) == 0
    return pairs


def shown(lake):
    """Return the confidences that readers see."""
    lists = uninote.open_release(lake).entries([f"n{number}" for number in range(NOTES)])
    return [one.confidence for entries in lists.values() for one in entries]


@pytest.mark.long
def test_judgments_maps_and_takedowns_through_nights(run_of, tmp_path, capsys):
    run = run_of()
    lake = run.lake.root
    refresh(run)
    assert set(shown(lake)) == {None}
    pairs = judge_all(lake, tmp_path)
    (judged,) = judged_tables(run_of())
    assert (judged.table, judged.source, judged.pairs) == ("neighbours", "editors", len(pairs))
    assert judged.quality is not None
    assert report(run_of())["state"] == "done"
    assert "by editors" in (tmp_path / "lake" / "report.html").read_text()

    assert command(["judge", "--fit", "--lake", lake]) == 0
    # Fitting alone changes nothing that readers see.
    assert set(shown(lake)) == {None}
    assert refresh(run_of())["stages"]["neighbours"]["joined"] == 0
    first = shown(lake)
    assert None not in first
    full = uninote.open_release(lake).entries([f"n{number}" for number in range(NOTES)])
    check_search(run_of, tmp_path)
    refresh(run_of("neighbours.min_confidence=0.5"))
    assert 0 < len(shown(lake)) < len(first)
    assert min(shown(lake)) >= 0.5
    capsys.readouterr()
    left = uninote.open_release(lake).entries([pairs[0].a]).get(pairs[0].a)
    cut = next(one for one in pairs if one.b not in {entry.note_id for entry in _entries(lake, one.a)})
    assert left is not None
    assert command(["explain", cut.a, cut.b, "--lake", lake]) == 0
    assert "min_confidence: its confidence is 0." in capsys.readouterr().out

    # Of lists whose best is not sure enough nothing is shown, of others all.
    best = {a: max(one.confidence for one in entries) for a, entries in full.items()}
    least = sorted(best.values())[len(best) // 2]
    refresh(run_of(f"neighbours.min_best_confidence={least}"))
    lists = uninote.open_release(lake).entries([*full])
    assert {a: len(entries) for a, entries in lists.items()} == {
        a: len(entries) if best[a] >= least else 0 for a, entries in full.items()
    }
    cut_note = min(best, key=best.get)
    assert command(["explain", cut_note, full[cut_note][0].note_id, "--lake", lake]) == 0
    assert "min_best_confidence: the best of the list has 0." in capsys.readouterr().out

    # Back to the release without a map: its lists have none, until somebody fits again.
    assert command(["releases", "rollback", "--to", "1", "--lake", lake]) == 0
    assert set(shown(lake)) == {None}
    refresh(run_of())
    assert set(shown(lake)) == {None}

    gone = pairs[0].a
    add(lake, [gone], "order")
    refresh(run_of())
    rows = rows_at(run.lake.uri("judgments"))
    assert len(rows) == len(pairs)
    assert gone not in {row[side] for row in rows for side in "ab"}
    assert sum(row["a_hash"] is not None for row in rows) == 4
    assert read_orders(lake)[0].erased_at is not None
    assert command(["takedown", "prove", gone, "--lake", lake]) == 0


def check_search(run_of, folder):
    """Search for copies of two notes, and for nothing: strengths and confidences are those of the lists' scale and map."""
    queries = [{**note(number), "note_id": f"q{number}"} for number in (5, 40)]
    write_source(folder / "queries", [*queries, {"note_id": "empty", "title": "", "body": ""}])
    output = f"{folder}/found"
    run = run_of(f"search.queries={folder}/queries", f"search.output={output}", "search.k=4")
    assert search(run)["answered"] == 2
    found = {row["query_id"]: row for row in rows_at(output)}
    assert (found["empty"]["neighbours"], found["empty"]["reason"]) == ([], "note_empty")
    vectors = vectors_in(run.generation.uri("embeddings/w64"))
    drawn = vectors_in(run.generation.uri("neighbour_background"))
    spread = Background.of(np.arange(len(drawn)), np.array([*drawn.values()], np.float32)).spread
    lists = uninote.open_release(run.lake.root).entries([*vectors])
    stored = read_maps(run.generation)["neighbours"].found
    for number in (5, 40):
        entries = found[f"q{number}"]["neighbours"]
        listed = {one["note_id"] for one in entries}
        others = [vectors[f"n{number}"] @ vector for name, vector in drawn.items() if name not in listed]
        scores = [one["score"] for one in entries]
        wanted = (np.array(scores) - np.mean(others)) / spread
        np.testing.assert_allclose([one["strength"] for one in entries], wanted, rtol=1e-2)
        means = [np.mean([entry.score for entry in lists[one["note_id"]]]) for one in entries]
        below = [above - under for above, under in pairwise(scores)]
        chances = stored.of(features_of(wanted, np.array(scores), np.array(means), np.array([*below, 0.0])))
        np.testing.assert_allclose([one["confidence"] for one in entries], chances, atol=2e-2)


def vectors_in(uri):
    return {row["note_id"]: np.array(row["vector"], np.float64) for row in rows_at(uri)}


def _entries(lake, note_id):
    return uninote.open_release(lake).entries([note_id])[note_id]
