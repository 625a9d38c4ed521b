"""The example of a sequence model on semantic ids: its sessions, its exact scores, and a run at a tiny size."""

from __future__ import annotations

import json
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

EXAMPLE = Path(__file__).parents[1] / "examples" / "next_note"


@pytest.fixture
def example(monkeypatch):
    monkeypatch.syspath_prepend(str(EXAMPLE))
    for name in ("sessions", "model", "next_note"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    import next_note

    return next_note


def codes_of(topics):
    """Return ids whose first code is the note's topic, as clusters would have it; the others tell its notes apart."""
    rank = np.zeros(len(topics), np.int64)
    for topic in np.unique(topics):
        rank[topics == topic] = np.arange((topics == topic).sum())
    return np.stack([topics, rank // 6, rank % 6], axis=1).astype(np.int64)


def test_sessions_stay_with_a_topic_and_prefer_what_is_popular(example):
    topics = np.repeat(np.arange(6), 30)
    world = example.make_world([f"t{topic}" for topic in topics], 0)
    sessions = example.draw_sessions(world, 2_000, 1)
    assert all(len(set(one.tolist())) == len(one) for one in sessions)
    assert {len(one) for one in sessions} <= set(range(4, 11))
    stays = [topics[a] == topics[b] for one in sessions for a, b in pairwise(one)]
    assert 0.78 < np.mean(stays) < 0.92  # some of those that leave come back by chance
    read = np.bincount(np.concatenate(sessions), minlength=180)
    assert read[world.notes[2][:3]].sum() > 3 * read[world.notes[2][-3:]].sum()
    again = example.draw_sessions(world, 2_000, 1)
    assert all(np.array_equal(one, other) for one, other in zip(sessions, again, strict=True))


def test_scores_are_the_model_s_own_token_by_token(example):
    from model import Ids, NextToken, scores_of

    torch.manual_seed(0)
    random = np.random.default_rng(0)
    ids = Ids(codes_of(random.integers(0, 5, 40)))
    model = NextToken(ids.vocabulary).eval()
    sessions = [np.array([3, 9]), np.array([1]), np.array([4, 8, 0])] * 9  # more than a block
    scores = scores_of(model, ids, sessions)
    for number in (0, 1, 2, 26):
        for note in (0, 17, 39):
            told = np.concatenate([[0], ids.tokens[sessions[number]].ravel(), ids.tokens[note]])
            with torch.no_grad():
                logits = model(torch.from_numpy(told[None]))[0, -4:-1]
            chances = 0.0
            for level, row in enumerate(logits):
                own = row[ids.starts[level] : ids.starts[level + 1]].log_softmax(0)
                chances += float(own[ids.codes[note, level]])
            assert scores[number, note] == pytest.approx(chances, abs=1e-4)
    assert np.exp(scores).sum(1).max() <= 1 + 1e-4


def test_what_was_read_is_not_named_again(example):
    trial = example.Trial([], [np.array([0, 1])], np.array([5]), np.array([True]))
    scores = np.arange(20, 0, -1, dtype=np.float32)[None]
    assert example.recalls_of(trial, scores.copy()) == {"all": 1.0, "rare": 1.0}
    assert not np.isfinite(scores_after(example, trial, scores)[0, :2]).any()


def scores_after(example, trial, scores):
    example.recalls_of(trial, scores)
    return scores


def test_ids_that_say_the_topic_find_more_than_random_ones(example, monkeypatch, tmp_path, capsys):
    random = np.random.default_rng(2)
    topics = random.integers(0, 8, 240)
    note_ids = [f"n{number}" for number in range(240)]
    rows = [json.dumps({"note_id": note, "topic": f"t{topic}"}) for note, topic in zip(note_ids, topics, strict=True)]
    (tmp_path / "truth.jsonl").write_text("\n".join(rows))
    monkeypatch.setattr(example, "read_ids", lambda lake: (note_ids, codes_of(topics)))
    arguments = ["--truth", str(tmp_path / "truth.jsonl"), "--sessions", "300", "--held-out", "80"]
    assert example.main([*arguments, "--epochs", "12", "--seeds", "1", "--threads", "1"]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])["recall_at_10"]
    assert found["semantic ids"]["all"][0] > found["random ids"]["all"][0] > 0
    assert found["semantic ids"]["all"][0] > found["popularity"]["all"][0]
    assert found["semantic ids"]["all"][1] <= found["semantic ids"]["all"][0] <= found["semantic ids"]["all"][2]
