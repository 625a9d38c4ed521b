"""Ways to rank of `python -m uninote.search`, and what its scores mean, against brute force in numpy."""

from __future__ import annotations

import json
import math
import shutil
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from builders import table_at
from deltalake import write_deltalake
from PIL import Image

from uninote.confidence.confidence_map import ConfidenceMap
from uninote.confidence.fitting import measure
from uninote.confidence.judged_pairs import JudgedPairs
from uninote.confidence.stored_maps import Origin, add_map
from uninote.index.files.folder import IndexFolder
from uninote.lake.paths import GenerationLake, Lake
from uninote.notes.note import Note, NoteImage
from uninote.search.command import main
from uninote.search.query import encoder_of
from uninote.search.stored_banks import add_bank
from uninote.storage.types import S3Options
from uninote.vectors.widths import truncate

TEXT, COLOUR = "a day hike", "blue"
MAP = ConfidenceMap((2.0, 0.7, 0.7, 0.02), (0.5, 0.15, 0.1, 0.03), (0.2, 1.4, 0.7, -0.9, 0.4))


@pytest.fixture
def lake(made):
    """Without a release, so that readers see the newest; the notes, their vectors, and a background of all of them."""
    shutil.rmtree(made.folder / "lake" / "releases")
    generation = GenerationLake(Lake(str(made.folder / "lake")), made.record.parent.name)
    rows = table_at(generation.uri("embeddings/w64"))
    rows = rows.filter(pa.compute.equal(rows["kind"], "note"))
    write_deltalake(generation.uri("neighbour_background"), rows.select(["item_key", "note_id", "vector"]))
    image = made.folder / "asked.png"
    Image.new("RGB", (40, 40), COLOUR).save(image)
    encoder = encoder_of(IndexFolder(made.index, S3Options()), generation.generation)
    picture = Image.open(image).convert("RGB")

    def embedded(text, *pictures):
        note = Note(body=text, images=(NoteImage("", ""),) * len(pictures))
        return truncate(np.asarray(encoder.embed([encoder.prepare(note, [*pictures])])), 64)[0]

    asked = [embedded(TEXT, picture), embedded(TEXT), embedded("", picture)]
    notes, vectors = rows["note_id"].to_pylist(), np.array(rows["vector"].to_pylist(), np.float32)
    return SimpleNamespace(
        index=made.index, image=str(image), generation=generation, notes=notes, vectors=vectors, asked=np.array(asked)
    )


def lines(capsys, lake, *arguments, k=4):
    assert main([lake.index, "--text", TEXT, "-k", str(k), *arguments]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def refusal(capsys, lake, *arguments):
    assert main([lake.index, "--text", TEXT, *arguments]) == 1
    return capsys.readouterr().err


def check(found, lake, values, name="score"):
    """Compare what was found with the values of all notes; equal ones may stand for each other."""
    best = np.sort(values)[::-1][: len(found)]
    assert [one[name] for one in found] == pytest.approx(best.tolist(), abs=2e-3)
    for one in found:
        assert one[name] == pytest.approx(float(values[lake.notes.index(one["note_id"])]), abs=2e-3)


def test_strengths_and_confidences(lake, capsys):
    scores = lake.vectors @ lake.asked[1]
    found = lines(capsys, lake)
    check(found, lake, scores)
    assert {one["confidence"] for one in found} == {None}

    inside = [lake.notes.index(one["note_id"]) for one in found]
    mean = np.delete(scores, inside).mean()
    spread = math.sqrt((lake.vectors @ lake.vectors.T).var(axis=1).mean())
    expected = [(scores[place] - mean) / spread for place in inside]
    assert [one["strength"] for one in found] == pytest.approx(expected, abs=0.02)

    pairs = JudgedPairs(
        np.arange(60), np.random.default_rng(0).random((60, 4)), np.arange(60) % 2.0, np.ones(60), np.ones(60, np.int64)
    )
    add_map(lake.generation, Origin("neighbours", "editors", 0), MAP, measure(pairs))
    own = table_at(lake.generation.uri("neighbour_state/neighbours"))
    lists = dict(zip(own["note_id"].to_pylist(), own["scores"].to_pylist(), strict=True))
    found = lines(capsys, lake)
    for place, one in enumerate(found):
        gap = one["score"] - found[place + 1]["score"] if place + 1 < len(found) else 0
        features = (one["strength"], one["score"], np.frombuffer(lists[one["note_id"]], np.float32)[:20].mean(), gap)
        assert one["confidence"] == pytest.approx(float(MAP.of(np.array([features]))[0]), abs=1e-3)


def test_corrected_scores(lake, capsys):
    bank = lake.vectors[:1] + 0.3 * np.random.default_rng(0).normal(size=(150, 64)).astype(np.float32)
    bank /= np.linalg.norm(bank, axis=1, keepdims=True)
    assert "has no bank of queries; known are: none" in refusal(capsys, lake, "--hubness", "queries")
    add_bank(lake.generation, bank, "run")
    found = lines(capsys, lake, "--hubness", "queries", "--hubness-temperature", "0.1", k=8)
    scores = lake.vectors @ lake.asked[1]
    corrected = scores - 0.1 * np.log(np.exp(lake.vectors @ bank.T / 0.1).mean(axis=1))
    check(found, lake, corrected, "corrected")
    assert [one["note_id"] for one in found] != [one["note_id"] for one in lines(capsys, lake, k=8)]
    for one in found:
        assert one["score"] == pytest.approx(float(scores[lake.notes.index(one["note_id"])]), abs=2e-3)
        assert one["strength"] is not None
    assert "no bank of queries 2; known are: 1" in refusal(capsys, lake, "--hubness", "queries", "--bank-version", "2")


def test_a_text_and_a_picture_as_one_note_and_as_parts(lake, capsys):
    check(lines(capsys, lake, "--image", lake.image), lake, lake.vectors @ lake.asked[0])
    found = lines(capsys, lake, "--image", lake.image, "--fusion", "parts", k=12)
    scores = lake.asked @ lake.vectors.T
    strengths = (scores - scores.mean(axis=1, keepdims=True)) / scores.std(axis=1, keepdims=True)
    check(found, lake, -np.log1p(np.exp(-strengths)).sum(axis=0))
    assert {one["strength"] for one in found} == {None}


def test_weights_of_a_notes_items(lake, capsys):
    rows = table_at(lake.generation.uri("embeddings/w64"))
    kinds, owners = rows["kind"].to_pylist(), rows["note_id"].to_pylist()
    scores = np.array(rows["vector"].to_pylist(), np.float32) @ lake.asked[1]
    weights = dict.fromkeys(kinds, 0.5) | {"note": 1.0}
    given = ",".join(f"{kind}={weight}" for kind, weight in weights.items())
    best = dict.fromkeys(zip(owners, kinds, strict=True), -math.inf)
    for owner, kind, score in zip(owners, kinds, scores, strict=True):
        best[owner, kind] = max(best[owner, kind], float(score))
    values = [sum(weights[kind] * best.get((note, kind), 0) for kind in weights) for note in lake.notes]
    check(lines(capsys, lake, "--weights", given, k=12), lake, np.array(values))
    assert "weighs ocr, and no note found has such an item" in refusal(capsys, lake, "--weights", "note=1,ocr=1")


def test_what_cannot_be_ranked_so_is_refused(lake, capsys, tmp_path):
    assert "text is weighed -1.0" in refusal(capsys, lake, "--weights", "text=-1")
    assert "--weights body=1 should look like text=1,image=.5" in refusal(capsys, lake, "--weights", "body=1")
    assert "--fusion parts and --hubness queries rank notes in ways of their own" in refusal(
        capsys, lake, "--fusion", "parts", "--hubness", "queries"
    )
    assert "a kind is named twice" in refusal(capsys, lake, "--weights", "text=1,text=2")
    assert "--bank-version names the bank that --hubness queries" in refusal(capsys, lake, "--bank-version", "1")
    assert "the query is empty" in refusal(capsys, lake, "--text", "  ")
    shutil.rmtree(lake.generation.uri("neighbour_background"))
    assert "holds scores against notes that jobs/neighbours.py draws" in refusal(capsys, lake, "--fusion", "parts")
    assert {one["strength"] for one in lines(capsys, lake)} == {None}
