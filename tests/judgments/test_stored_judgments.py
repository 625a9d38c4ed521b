"""Judgments in a lake: imported from files, once, and without the ids of notes that are taken down. No Spark."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from builders import unpack
from deltalake import DeltaTable

from uninote.cli.command import main as command
from uninote.judgments.asking.answers import AnswerFile, Draw
from uninote.judgments.importing import read_answers
from uninote.judgments.stored import JudgmentError, hide_taken_down, read_judgments
from uninote.judgments.values import note_id_of
from uninote.lake.lease.lease import take
from uninote.lake.takedowns.orders import add, digest_of, key_of
from uninote.takedown.traces import traces_in
from uninote.takedown.wanted import wanted_of

GOLDEN = max((Path(__file__).parents[1] / "golden").glob("lake-*.tar.xz"))


@pytest.fixture
def lake(tmp_path):
    unpack(GOLDEN, tmp_path)
    return str(tmp_path / "lake")


@pytest.fixture
def notes(lake):
    return sorted(DeltaTable(f"{lake}/notes").to_pyarrow_table()["note_id"].to_pylist())


def imported(capsys, lake, path, *more):
    assert command(["judge", "--import", str(path), "--lake", lake, "--json", *more]) == 0
    return json.loads(capsys.readouterr().out)


def lines(path, rows):
    path.write_text("\n".join(map(json.dumps, rows)) + "\n", encoding="utf-8")
    return path


def refused(capsys, lake, path):
    assert command(["judge", "--import", str(path), "--lake", lake]) == 1
    return capsys.readouterr().err


def test_a_file_is_imported_once(lake, notes, tmp_path, capsys):
    full = {"a": notes[0], "b": notes[1], "relevant": True, "source": "editors", "release": 3, "generation": "g"}
    full |= {"table": "neighbours", "rank": 2, "probability": 0.25, "judge": "Ann", "judged_at": "2026-11-02T10:00:00Z"}
    rows = [full, {"a": notes[1], "b": notes[2], "relevant": "no"}, {"a": notes[1], "b": notes[3], "relevant": None}]
    path = lines(tmp_path / "answers.jsonl", rows)
    assert imported(capsys, lake, path) == {"lake": lake, "rows": 3, "added": 2, "known": 0, "skipped": 1}
    assert imported(capsys, lake, path)["added"] == 0
    first, second = read_judgments(lake).to_pylist()
    assert first.pop("judged_at").isoformat() == "2026-11-02T10:00:00+00:00"
    assert first == {**{name: full[name] for name in first if name in full}, "a_hash": None, "b_hash": None}
    assert (second["relevant"], second["source"], second["table"], second["probability"]) == (
        False,
        "editors",
        "neighbours",
        None,
    )
    # Somebody else may say the same, or the opposite.
    other = lines(tmp_path / "other.jsonl", [{**full, "judge": "Bo", "relevant": False}])
    assert imported(capsys, lake, other)["added"] == 1


def test_csv_and_parquet_are_read_alike(lake, notes, tmp_path, capsys):
    rows = [{"a": notes[0], "b": notes[1], "relevant": "y", "probability": "0.5"}]
    (tmp_path / "a.csv").write_text(f"a,b,relevant,probability\n{notes[0]},{notes[1]},y,0.5\n{notes[0]},{notes[2]},,\n")
    assert imported(capsys, lake, tmp_path / "a.csv", "--source", "clicks")["added"] == 1
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    assert imported(capsys, lake, tmp_path / "a.parquet", "--source", "clicks")["known"] == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"a": "x", "b": "y"}', "row 1 of bad.jsonl: there is no 'relevant' in it"),
        ('{"a": "x", "b": "x", "relevant": true}', "a and b are the same note"),
        ('{"a": "x", "b": "y", "relevant": "maybe"}', "relevant is 'maybe'; it is true or false"),
        ('{"a": "x", "b": "y", "relevant": 1, "probability": 2}', "the probability 2.0 is not above 0"),
        ('{"a": "", "b": "y", "relevant": 1}', "a note's id is empty"),
        ("{", "line 1 of bad.jsonl is no JSON"),
        ("[" * 50_000, "line 1 of bad.jsonl is no JSON"),
        ('{"a": ["x"], "b": "y", "relevant": 1}', "row 1 of bad.jsonl: a note's id is ['x']; it is a text"),
        ('{"a": 1.5, "b": "y", "relevant": 1}', "a note's id is 1.5; it is a text"),
        (r'{"a": "\ud800", "b": "y", "relevant": 1}', "which holds half of a character"),
        ('{"a": "x", "b": "y", "relevant": 1, "judge": ["Ann"]}', "judge is ['Ann']; it is a text"),
        ('{"a": "x", "b": "y", "relevant": 1, "rank": 3.5}', "rank is 3.5; it is a whole number"),
        ('{"a": "x", "b": "y", "relevant": 1, "release": 1e300}', "release is 1e+300; it is a whole number"),
        ('{"a": "x", "b": "y", "relevant": 1, "probability": "half"}', "the probability 'half' is no number"),
        (
            '{"a": "x", "b": "y", "relevant": 1, "judged_at": "yesterday"}',
            "judged_at is 'yesterday'; it is a time such as",
        ),
    ],
)
def test_a_row_that_is_none_is_named_and_nothing_is_imported(lake, tmp_path, capsys, text, said):
    (tmp_path / "bad.jsonl").write_text(text)
    assert said in refused(capsys, lake, tmp_path / "bad.jsonl")
    assert not len(read_judgments(lake))


@pytest.mark.parametrize(
    ("kind", "value", "made"),
    [
        (pa.string(), 7, "7"),
        (pa.int64(), "007", 7),
        (pa.int64(), 12.0, 12),
        (pa.int64(), "12.0", 12),
        (pa.int64(), 12.5, None),
        (pa.int64(), True, None),
        (pa.int64(), 2**63, None),
        (pa.int64(), float("nan"), None),
        (pa.int64(), "n12", None),
    ],
)
def test_ids_are_read_as_the_lake_has_them(kind, value, made):
    if made is None:
        with pytest.raises(ValueError, match=r"notes of this lake have numbers of 64 bits, and .* is none"):
            note_id_of(value, kind)
    else:
        assert note_id_of(value, kind) == made


def test_a_line_may_hold_what_ends_lines_elsewhere(lake, notes, tmp_path, capsys):
    path = tmp_path / "answers.jsonl"
    row = {"a": notes[0], "b": notes[1], "relevant": True, "judge": "Ann\u2028Lee"}
    path.write_text(json.dumps(row, ensure_ascii=False), encoding="utf-8")
    assert imported(capsys, lake, path)["added"] == 1


def test_judged_pairs_of_notes_and_entries_have_ids_of_their_types(tmp_path):
    sides = {"note_id": pa.int64(), "entry_id": pa.string()}
    row = {"note_id": "7", "entry_id": 12, "relevant": "no", "probability": 0.5}
    good = lines(tmp_path / "good.jsonl", [row, row | {"relevant": "skip", "note_id": None}])
    assert list(read_answers(good, sides)) == [{"note_id": 7, "entry_id": "12", "relevant": False, "probability": 0.5}]
    for wrong, said in (({"note_id": "n7"}, "and 'n7' is none"), ({"entry_id": None}, "entry_id is empty")):
        with pytest.raises(JudgmentError, match=f"row 2 of bad.jsonl: .*{said}"):
            list(read_answers(lines(tmp_path / "bad.jsonl", [row, row | wrong]), sides))


@pytest.mark.parametrize("sides", [{}, {"a": ["x"], "b": "y"}])
def test_a_file_of_answers_without_pairs_is_refused(tmp_path, sides):
    draw = Draw("neighbours", 1, "g", "editors", "Ann")
    line = {"table": "neighbours", "release": 1, "source": "editors"}
    known = lines(tmp_path / "known.jsonl", [line | {"a": "x", "b": "y"}])
    assert AnswerFile(known, draw).pairs() == {("x", "y")}
    with pytest.raises(JudgmentError, match="lines that are no answers to pairs of this table"):
        AnswerFile(lines(tmp_path / "answers.jsonl", [line | sides]), draw)


def test_what_is_no_file_of_judgments_and_a_busy_lake_are_refused(lake, notes, tmp_path, capsys):
    assert "there is no file" in refused(capsys, lake, tmp_path / "none.jsonl")
    (tmp_path / "a.txt").write_text("")
    assert "ends in none of .jsonl" in refused(capsys, lake, tmp_path / "a.txt")
    path = lines(tmp_path / "a.jsonl", [{"a": notes[0], "b": notes[1], "relevant": True}])
    lease = take(lake, "refresh", "another-run", term_s=1.0)
    try:
        assert "refresh" in refused(capsys, lake, path)
    finally:
        lease.release()


def test_of_a_note_that_is_taken_down_a_keyed_hash_is_left(lake, notes, tmp_path, capsys):
    gone, other, third = notes[:3]
    rows = [{"a": gone, "b": other, "relevant": True}, {"a": other, "b": third, "relevant": False}]
    path = lines(tmp_path / "a.jsonl", rows)
    imported(capsys, lake, path)
    add(lake, [str(gone)], "order")
    # Readers leave it out at once.
    assert [row["a"] for row in read_judgments(lake).to_pylist()] == [None, other]
    assert hide_taken_down(lake) == 1
    assert hide_taken_down(lake) == 0
    first, second = DeltaTable(f"{lake}/judgments").to_pyarrow_table().sort_by("relevant").to_pylist()[::-1]
    assert (first["a"], first["a_hash"], first["b"]) == (None, digest_of(key_of(lake), gone), other)
    assert (second["a"], second["a_hash"]) == (other, None)
    # The same file again names the note, and is known by the hash.
    assert imported(capsys, lake, path)["added"] == 0
    new = set(DeltaTable(f"{lake}/judgments").file_uris())
    marks = wanted_of(lake, [str(gone)])
    found = list(traces_in({f"{lake}/judgments": "judgments"}, marks.marks_for))
    assert found
    assert not {trace.path for trace in found} & new
