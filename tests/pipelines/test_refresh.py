"""The whole pipeline on the demo corpus, held against what the corpus is known to contain, and read back without a JVM."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import faiss
import numpy as np
import polars
import pytest
from builders import make_note, write_source
from deltalake import DeltaTable

from uninote.index.files.folder import IndexFolder
from uninote.index.files.manifest import read_manifest
from uninote.pipelines.index.search import search
from uninote.pipelines.notes.source.identity import demo_folder
from uninote.pipelines.stages import STAGES, refresh
from uninote.search import command as terminal

pytestmark = [pytest.mark.spark, pytest.mark.slow]


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    """A lake that the tests of this file take through two days, in their order."""
    return tmp_path_factory.mktemp("refresh") / "lake"


@pytest.fixture(scope="module")
def nights():
    """What the refreshes of this file said, by their overrides."""
    return {}


@pytest.fixture
def refreshed(make_run, lake, capsys, nights):
    """Return a function that refreshes the lake, once for each source unless told again: (summary, printed)."""

    def run_on(*overrides, again=False):
        if again or overrides not in nights:
            summary = refresh(make_run(f"lake={lake}", *overrides))
            nights[overrides] = summary, capsys.readouterr().out
        return nights[overrides]

    return run_on


@pytest.fixture
def corpus(make_run):
    """The folder of the demo corpus."""
    return demo_folder(make_run())


@pytest.fixture
def truth(corpus):
    """note_id -> what the generator knows of the note."""
    lines = (corpus / "truth.jsonl").read_text(encoding="utf-8").splitlines()
    return {row["note_id"]: row for row in map(json.loads, lines)}


def figure(page, name):
    """Return the value that a report shows beside the name of a figure."""
    (value,) = re.findall(rf'<dt>{name}</dt><dd><span class="value">([^<]*)</span>', page)
    return value


def stored(summary, name):
    return DeltaTable(summary["tables"][name]).to_pyarrow_table()


def test_the_first_night_makes_everything_and_loses_nothing(refreshed, truth):
    summary, printed = refreshed()
    today = {note_id: row for note_id, row in truth.items() if row["change"] != "insert"}
    rejected = {note_id for note_id, row in today.items() if row["expected_reject"]}
    embedded = summary["stages"]["embed"]
    assert embedded["notes_in"] == len(today)
    assert embedded["quarantined"] == len(rejected)
    assert embedded["embedded"] == len(today) - len(rejected)
    assert set(stored(summary, "items")["note_id"].to_pylist()) == set(today) - rejected
    assert set(stored(summary, "neighbours")["note_id"].to_pylist()) == set(today) - rejected
    assert "its nearest neighbours:" in printed
    assert summary["tables"]["neighbours"] in printed
    page = Path(summary["report"]).read_text(encoding="utf-8")
    assert page.count("<script") == 2  # the search box and its data
    assert figure(page, "Notes in") == f"{len(today):,}"


def test_the_report_says_how_neighbours_agree_and_what_the_model_finds(refreshed, truth):
    summary, _ = refreshed()
    lists = stored(summary, "neighbours").to_pylist()
    same = [truth[row["note_id"]]["topic"] == truth[row["neighbours"][0]["note_id"]]["topic"] for row in lists]
    share = sum(same) / len(same)
    assert share > 0.7
    cells = re.findall(r"<t[hd][^>]*>([^<]*)</t[hd]>", Path(summary["report"]).read_text(encoding="utf-8"))
    by_lists = [at for at, cell in enumerate(cells) if cell == "neighbour lists"]
    assert cells[by_lists[-1] + 1] == f"{100 * share:.1f} %"  # of the label that comes last, the demo's own topic
    assert cells.count("TF-IDF, in the sample") == cells.count("chance, in the sample") == len(by_lists) == 3
    assert {"image → text", "note → note"} <= set(cells)


def test_quarantine_holds_what_was_broken_on_purpose_with_its_reason(refreshed, truth):
    summary, _ = refreshed()
    found = stored(summary, "quarantine").to_pylist()
    notes = {(row["note_id"], row["reason"]) for row in found if row["kind"] == "note"}
    today = [row for row in truth.values() if row["change"] != "insert"]
    assert notes == {(row["note_id"], row["expected_reject"]) for row in today if row["expected_reject"]}
    images = Counter(row["reason"] for row in found if row["kind"] == "image")
    assert set(images) == {
        "media_undecodable",
        "media_empty",
        "media_missing",
        "media_too_many_pixels",
        "media_outside_roots",
    }


def test_a_second_run_finds_nothing_to_do(refreshed):
    summary, _ = refreshed(again=True)
    states = {name: stage["state"] for name, stage in summary["stages"].items()}
    # Without a gallery there is nothing to match, and nobody asked for codes.
    assert states == dict.fromkeys([name for name in STAGES if name not in ("codes", "match")], "unchanged")


def test_a_report_that_is_gone_or_cut_short_is_made_again_by_an_unchanged_night(refreshed):
    before = Path(refreshed()[0]["report"])
    before.write_text("cut short", encoding="utf-8")
    summary, _ = refreshed(again=True)
    assert summary["stages"]["report"]["state"] == "done"
    assert "<title>UniNote: sound" in before.read_text(encoding="utf-8")


def test_tables_are_read_without_a_jvm(refreshed):
    summary, _ = refreshed()
    neighbours = polars.read_delta(summary["tables"]["neighbours"])
    assert neighbours.columns == ["note_id", "neighbours"]
    first = neighbours["neighbours"][0].to_list()[0]
    assert set(first) == {"note_id", "score", "strength", "confidence"}
    vectors = np.array(stored(summary, "embeddings/w64")["vector"].to_pylist(), np.float32)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_index_files_are_plain_faiss_and_hold_every_key_once(refreshed):
    summary, _ = refreshed()
    items = set(stored(summary, "items")["item_key"].to_pylist())
    for width in (256, 64):
        folder = summary["tables"][f"index/w{width}"]
        keys: list[int] = []
        for shard in read_manifest(IndexFolder(folder)).shards:
            index = faiss.read_index(f"{folder}/{shard.index.name}")
            assert index.d == width
            lists = faiss.extract_index_ivf(index).invlists
            for number in range(lists.nlist):
                keys += faiss.rev_swig_ptr(lists.get_ids(number), lists.list_size(number)).tolist()
            names = polars.read_ipc(f"{folder}/{shard.keys.name}")
            assert names.height == shard.rows == index.ntotal
        assert len(keys) == len(items)
        assert set(keys) == items


def test_queries_of_any_kind_find_their_notes(refreshed, make_run, corpus, lake, tmp_path):
    summary, _ = refreshed()
    notes = {row["note_id"]: row for row in stored(summary, "notes").to_pylist()}
    indexed = stored(summary, "items")["note_id"].to_pylist()
    full = next(notes[one] for one in sorted(indexed) if notes[one]["images"] and notes[one]["category"])
    image = tmp_path / "queries" / "one.png"
    image.parent.mkdir()
    image.write_bytes((corpus / full["images"][0]["uri"]).read_bytes())
    queries = [
        make_note("same", title=full["title"], body=full["body"], topics=full["topics"])
        | {"images": [{"uri": "one.png", "ocr": full["images"][0]["ocr"]}]},
        {"note_id": "text", "body": full["body"]},
        {"note_id": "image", "images": ["one.png"]},
        {"note_id": "empty", "title": " "},
        {"note_id": "gone", "images": ["none.png"]},
        {"title": "no id"},
    ]
    source = write_source(tmp_path / "queries", queries)
    asked = (f"lake={lake}", f"search.queries={source}", f"search.output={tmp_path / 'found'}", "search.k=7")
    category = full["category"]
    searched = search(
        make_run(*asked, "search.rerank_width=256", "search.width=64", f"search.only={{category: [{category}]}}")
    )
    assert (searched["queries"], searched["answered"], searched["unanswered"]) == (6, 3, 3)
    rows = {row["query_id"]: row for row in DeltaTable(tmp_path / "found").to_pyarrow_table().to_pylist()}
    for name in ("same", "text", "image"):
        found = [one["note_id"] for one in rows[name]["neighbours"]]
        scores = [one["score"] for one in rows[name]["neighbours"]]
        assert len(set(found)) == 7
        assert {notes[one]["category"] for one in found} == {category}
        assert scores == sorted(scores, reverse=True)
    assert rows["same"]["neighbours"][0]["score"] > 0.999  # the note itself, or a copy of it
    reasons = {name: rows[name]["reason"] for name in ("empty", "gone", None)}
    assert reasons == {"empty": "note_empty", "gone": "note_unusable", None: "note_id_missing"}
    assert not any((Path(summary["tables"]["items"]).parent / "staging").glob("search*"))


def test_an_index_is_searched_from_a_terminal(refreshed, make_run, lake, capsys):
    summary, _ = refreshed()
    folder = summary["tables"]["index/w64"]
    checkpoint = str(make_run(f"lake={lake}").model.folder)
    assert terminal.main([folder, "--text", "红烧肉", "-k", "3", "--only", "language=zh"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    languages = {row["note_id"]: row["language"] for row in stored(summary, "notes").to_pylist()}
    assert [languages[line["note_id"]] for line in lines] == ["zh"] * 3
    assert terminal.main([folder, "--verify"]) == 0
    assert json.loads(capsys.readouterr().out)["live"] == stored(summary, "items").num_rows
    for wrong, message in {
        (folder,): "the query is empty",
        (folder, "--model", checkpoint, "--text", "a", "--only", "colour=red"): "by 'colour'",
        (f"{folder}x", "--verify"): "no index was published there",
    }.items():
        assert terminal.main(list(wrong)) == 1
        assert message in capsys.readouterr().err


def test_the_next_day_follows_the_changes(refreshed, truth, corpus):
    source = corpus / "next_day.jsonl"
    summary, _ = refreshed(f"ingest.source={source}")
    changes = Counter(row["change"] for row in truth.values())
    ingested, embedded = summary["stages"]["ingest"], summary["stages"]["embed"]
    assert ingested["inserted"] == changes["insert"]
    assert ingested["deleted"] == changes["delete"]
    assert ingested["updated"] == changes["content"] + changes["attributes"]
    assert embedded["attributes_changed"] == changes["attributes"]
    live = {
        note_id for note_id, row in truth.items() if row["change"] != "delete" and not row["expected_reject_next_day"]
    }
    for name in ("items", "embeddings/w256", "embeddings/w64", "neighbours"):
        assert set(stored(summary, name)["note_id"].to_pylist()) == live
    assert summary["stages"]["neighbours"]["recall_at_k"] == 1.0
    page = Path(summary["report"]).read_text(encoding="utf-8")
    assert f"{len(live):,} live after the run" in page
    assert figure(page, "Notes in") == f"{embedded['notes_in']:,}"
