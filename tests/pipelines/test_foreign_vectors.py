"""Vectors that somebody made elsewhere, from their table to the look-up: each row and note counted, and only changes taken."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from builders import make_note, rows_at, table_at, write_notes
from deltalake import write_deltalake

from udfs.arrow import to_matrix
from uninote.errors import ConfigError, UninoteError
from uninote.neighbours.lookup import lookup
from uninote.pipelines.embed.stage import embed
from uninote.pipelines.embed.steps.model_run import model_tasks
from uninote.pipelines.index.stage import index
from uninote.pipelines.lake import encoders
from uninote.pipelines.neighbours.stage import neighbours
from uninote.pipelines.report.stage import report

pytestmark = pytest.mark.spark
NOTES = 60
COUNTS = ("notes_in", "embedded", "unchanged", "quarantined", "deleted")
ROWS = ("vector_rows", "vector_rows_without_note", "vector_rows_repeated")


@pytest.fixture
def run_of(make_run, tmp_path):
    """Return a run whose vectors come from `vectors` in the test's folder."""
    named = f"embed.vectors_from={{table: {tmp_path / 'vectors'}, model: theirs, key: id, widths: [16]}}"
    return lambda *overrides: make_run(named, "embed.widths=null", "model.checkpoint=/no/such/model", *overrides)


def vectors_of(count, seed=0):
    made = np.random.default_rng(seed).normal(size=(count, 32)).astype(np.float32)
    return 5 * made + np.repeat(made[::6], 6, axis=0)[:count] * 20  # groups of six, and no unit vectors


def write(folder, keys, vectors):
    folder.mkdir(exist_ok=True)
    pq.write_table(pa.table({"id": keys, "vector": pa.array(vectors, pa.list_(pa.float64()))}), folder / "part.parquet")


def stored(run, width=32):
    table = table_at(run.generation.uri(f"embeddings/w{width}"))
    return dict(zip(table["item_id"].to_pylist(), to_matrix(table["vector"].combine_chunks()), strict=True))


def reasons(run, table):
    return sorted((row["item_id"], row["reason"]) for row in rows_at(table) if row["kind"] != "row")


def test_every_row_and_note_is_counted_and_what_is_no_vector_set_aside(run_of, tmp_path):
    matrix = vectors_of(NOTES)
    rows = [row.tolist() for row in matrix]
    keys = [*map(str, range(NOTES)), "1", "2", "ghost", None]
    rows += [rows[1], rows[3], rows[0], rows[0]]  # one equal to the note's other row, one not
    rows[4], rows[5], rows[6], rows[7] = [0.0] * 32, [float("nan")] * 32, [1.0, 2.0], None
    write(tmp_path / "vectors", keys, rows)
    run = run_of()
    write_notes(run, [make_note(str(number), category=str(number % 3)) for number in range(NOTES + 2)])
    summary = embed(run)
    assert [summary[name] for name in COUNTS] == [NOTES + 2, NOTES - 5, 0, 7, 0]
    assert [summary[name] for name in ROWS] == [NOTES + 4, 2, 2]
    aside = {"2": "vector_repeated", "4": "vector_zero", "5": "vector_not_finite", "6": "vector_width"}
    aside |= dict.fromkeys(["7", "60", "61"], "vector_missing")
    assert dict(reasons(run, run.generation.uri("set_aside"))) == aside
    without = [
        ("ghost", "vector_without_note"),
        next(one for one in reasons(run, run.lake.uri("quarantine")) if " " in one[0]),
    ]
    assert without[1][1] == "vector_key_missing"
    assert reasons(run, run.lake.uri("quarantine")) == sorted([*aside.items(), *without])
    units = matrix / np.linalg.norm(matrix, axis=1, keepdims=True)
    got = stored(run)
    assert np.allclose([got[one] for one in got], [units[int(one)] for one in got], atol=1e-6)
    narrow = stored(run, 16)
    assert np.allclose([np.linalg.norm(narrow[one]) for one in narrow], 1, atol=1e-5)
    with pytest.raises(ConfigError, match="made elsewhere"), model_tasks(run):
        pass


@pytest.mark.more
def test_what_comes_after_embed_works_without_a_model(run_of, tmp_path):
    matrix = vectors_of(NOTES)
    write(tmp_path / "vectors", range(NOTES), matrix.tolist())
    run = run_of()
    write_notes(run, [make_note(number, category=str(number % 3)) for number in range(NOTES)])
    for stage in (embed, index, neighbours, report):
        stage(run_of())
    units = matrix / np.linalg.norm(matrix, axis=1, keepdims=True)
    scores = units @ units[10]
    scores[10] = -1
    best = lookup(run.lake.root, [10])[10][0]
    assert best[0] == scores.argmax()
    assert best[1] == pytest.approx(scores.max(), abs=1e-4)


@pytest.mark.long
def test_an_update_takes_what_changed_in_the_table_and_reads_none_that_did_not(run_of, tmp_path, monkeypatch):
    matrix = vectors_of(8)
    table = str(tmp_path / "vectors")

    def write_table(keys, vectors):
        write_deltalake(
            table, pa.table({"id": keys, "vector": pa.array([*vectors], pa.list_(pa.float32()))}), mode="overwrite"
        )

    write_table([0, 1, 2, 3, 9], matrix[:5])
    run = run_of()
    write_notes(run, [make_note(number) for number in range(5)])
    summary = embed(run)
    assert [summary[name] for name in COUNTS] == [5, 4, 0, 1, 0]
    before = stored(run)

    # 1 is changed, 2 is gone, 4 has one now; 3 is another note with the same vector.
    write_table([0, 1, 3, 4, 9], matrix[[0, 5, 3, 6, 4]])
    write_notes(run, [make_note(0), make_note(1), make_note(2), make_note(3, body="edited"), make_note(4)])
    summary = embed(run_of())
    assert [summary[name] for name in COUNTS] == [5, 2, 2, 1, 0]
    after = stored(run)
    assert set(after) == {"0", "1", "3", "4"}
    assert np.array_equal(after["3"], before["3"])
    assert not np.allclose(after["1"], before["1"])
    assert len([row for row in rows_at(run.lake.uri("quarantine")) if row["reason"] == "vector_without_note"]) == 1

    monkeypatch.setattr("uninote.pipelines.embed.foreign.work.keyed_rows", lambda *_: pytest.fail("the table was read"))
    # The generation knows its width: nothing else asks the table.
    monkeypatch.setattr(encoders, "open_table", lambda *_: pytest.fail("the table was opened"))
    assert embed(run_of())["state"] == "unchanged"


@pytest.mark.long
def test_damaged_vectors_come_again_and_other_widths_are_refused(run_of, tmp_path):
    write(tmp_path / "vectors", [0, 1], vectors_of(2).tolist())
    run = run_of()
    write_notes(run, [make_note(number) for number in range(2)])
    embed(run)
    before = stored(run)
    with pytest.raises(ConfigError, match=r"\[8\] not declared .*embed\.vectors_from\.widths declares"):
        embed(run_of("embed.widths=[8]"))
    run.spark.sql(
        f"UPDATE delta.`{run.generation.uri('embeddings/w32')}` SET vector = array(cast(1 as float)) WHERE item_id = '1'"
    )
    assert embed(run_of("embed.check_vectors=true"))["embedded"] == 1
    assert np.array_equal(stored(run)["1"], before["1"])
    write(tmp_path / "vectors", [0, 1], vectors_of(2)[:, :16].tolist())
    with pytest.raises(UninoteError, match="2 of 2 notes cannot be embedded"):
        embed(run_of())
