"""Searches that are corrected by a bank of queries, against brute force in numpy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from builders import make_note, rows_at, table_at, write_notes, write_source

from uninote.model.hashing.encoder import HashingEncoder
from uninote.notes.note import Note
from uninote.pipelines.embed.stage import embed
from uninote.pipelines.index.query_bank import make_bank
from uninote.pipelines.index.search import search
from uninote.pipelines.index.stage import index
from uninote.search.stored_banks import BankError
from uninote.vectors.widths import truncate

pytestmark = [pytest.mark.spark, pytest.mark.more]

WORDS = ("bread", "soup", "garden", "river", "temple", "ramen", "bridge", "tea")
SETTINGS = ("embed.widths=[64]", "index.nlist=2", "index.num_shards=1", "index.pq_m=8", "search.k=5")
TEMPERATURE = 0.1


def titles(first, last):
    return [f"{WORDS[number % 8]} {WORDS[number % 7]} {number % 11}" for number in range(first, last)]


@pytest.fixture
def run_of(make_run, quick_model):
    return lambda *more: make_run(*quick_model, *SETTINGS, *more)


@pytest.fixture
def lake(run_of):
    notes = [make_note(f"n{number}", title=title, body="") for number, title in enumerate(titles(0, 60))]
    run = run_of()
    write_notes(run, notes)
    embed(run)
    index(run)
    return run


def source(folder, texts):
    return str(write_source(folder, [{"note_id": f"q{place}", "title": text} for place, text in enumerate(texts)]))


def embedded(quick_model, texts):
    encoder = HashingEncoder.load(Path(quick_model[1].partition("=")[2]))
    return truncate(np.asarray(encoder.embed([encoder.prepare(Note(text), []) for text in texts])), 64)


def expected(run, quick_model, asked, banked):
    """(query -> note -> score, note -> hubness), in numpy."""
    table = table_at(run.generation.uri("embeddings/w64"))
    notes, vectors = table["note_id"].to_pylist(), np.array(table["vector"].to_pylist(), np.float64)
    bank = embedded(quick_model, sorted(set(banked)))
    hubness = TEMPERATURE * np.log(np.exp(vectors @ bank.T / TEMPERATURE).mean(axis=1))
    scores = embedded(quick_model, asked) @ vectors.T
    by_query = {f"q{place}": dict(zip(notes, row, strict=True)) for place, row in enumerate(scores)}
    return by_query, dict(zip(notes, hubness, strict=True))


def test_a_bank_of_queries_corrects_what_an_index_finds(lake, run_of, quick_model, tmp_path):
    asked, banked = titles(100, 108), titles(30, 150)
    output = str(tmp_path / "found")
    # Twice the same query, and one without content, which has no vector.
    settings = (f"search.bank={source(tmp_path / 'bank', [*banked, banked[0], ''])}", "search.hubness=queries")
    settings += (f"search.queries={source(tmp_path / 'asked', asked)}", f"search.output={output}")
    settings += ("search.rerank_depth=20", f"search.hubness_temperature={TEMPERATURE}")
    with pytest.raises(BankError, match="has no bank of queries; known are: none"):
        search(run_of(*settings))
    with pytest.raises(BankError, match="has 3 different queries that can be embedded, and a bank takes"):
        make_bank(run_of(f"search.bank={source(tmp_path / 'few', titles(0, 3))}"))

    made = make_bank(run_of(*settings))
    counted = {name: made[name] for name in ("state", "bank", "queries", "rows")}
    assert counted == {"state": "done", "bank": 1, "queries": len(set(banked)), "rows": len(banked) + 2}
    assert make_bank(run_of(*settings))["state"] == "unchanged"

    assert search(run_of(*settings))["bank"] == 1
    found = {row["query_id"]: row["neighbours"] for row in rows_at(output)}
    scores, hubness = expected(lake, quick_model, asked, banked)
    assert found.keys() == scores.keys()
    for query, entries in found.items():
        corrected = {note: score - hubness[note] for note, score in scores[query].items()}
        best = sorted(corrected.values(), reverse=True)[:5]
        assert [one["corrected"] for one in entries] == pytest.approx(best, abs=1e-3)
        for one in entries:
            note = one["note_id"]
            assert (one["score"], one["corrected"]) == pytest.approx((scores[query][note], corrected[note]), abs=1e-3)
            assert one["confidence"] is None

    # Without the correction scores rank.
    assert search(run_of(*settings, "search.hubness=none"))["bank"] is None
    plain = {row["query_id"]: row["neighbours"] for row in rows_at(output)}
    assert {one["corrected"] for entries in plain.values() for one in entries} == {None}
    ranked = [[[one["note_id"] for one in some[query]] for query in scores] for some in (plain, found)]
    assert ranked[0] != ranked[1]
