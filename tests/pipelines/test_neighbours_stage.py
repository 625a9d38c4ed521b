"""Neighbours: what the join over cells finds, against exact search over what is stored."""

from __future__ import annotations

import numpy as np
import pytest
from builders import rows_at, write_vectors

from uninote.config.sections.neighbours import NeighboursConfig
from uninote.errors import ConfigError
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.reading.snapshot import newest_snapshot
from uninote.pipelines.lake.reading.stored_vectors import StoredVectors
from uninote.pipelines.neighbours.planning.plan import plan_join, sample_truth
from uninote.pipelines.neighbours.stage import neighbours

pytestmark = pytest.mark.spark

K = 10


def make_vectors(rows, seed=0, width=16):
    """Vectors in loose groups, as encoders make them, some of them equal."""
    generator = np.random.default_rng(seed)
    centres = generator.normal(size=(12, width))
    vectors = centres[generator.integers(12, size=rows)] + generator.normal(size=(rows, width)) * 0.7
    vectors[::17] = vectors[0]
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def joined(make_run):
    """Return a function that joins vectors and returns (run, summary, note_id -> [(note_id, score)])."""

    def run_on(vectors, *overrides):
        run = make_run(*overrides)
        write_vectors(run, vectors)
        summary = neighbours(run)
        rows = rows_at(summary["tables"]["neighbours"])
        return (
            run,
            summary,
            {row["note_id"]: [(one["note_id"], one["score"]) for one in row["neighbours"]] for row in rows},
        )

    return run_on


def exact_recall(vectors, lists):
    """Return tie-aware recall@K, by nothing but numpy; every list is checked on the way."""
    scores = vectors.astype(np.float64) @ vectors.T.astype(np.float64)
    np.fill_diagonal(scores, -np.inf)
    hits = 0
    for note_id, found in lists.items():
        row = scores[note_id]
        hits += sum(row[other] >= np.sort(row)[-K] - 1e-6 for other, _ in found)
        assert note_id not in dict(found)
        assert len(dict(found)) == len(found) == K
        np.testing.assert_allclose([score for _, score in found], [row[other] for other, _ in found], atol=1e-5)
        assert [score for _, score in found] == sorted((score for _, score in found), reverse=True)
    assert set(lists) == set(range(len(vectors)))
    return hits / (K * len(lists))


def test_one_cell_is_exact_and_is_not_joined_twice(joined, make_run):
    vectors = make_vectors(150)
    run, summary, lists = joined(vectors)
    assert exact_recall(vectors, lists) == summary["recall_at_k"] == 1.0
    assert (summary["notes"], summary["k"], summary["state"]) == (150, K, "done")
    table = tables.read_table(run.spark, summary["tables"]["neighbours"])
    assert [row["note_id"] for row in table.collect()] == list(range(150))
    version = tables.table_version(summary["tables"]["neighbours"])
    assert neighbours(make_run())["state"] == "unchanged"
    assert tables.table_version(summary["tables"]["neighbours"]) == version
    assert neighbours(make_run("neighbours.k=5"))["state"] == "done"


def test_overlapping_cells_find_nearly_all_and_the_reported_recall_is_true(joined):
    vectors = make_vectors(900)
    _, summary, lists = joined(
        vectors, "neighbours.cell_rows=150", "neighbours.overlap=3", "neighbours.recall_sample=900"
    )
    recall = exact_recall(vectors, lists)
    assert recall > 0.95
    assert abs(summary["recall_at_k"] - recall) < 1e-3
    low, high = summary["recall_interval_by_table"]["neighbours"]
    assert low <= recall <= high


def test_low_recall_is_told_with_the_remedy(joined, capsys):
    vectors = make_vectors(400, width=64)
    _, summary, _ = joined(vectors, "neighbours.cell_rows=30", "neighbours.overlap=1", "neighbours.recall_target=0.99")
    assert summary["recall_at_k"] < 0.99
    told = capsys.readouterr().err
    assert "share of true pairs that meet, by overlap: 1: 0." in told
    assert "below neighbours.recall_target=0.99; raise neighbours.task_mib" in told


def test_the_overlap_follows_the_recall_that_is_asked(make_run):
    vectors = np.random.default_rng(0).normal(size=(900, 24)).astype(np.float32)  # no groups at all: the hardest
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    write_vectors(make_run(), vectors)
    frame = StoredVectors(make_run(), newest_snapshot(make_run()), 24)
    sample = frame.sample(100, 0)
    np.testing.assert_array_equal(frame.draw(100, 0), sample.vectors)
    truth = sample_truth(frame, sample, K)
    assert frame.exact(np.empty(0, np.int64), np.empty((0, 24), np.float32), K)[0].shape == (0, K)
    plans = [
        plan_join(
            make_run("neighbours.cell_rows=150", f"neighbours.recall_target={target}").config.neighbours,
            frame,
            900,
            24,
            lambda: truth,
        )
        for target in (0.5, 0.9)
    ]
    assert plans[0].overlap < plans[1].overlap
    assert 0.5 < plans[0].ceiling < plans[1].ceiling


def test_cells_that_a_task_cannot_hold_are_refused():
    settings = NeighboursConfig(cell_rows=4_000_000, overlap=2)
    with pytest.raises(ConfigError, match=r"do not fit: a task of neighbours.task_mib=3072 holds [\d,]+ rows"):
        plan_join(settings, None, 10_000_000, 256, None)
    with pytest.raises(ConfigError, match="task_mib is 100; rows of width 4096 need at least"):
        plan_join(NeighboursConfig(task_mib=100), None, 10, 4096, None)


@pytest.mark.parametrize("rows", [1, 4])
def test_a_corpus_smaller_than_k_gets_short_lists(joined, rows):
    _, _, lists = joined(make_vectors(rows))
    assert {note_id: len(found) for note_id, found in lists.items()} == dict.fromkeys(range(rows), rows - 1)


def test_equal_vectors_only(joined):
    vectors = np.tile(make_vectors(1), (90, 1))
    _, summary, lists = joined(vectors, "neighbours.cell_rows=30", "neighbours.overlap=2")
    assert exact_recall(vectors, lists) == summary["recall_at_k"] == 1.0
