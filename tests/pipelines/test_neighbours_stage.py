"""Neighbours: what the join over cells finds, against exact search over what is stored."""

from __future__ import annotations

import numpy as np
import pytest
from builders import make_note, write_source

from udfs.arrow_vectors import to_matrix
from uninote.pipelines import tables
from uninote.pipelines.embed import embed
from uninote.pipelines.ingest import ingest
from uninote.pipelines.neighbours import neighbours

pytestmark = pytest.mark.spark

WORDS = ["red", "green", "blue", "cup", "lake", "stone", "cat", "river", "cloud", "lamp", "fish", "snow"]


def notes(count):
    generator = np.random.default_rng(5)
    return [
        make_note(f"n{n}", title=" ".join(generator.choice(WORDS, 3)), body=" ".join(generator.choice(WORDS, 9)))
        for n in range(count)
    ]


@pytest.fixture
def joined(make_run, tmp_path):
    """Return a function that takes notes all the way to (run, summary, note_id -> neighbours)."""

    def run_on(some, *overrides):
        source = write_source(tmp_path / "source", some)
        run = make_run(f"ingest.source={source}", *overrides)
        ingest(run)
        embed(run)
        summary = neighbours(run)
        rows = tables.read_table(run.spark, summary["tables"]["neighbours"]).collect()
        return (
            run,
            summary,
            {row["note_id"]: [(one["note_id"], one["score"]) for one in row["neighbours"]] for row in rows},
        )

    return run_on


def exact_recall(run, lists, k):
    """Tie-aware recall, computed here from the stored vectors by nothing but numpy."""
    table = tables.read_table(run.spark, run.generation.uri("embeddings/w256")).toArrow()
    ids = table["note_id"].to_pylist()
    matrix = to_matrix(table["vector"].combine_chunks()).astype(np.float64)
    scores = matrix @ matrix.T
    np.fill_diagonal(scores, -np.inf)
    position = {note_id: n for n, note_id in enumerate(ids)}
    hits = 0
    for note_id, found in lists.items():
        row = scores[position[note_id]]
        bar = np.sort(row)[-k] - 1e-6
        hits += sum(row[position[other]] >= bar for other, _ in found)
        assert note_id not in dict(found)
        assert len(dict(found)) == len(found) == k
        np.testing.assert_allclose(
            [score for _, score in found], [row[position[other]] for other, _ in found], atol=1e-5
        )
        assert [score for _, score in found] == sorted((score for _, score in found), reverse=True)
    return hits / (k * len(lists))


def test_one_cell_is_exact(joined):
    run, summary, lists = joined(notes(150))
    assert exact_recall(run, lists, 10) == 1.0
    assert summary["recall_at_k"] == 1.0
    assert (summary["notes"], summary["k"]) == (150, 10)


def test_overlapping_cells_find_what_they_promise_and_the_reported_recall_is_true(joined):
    run, summary, lists = joined(
        notes(400), "neighbours.cell_rows=60", "neighbours.overlap=3", "neighbours.recall_sample=400"
    )
    recall = exact_recall(run, lists, 10)
    assert recall > 0.75
    assert abs(summary["recall_at_k"] - recall) < 1e-3


def test_a_join_over_the_same_embeddings_is_not_repeated(joined, make_run):
    joined(notes(30))
    run = make_run()
    version = tables.table_version(run.spark, run.generation.uri("neighbours"))
    assert neighbours(run)["state"] == "unchanged"
    assert tables.table_version(run.spark, run.generation.uri("neighbours")) == version
    assert neighbours(make_run("neighbours.k=5"))["state"] == "done"


@pytest.mark.parametrize("count", [1, 2, 4])
def test_a_corpus_smaller_than_k_gets_short_lists(joined, count):
    _, _, lists = joined(notes(count))
    assert {note_id: len(found) for note_id, found in lists.items()} == {f"n{n}": count - 1 for n in range(count)}


def test_reposts_are_neighbours_of_each_other(joined):
    same = [make_note(f"same{n}", title="t", body="b") for n in range(12)]
    _, summary, lists = joined([*notes(30), *same])
    assert summary["recall_at_k"] == 1.0
    assert {other for other, _ in lists["same0"]} <= {f"same{n}" for n in range(1, 12)}


def test_the_table_is_ordered_by_note_id_for_look_ups(joined):
    run, summary, _ = joined(notes(50))
    ids = [row["note_id"] for row in run.spark.read.format("delta").load(summary["tables"]["neighbours"]).collect()]
    assert ids == sorted(ids)
