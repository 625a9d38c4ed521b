"""Pairs drawn to be judged, asked for in the terminal, and what is fitted to the answers. No Spark."""

from __future__ import annotations

import io
import json

import numpy as np
import pyarrow as pa
import pytest
from deltalake import DeltaTable
from judged_lake import GENERATION, NOTES, K, make_lake

import uninote
from uninote.cli.command import main as command
from uninote.confidence.fitting import fit
from uninote.confidence.stored_maps import read_maps
from uninote.judgments.drawing import draw
from uninote.judgments.gathering import ListTables, gather
from uninote.judgments.stored import read_judgments
from uninote.lake.takedowns.orders import add
from uninote.lake.takedowns.watch import Taken, taken_down
from uninote.neighbours.background import Background

HOSTILE = {"title": "\x1b[2Jgone</script><img src=x onerror=alert(1)>", "body": "\u202eevil"}


@pytest.fixture(params=[str, int])
def made(request, tmp_path):
    ids = [request.param(1000 + number) for number in range(NOTES)]
    vectors, labels = make_lake(tmp_path / "lake", ids, {ids[0]: HOSTILE})
    return str(tmp_path / "lake"), ids, vectors, labels


def drawn(lake, count=60, seed=0, taken=None):
    opened = uninote.open_release(lake)
    return draw(*opened.tables["neighbours"], count, seed, taken or Taken())


def test_pairs_are_drawn_with_the_probabilities_that_they_say(made):
    lake, _, _, _ = made
    pairs = drawn(lake)
    assert len(pairs) == len({(one.a, one.b) for one in pairs}) == 60
    assert pairs == drawn(lake)
    assert pairs != drawn(lake, seed=1)
    assert {one.rank for one in pairs} == set(range(1, K + 1))
    # How often the same pair is drawn is what its probability says; and so the sum of 1 / probability is the number of pairs.
    counts: dict[tuple, int] = {}
    said: dict[tuple, float] = {}
    for seed in range(100):
        for one in drawn(lake, 300, seed):
            counts[one.a, one.b] = counts.get((one.a, one.b), 0) + 1
            said[one.a, one.b] = one.probability
    ratios = [counts[pair] / (100 * said[pair]) for pair in said]
    assert len(said) > 0.95 * NOTES * K
    assert np.mean(ratios) == pytest.approx(1, abs=0.05)
    assert sum(1 / one.probability for one in drawn(lake, 300)) == pytest.approx(NOTES * K, rel=1e-6)


def test_all_pairs_are_asked_for_where_there_are_no_more(made):
    lake, ids, _, _ = made
    everything = drawn(lake, 10**6)
    assert len(everything) == NOTES * K
    assert {one.probability for one in everything} == {1.0}
    gone = {ids[3], ids[4]}
    add(lake, [str(one) for one in gone], "order")
    left = drawn(lake, 10**6, taken=taken_down(lake))
    assert not gone & {note for one in left for note in (one.a, one.b)}
    assert len(left) < NOTES * K - K


def answer(monkeypatch, capsys, lake, folder, text, *more):
    monkeypatch.chdir(folder)
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    code = command(["judge", "--lake", lake, "--judge", "Ann", "--count", "10", *more])
    return code, capsys.readouterr()


def test_the_terminal_asks_takes_back_and_goes_on_later(made, tmp_path, monkeypatch, capsys):
    lake, _, _, _ = made
    code, said = answer(monkeypatch, capsys, lake, tmp_path, "y\nn\nu\nmaybe\ns\ny\nq\n")
    assert (code, said.err) == (0, "")
    assert "[1 of 10]" in said.out
    assert "'maybe' is none of y, n, s, u and q" in said.out
    assert said.out.endswith("2 judgments added; 0 were there already, 1 skipped\n")
    first = read_judgments(lake).to_pylist()
    pairs = drawn(lake, 10)
    assert [(row["a"], row["b"], row["relevant"]) for row in first] == [
        (pairs[0].a, pairs[0].b, True),
        (pairs[2].a, pairs[2].b, True),
    ]
    assert {(row["judge"], row["source"], row["table"], row["generation"]) for row in first} == {
        ("Ann", "editors", "neighbours", GENERATION)
    }
    assert [row["probability"] for row in first] == [pairs[0].probability, pairs[2].probability]
    # Later: what is in the lake is not asked for again, and what was skipped neither; the last of before stays.
    code, said = answer(monkeypatch, capsys, lake, tmp_path, "u\n" + "n\n" * 20)
    assert said.out.endswith("7 judgments added; 2 were there already, 1 skipped\n")
    assert len(read_judgments(lake)) == 9
    code, said = answer(monkeypatch, capsys, lake, tmp_path, "")
    assert said.out.endswith("0 judgments added; 9 were there already, 1 skipped\n")
    # Another judge is asked for all of them.
    code, said = answer(monkeypatch, capsys, lake, tmp_path, "q\n", "--judge", "Bo", "--answers", "bo.jsonl")
    assert "[1 of 10]" in said.out


def test_hostile_titles_do_nothing_to_a_terminal(made, tmp_path, monkeypatch, capsys):
    lake, _, _, _ = made
    _, said = answer(monkeypatch, capsys, lake, tmp_path, "n\n" * 600, "--count", "600")
    assert "\\x1b[2Jgone" in said.out or "\ufffd[2Jgone" in said.out
    assert "\x1b" not in said.out
    assert "\u202e" not in said.out


def test_answers_to_other_pairs_are_not_mixed_up(made, tmp_path, monkeypatch, capsys):
    lake, _, _, _ = made
    (tmp_path / "other.jsonl").write_text('{"a": 1, "b": 2, "table": "other", "release": 9}\n')
    code, said = answer(monkeypatch, capsys, lake, tmp_path, "y\n", "--answers", "other.jsonl")
    assert code == 1
    assert "has lines that are no answers to pairs of this table, release and source" in said.err


def judged(lake, labels, ids, tmp_path, capsys, count=300, source="editors", **more):
    """Import the truth of drawn pairs."""
    label = dict(zip(ids, labels.tolist(), strict=True))
    lines = []
    for one in drawn(lake, count):
        row = {"a": one.a, "b": one.b, "relevant": label[one.a] == label[one.b], "probability": one.probability}
        lines.append(json.dumps(row | {"rank": one.rank, "source": source, "generation": GENERATION} | more))
    path = tmp_path / f"{source}.jsonl"
    path.write_text("\n".join(lines))
    assert command(["judge", "--import", str(path), "--lake", lake]) == 0
    capsys.readouterr()


def failed(capsys, *arguments):
    assert command(["judge", *arguments]) == 1
    return capsys.readouterr().err


def test_a_map_is_fitted_to_what_the_lists_say(made, tmp_path, capsys):
    lake, ids, vectors, labels = made
    judged(lake, labels, ids, tmp_path, capsys)
    gathered = gather(ListTables.of(uninote.open_release(lake)), "neighbours")
    assert (gathered.source, len(gathered.pairs), dict(gathered.left_out)) == ("editors", 300, {})
    # The features, written out: of each pair by the vectors.
    place = {one: number for number, one in enumerate(ids)}
    scores = (vectors @ vectors.T).astype(np.float64)
    np.fill_diagonal(scores, -np.inf)
    best = -np.sort(-scores, axis=1)[:, :K]
    spread = Background.of(np.arange(0, NOTES, 2), vectors[::2]).spread
    for number, one in enumerate(drawn(lake, 300)[:40]):
        a, b = place[one.a], place[one.b]
        listed = set(np.argsort(-scores[a])[:K].tolist()) | {a}
        rest = [scores[a, other] for other in range(0, NOTES, 2) if other not in listed]
        gap = best[a][one.rank - 1] - best[a][one.rank] if one.rank < K else 0
        wanted = [(scores[a, b] - np.mean(rest)) / spread, scores[a, b], best[b].mean(), gap]
        np.testing.assert_allclose(gathered.pairs.features[number], wanted, atol=1e-4)
    assert command(["judge", "--fit", "--lake", lake, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["number"], said["pairs"], said["source"]) == (1, 300, "editors")
    opened = uninote.open_release(lake)
    stored = read_maps(opened.generation)["neighbours"]
    assert stored.found == fit(gathered.pairs)
    assert command(["judge", "--fit", "--lake", lake]) == 0
    assert "confidence map 2 of neighbours, by 300 pairs of" in capsys.readouterr().out
    assert read_maps(opened.generation)["neighbours"].number == 2
    assert len(read_maps(opened.generation, 1)) == 1


def test_what_no_map_can_be_fitted_to_is_one_sentence(made, tmp_path, capsys):
    lake, ids, _, labels = made
    assert "neighbours has no judgments; judge pairs" in failed(capsys, "--fit", "--lake", lake)
    judged(lake, labels, ids, tmp_path, capsys, count=49)
    assert "neighbours has 49 judged pairs that are in its lists" in failed(capsys, "--fit", "--lake", lake)
    judged(lake, labels, ids, tmp_path, capsys, 80, "clicks", relevant=True)
    error = failed(capsys, "--fit", "--lake", lake)
    assert "judgments of clicks, editors, which are not mixed in one map; name one with --source" in error
    assert "judged pairs of neighbours are relevant" in failed(capsys, "--fit", "--source", "clicks", "--lake", lake)
    judged(lake, labels, ids, tmp_path, capsys, 200, "old", generation="another")
    error = failed(capsys, "--fit", "--source", "old", "--lake", lake)
    assert "0 judged pairs" in error
    assert "left out were 200 of another model" in error
    assert "no judgments of nobody; there are some of" in failed(capsys, "--fit", "--source", "nobody", "--lake", lake)
    assert "no judgments" in failed(capsys, "--fit", "--table", "none", "--lake", lake)


def test_pairs_of_notes_that_are_taken_down_count_no_more(made, tmp_path, capsys):
    lake, ids, _, labels = made
    judged(lake, labels, ids, tmp_path, capsys)
    note = read_judgments(lake)["a"][0].as_py()
    add(lake, [str(note)], "order")
    gathered = gather(ListTables.of(uninote.open_release(lake)), "neighbours")
    hidden = gathered.left_out["of notes that are taken down"]
    assert hidden >= 1
    assert len(gathered.pairs) == 300 - hidden
    rows = pa.concat_tables([read_judgments(lake)])
    assert rows["a_hash"].null_count + rows["b_hash"].null_count == 600 - hidden
    assert DeltaTable(f"{lake}/judgments").version() >= 1
