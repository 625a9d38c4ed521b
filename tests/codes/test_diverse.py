"""Lists of which at most so many notes begin with the same codes, against a pass over all scores, through nights of edits."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from builders import rows_at

sys.path.insert(0, str(Path(__file__).parents[1] / "pipelines"))
from lake_updates import Lake

from uninote.codes.stored import read_codebook
from uninote.config.settings import Config
from uninote.errors import ConfigError, UninoteError
from uninote.neighbours.by_rule.diversity import ALONE, are_diverse, candidates_needed
from uninote.pipelines.codes.stage import codes
from uninote.pipelines.lake.run import last_entry
from uninote.pipelines.neighbours.stage import neighbours
from uninote.vectors.widths import truncate

K = 8
WIDTH = 16


def draw(rows, seed=0):
    random = np.random.default_rng(seed)
    centres = np.random.default_rng(1).normal(size=(9, WIDTH))
    drawn = centres[random.integers(9, size=rows)] + random.normal(scale=0.5, size=(rows, WIDTH))
    return truncate(drawn.astype("f4"), WIDTH)


@pytest.fixture
def run_of(make_run):
    tables = "neighbours.tables={mixed: {diverse: {prefix: 2, at_most: 2}}, wide: {diverse: {prefix: 1, at_most: 3}}}"
    settings = (
        "codes.levels=2",
        "codes.size=6",
        f"neighbours.k={K}",
        "neighbours.slack=3",
        "neighbours.full_share=0.5",
    )
    return lambda *more: make_run(*settings, tables, *more)


def brute_force(lake, codebook, prefix, at_most, candidates):
    """Return note -> its neighbours, out of its best `candidates`, one after the other."""
    keys, vectors = lake.matrix
    begun = [tuple(row[:prefix]) for row in codebook.encode(vectors).tolist()]
    scores = vectors.astype(np.float64) @ vectors.T.astype(np.float64)
    np.fill_diagonal(scores, -np.inf)
    found = {}
    for row, key in enumerate(keys.tolist()):
        taken, counted = [], Counter()
        for place in np.argsort(-scores[row])[: min(candidates, len(keys) - 1)]:
            if counted[begun[place]] < at_most and len(taken) < K:
                counted[begun[place]] += 1
                taken.append(int(keys[place]))
        found[key] = taken
    return found


def check(lake, run_of):
    run = run_of()
    codes(run)
    summary = neighbours(run_of())
    counts = last_entry(run, "neighbours", "all")["counts"]
    codebook = read_codebook(run.generation.uri("codebooks"))
    for name, prefix, at_most in (("mixed", 2, 2), ("wide", 1, 3)):
        rows = rows_at(run.generation.uri(name))
        lists = {row["note_id"]: [one["note_id"] for one in row["neighbours"]] for row in rows}
        assert K <= counts[f"candidates_{name}"] <= 200
        assert lists == brute_force(lake, codebook, prefix, at_most, counts[f"candidates_{name}"])
        assert counts[f"short_{name}"] == sum(len(one) < K for one in lists.values())
        # Whoever asks for more candidates than a list keeps finds the same, where the list is full.
        unlimited = brute_force(lake, codebook, prefix, at_most, len(lists))
        assert all(lists[key] == unlimited[key] for key in lists if len(lists[key]) == K)
    return summary, counts


@pytest.mark.spark
@pytest.mark.parametrize("count", [2, pytest.param(4, marks=pytest.mark.long)])
def test_diverse_lists_are_those_of_brute_force_night_after_night(run_of, count):
    vectors, fresh = draw(320), draw(60, seed=5)
    lake = Lake(run_of, vectors)
    _, counts = check(lake, run_of)
    assert counts["joined"] == 320
    before = counts["candidates_mixed"]
    assert before > K
    nights = (
        ({3: fresh[0], 4: fresh[1], 320: fresh[2]}, []),
        ({}, list(range(40, 70))),
        ({key: vectors[key] for key in range(50, 60)}, [320, 3]),
        ({key: fresh[key - 100] for key in range(110, 140)}, []),
    )
    for changed, deleted in nights[:count]:
        lake.update(changed, deleted)
        _, counts = check(lake, run_of)
        assert counts["joined"] < 200
        assert counts["candidates_mixed"] == before
    assert neighbours(run_of())["state"] == "unchanged"


@pytest.mark.spark
def test_lists_by_codes_take_codes_of_these_vectors(run_of):
    lake = Lake(run_of, draw(60))
    with pytest.raises(UninoteError, match=r"notes have no codes; run jobs/codes\.py first"):
        neighbours(run_of())
    codes(run_of())
    lake.update({1: draw(1, seed=8)[0]})
    with pytest.raises(UninoteError, match=r"codes are older"):
        neighbours(run_of())
    codes(run_of())
    with pytest.raises(UninoteError, match=r"diverse.prefix is 3, and codebook 1 has 2 levels"):
        neighbours(run_of("neighbours.tables={deep: {diverse: {prefix: 3, at_most: 1}}}"))


def test_entries_are_counted_by_owner_and_group():
    owners = np.repeat([0, 1], 5)
    groups = np.array([7, 7, 8, 7, 8, 7, ALONE, ALONE, ALONE, 7])
    kept = are_diverse(owners, groups, 2)
    assert kept.tolist() == [True, True, True, False, True, True, True, True, True, True]
    assert not are_diverse(np.empty(0, int), np.empty(0, int), 1).size


def test_a_sample_says_how_many_candidates_fill_lists():
    easy = np.tile(np.arange(20), (99, 1))
    hard = np.array([[0] * 12 + list(range(1, 9))])
    assert candidates_needed(easy, 1, 5) == 5
    assert candidates_needed(np.concatenate([easy, hard]), 1, 5) == 5
    assert candidates_needed(hard, 1, 5) == 16
    assert candidates_needed(np.zeros((3, 50), int), 1, 5) == 200
    assert candidates_needed(np.zeros((0, 50), int), 1, 5) == 5


def test_lists_by_codes_and_no_codes_are_a_contradiction(config_file):
    from uninote.config.loading import load_config

    with pytest.raises(ConfigError, match=r"tables.mixed.diverse needs notes to have codes"):
        load_config(
            config_file, ("codes.enabled=false", "neighbours.tables={mixed: {diverse: {prefix: 1, at_most: 1}}}")
        )
    assert Config.model_fields["codes"].default.enabled is None
