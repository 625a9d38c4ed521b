"""What a judge is asked in a task, and what its scores make of an example, without Spark."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest

from udfs.training import judging
from udfs.training.judging import JUDGED, judged, make_judgements
from uninote.errors import ConfigError, UninoteError
from uninote.lake.parquet_files import read_columns
from uninote.notes.note import Note, NoteImage
from uninote.training.from_notes.note_rows import Content
from uninote.training.judging import Pair, Shown, load_judge, scores_of


def item(content, *images):
    return {"shown": json.dumps(content.as_row()), "images": list(images)}


@pytest.fixture
def pairs():
    """Five pairs of an image and a note, as a batch."""
    rows = []
    for number in range(5):
        image = Content("image", images=(("a", ""),))
        note = Content("note", f"title {number}", "body", ("t",), (("a", "SALE"),), "a bag")
        ends = {"query": item(image, b"pixels"), "candidate": item(note, b"pixels")}
        rows.append({"query_mark": "q", "candidate_mark": f"c{number}", **ends})
    return pa.RecordBatch.from_pylist(rows)


def test_a_task_asks_in_batches_and_what_it_asked_is_not_asked_again(pairs, tmp_path, monkeypatch):
    asked = []

    def judge(some):
        if len(asked) == 2:
            raise KeyboardInterrupt
        asked.append(list(some))
        return [float(pair.candidate.note.title[-1]) / 10 for pair in some]

    monkeypatch.setattr(judging, "load_judge", lambda name: judge)
    monkeypatch.setattr(judging, "TOGETHER", 2)
    ask = make_judgements("a:b", str(tmp_path))
    with pytest.raises(KeyboardInterrupt):
        list(ask(iter([pairs])))
    assert len(list(tmp_path.glob("*.parquet"))) == 2
    killed, asked[:] = list(asked), []
    assert [batch.to_pydict() for batch in ask(iter([pairs]))] == [{"pairs": [1]}]
    assert [len(some) for some in (*killed, *asked)] == [2, 2, 1]
    image = Shown("image", Note(images=(NoteImage("a", ""),)), (b"pixels",))
    note = Note("title 0", "body", ("t",), (NoteImage("a", "SALE"),), "a bag")
    assert killed[0][0] == Pair(image, Shown("note", note, (b"pixels",)))
    found = pa.concat_tables(read_columns(str(path), JUDGED.names) for path in tmp_path.glob("*.parquet"))
    assert found.schema.equals(JUDGED)
    scores = {row["candidate_mark"]: row["score"] for row in found.to_pylist()}
    assert scores == pytest.approx({f"c{number}": number / 10 for number in range(5)})


def test_the_judges_scores_take_the_encoders_place_and_what_is_as_good_as_the_answer_is_no_negative():
    found = [(2, 12, 0.3), (0, 10, 0.8), (1, 11, 0.2), (4, 14, 0.5), (3, 13, 0.795)]
    row = {"strategy": "text_to_note", "query": 1, "positive": 10, "by_rule": 11, "inside": 3}
    row["found"] = [dict(zip(("pos", "candidate", "score"), one, strict=True)) for one in found]
    answer = judged(row, margin=0.01)
    assert (answer["positive_score"], answer["rule_score"]) == (0.8, 0.2)
    assert (answer["negatives"], answer["negative_scores"]) == ([12, 14], [0.3, 0.5])


def test_what_is_no_judge_and_what_is_no_score_are_refused():
    with pytest.raises(ConfigError, match="no_such_module:f cannot be imported"):
        load_judge("no_such_module:f")
    with pytest.raises(ConfigError, match="math:no_such_function"):
        load_judge("math:no_such_function")
    shown = Shown("text", Note(body="a"), ())
    pairs = [Pair(shown, shown)] * 2
    assert scores_of(lambda some: [0.5] * len(some), pairs, "a:b") == [0.5, 0.5]
    with pytest.raises(UninoteError, match="a:b returned 1 scores for 2 pairs"):
        scores_of(lambda some: [0.5], pairs, "a:b")
    with pytest.raises(UninoteError, match="a:b returned nan"):
        scores_of(lambda some: [float("nan")] * 2, pairs, "a:b")
