"""What a run of embed makes of tables that a killed run, an operator or a lost ledger left."""

from __future__ import annotations

import json
import shutil
import time

import pytest
from builders import make_note, write_notes
from deltalake import DeltaTable
from power_cuts import power_cut_at

from uninote.pipelines.embed.stage import embed
from uninote.pipelines.lake import ledger, run
from uninote.pipelines.lake.reading.snapshot import LedgerError, newest_snapshot

pytestmark = pytest.mark.spark

FIRST = [make_note("a"), make_note("b"), make_note("gone"), make_note("empty", title="", body="")]
SECOND = [make_note("a", body="edited"), make_note("b"), make_note("c"), make_note("empty", title="", body="")]


@pytest.fixture
def run_of(make_run, tmp_path):
    """Return a run whose encoder costs nothing, on notes that are given."""
    folder = tmp_path / "hashing"
    folder.mkdir()
    (folder / "feature_hashing.json").write_text(json.dumps({"widths": [16, 32], "seed": 1, "vocabulary_size": 512}))
    settings = ("model.kind=feature-hashing", f"model.checkpoint={folder}", "embed.widths=[32, 16]")

    def make(notes=None, *overrides):
        made = make_run(*settings, *overrides)
        if notes is not None:
            write_notes(made, notes)
        return made

    return make


def stored(made):
    """Return item_id -> item_key; every width has exactly the items, with the same contents, and nothing is doubled."""
    items = DeltaTable(made.generation.uri("items")).to_pyarrow_table().to_pylist()
    expected = sorted((row["item_key"], row["content_hash"]) for row in items)
    for width in (32, 16):
        vectors = DeltaTable(made.generation.uri(f"embeddings/w{width}")).to_pyarrow_table().to_pylist()
        assert sorted((row["item_key"], row["content_hash"]) for row in vectors) == expected
    aside = DeltaTable(made.generation.uri("set_aside")).to_pyarrow_table().to_pylist()
    assert [row["item_id"] for row in aside] == ["empty"]
    assert len({row["item_id"] for row in items}) == len({row["item_key"] for row in items}) == len(items)
    return {row["item_id"]: row["item_key"] for row in items}


def vacuum(made):
    """Delete every file that the newest version of a table does not need, as an operator without patience does."""
    for name in ("items", "set_aside", "embeddings/w32", "embeddings/w16"):
        DeltaTable(made.generation.uri(name)).vacuum(0, enforce_retention_duration=False, dry_run=False)


@pytest.mark.parametrize(
    "table",
    [
        pytest.param("items", marks=pytest.mark.long),
        pytest.param("embeddings/w16", marks=pytest.mark.long),
        pytest.param("set_aside", marks=pytest.mark.long),
    ],
)
def test_a_torn_chunk_whose_old_files_were_vacuumed_is_compared_and_done_again(run_of, monkeypatch, capsys, table):
    embed(run_of([*FIRST, make_note("worse")]))
    keys = stored(run_of())
    second = [*SECOND, make_note("worse", title="", body="")] if table == "set_aside" else SECOND
    made = run_of(second)
    with power_cut_at(monkeypatch, table):
        embed(made)
    vacuum(run_of())
    write_notes(run_of(), SECOND)
    summary = embed(run_of())
    assert summary["notes_in"] == 4
    assert "cannot be restored" in capsys.readouterr().err
    after = stored(run_of())
    assert set(after) == {"a", "b", "c"}
    assert (after["a"], after["b"]) == (keys["a"], keys["b"])
    assert after["c"] not in keys.values()
    assert embed(run_of())["state"] == "unchanged"


def test_a_ledger_that_is_gone_or_older_is_written_anew_and_no_key_is_given_twice(run_of, capsys, tmp_path):
    embed(run_of(FIRST))
    shutil.copytree(tmp_path / "lake" / "runs", tmp_path / "older")
    embed(run_of([*FIRST, make_note("late")]))
    keys = stored(run_of())
    for put_back in (None, tmp_path / "older"):
        shutil.rmtree(tmp_path / "lake" / "runs")
        if put_back is None:
            with pytest.raises(LedgerError, match=r"run jobs/embed\.py, which compares"):
                newest_snapshot(run_of())
        else:
            shutil.copytree(put_back, tmp_path / "lake" / "runs")
        summary = embed(run_of([*FIRST, make_note("late"), make_note("new" if put_back else "other")]))
        assert "comparing" in capsys.readouterr().err
        assert summary["embedded"] == 1
        now = stored(run_of())
        assert {name: now[name] for name in keys} == keys
        assert max(now.values()) == now["new" if put_back else "other"]


@pytest.mark.long
def test_a_generation_that_was_deleted_is_embedded_anew(run_of):
    made = run_of(FIRST)
    embed(made)
    shutil.rmtree(made.generation.uri(""))
    assert embed(run_of())["embedded"] == 3
    assert len(stored(run_of())) == 3


@pytest.mark.more
def test_maintenance_costs_no_comparison_and_leaves_versions_that_can_be_read(run_of, spark, capsys):
    made = run_of(FIRST)
    embed(made)
    embed(run_of(SECOND))
    capsys.readouterr()
    for name in ("items", "embeddings/w32"):
        spark.sql(f"OPTIMIZE delta.`{made.generation.uri(name)}`")
    vacuum(made)
    assert embed(run_of())["state"] == "unchanged"
    assert "comparing" not in capsys.readouterr().err
    assert newest_snapshot(run_of()).read("items").count() == 3


@pytest.mark.more
def test_the_order_of_the_ledger_is_not_the_clocks(run_of, monkeypatch):
    """A night whose clock is a day behind is still the last one: the night after it goes on from there."""
    embed(run_of(FIRST))
    now = time.time
    with monkeypatch.context() as patch:
        patch.setattr(run.time, "time", lambda: now() - 86_400)
        behind = embed(run_of(SECOND))
    assert (behind["embedded"], behind["deleted"]) == (2, 1)
    entries = ledger.entries(run_of().lake)
    assert [entry["sequence"] for entry in entries] == list(range(len(entries)))
    assert entries[-1]["started_at"] < entries[0]["started_at"]
    assert embed(run_of())["state"] == "unchanged"
    assert embed(run_of([*SECOND, make_note("d")]))["embedded"] == 1
    assert set(stored(run_of())) == {"a", "b", "c", "d"}
