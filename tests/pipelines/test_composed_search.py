"""Searches for queries of several parts and by weighed items of notes, against brute force in numpy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from builders import make_image, make_note, rows_at, table_at, write_notes, write_source
from PIL import Image

from uninote.errors import ConfigError
from uninote.model.hashing.encoder import HashingEncoder
from uninote.notes.note import Note, NoteImage
from uninote.pipelines.embed.stage import embed
from uninote.pipelines.index.search import search
from uninote.pipelines.index.stage import index
from uninote.vectors.widths import truncate

pytestmark = pytest.mark.spark

WORDS = ("bread", "soup", "garden", "river", "temple", "ramen")
COLOURS = ("red", "blue", "green", "yellow", "black")
SETTINGS = (
    "embed.kinds=[note, text, image]",
    "embed.widths=[64]",
    "index.nlist=2",
    "index.num_shards=1",
    "index.pq_m=8",
)
K = 5


@pytest.fixture
def lake(make_run, quick_model, tmp_path):
    """Every word with a picture of every colour; some notes have two pictures, some none."""
    notes = []
    for word in WORDS:
        for number, colour in enumerate(COLOURS):
            make_image(tmp_path / "media" / f"{colour}.png", colour)
            pictures = [f"{colour}.png", f"{COLOURS[number - 1]}.png"][: number % 3]
            notes.append(make_note(f"{word} {colour}", title=word, body="", images=pictures))
    run_of = lambda *more: make_run(*quick_model, *SETTINGS, *more)  # noqa: E731
    run = run_of()
    write_notes(run, notes, tmp_path / "media")
    embed(run)
    index(run)
    return run_of


@pytest.fixture
def asked(tmp_path, quick_model):
    """(the source of three queries, the encoder's vectors of each: as a note, of its text, of its images)."""
    encoder = HashingEncoder.load(Path(quick_model[1].partition("=")[2]))
    queries = {"both": ("river", ["blue"]), "text": ("soup", []), "pictures": ("", ["red", "green"])}
    rows, vectors = [], {}
    for name, (title, colours) in queries.items():
        paths = [make_image(tmp_path / "queries" / f"{colour}.png", colour) for colour in colours]
        rows.append({"note_id": name, "title": title, "images": [path.name for path in paths]})
        opened = [Image.open(path).convert("RGB") for path in paths]
        parts = [(title, opened), *([(title, [])] if title else []), *(("", [image]) for image in opened)]
        prepared = [encoder.prepare(Note(text, images=(NoteImage("", ""),) * len(seen)), seen) for text, seen in parts]
        vectors[name] = truncate(encoder.embed(prepared), 64)
    return str(write_source(tmp_path / "queries", rows)), vectors


def stored(run):
    """(note ids, kinds, vectors) of all items."""
    table = table_at(run.generation.uri("embeddings/w64"))
    return table["note_id"].to_numpy(), table["kind"].to_numpy(), np.array(table["vector"].to_pylist(), np.float32)


def answers(run, output):
    """The lists of a search, by query."""
    assert search(run)["unanswered"] == 0
    return {row["query_id"]: row["neighbours"] for row in rows_at(output)}


def check(found, best):
    """Compare a list with all notes' scores, a dict."""
    ranked = sorted(best, key=lambda note: -best[note])[:K]
    assert [one["score"] for one in found] == pytest.approx([best[note] for note in ranked], abs=2e-4)
    # Notes of equal score may stand for each other.
    assert all(best[one["note_id"]] == pytest.approx(one["score"], abs=2e-4) for one in found)


def test_searches_score_as_brute_force_does(lake, asked, tmp_path):
    source, queries = asked
    output = str(tmp_path / "found")
    common = (f"search.queries={source}", f"search.output={output}", f"search.k={K}", "search.rerank_depth=20")
    notes, kinds, vectors = stored(lake())

    whole = kinds == "note"
    for name, found in answers(lake(*common, "search.fusion=parts"), output).items():
        scores = queries[name] @ vectors[whole].T
        strengths = (scores - scores.mean(axis=1, keepdims=True)) / scores.std(axis=1, keepdims=True)
        check(found, dict(zip(notes[whole], -np.log1p(np.exp(-strengths)).sum(axis=0), strict=True)))

    weights = {"text": 1.0, "image": 0.5, "note": 0.0}
    for name, found in answers(lake(*common, f"search.weights={weights}"), output).items():
        best = {}
        for note in set(notes):
            scores = {kind: vectors[(notes == note) & (kinds == kind)] @ queries[name][0] for kind in weights}
            best[note] = sum(weight * max(scores[kind], default=0.0) for kind, weight in weights.items())
        check(found, best)

    with pytest.raises(
        ConfigError, match=r"search.weights weighs ocr, and no such item is embedded; add it to embed.kinds"
    ):
        search(lake(*common, "search.weights={text: 1, ocr: 1}"))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("search.weights={text: -1}", "text is weighed -1.0; a weight should be 0 or more"),
        ("search.weights={text: 0, ocr: 0}", "all weights are 0"),
        ("search.weights={body: 1}", "'note', 'image', 'text' or 'ocr'"),
        ("search={weights: {text: 1}, fusion: parts}", "set one of the two"),
        ("search={items: image, fusion: parts}", "drop one"),
    ],
)
def test_what_cannot_be_weighed_is_refused(make_run, settings, said):
    with pytest.raises(ConfigError, match=said):
        make_run(settings)
