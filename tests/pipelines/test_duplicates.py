"""The table of duplicates: groups of bounded radius, whole chains for training, and the worst pairs for the report."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from builders import rows_at
from deltalake import write_deltalake
from lake_updates import Lake

from uninote.neighbours.lookup import lookup
from uninote.pipelines.lake.reading.snapshot import newest_snapshot
from uninote.pipelines.lake.tables import ABSENT
from uninote.pipelines.neighbours.output import duplicates as output
from uninote.pipelines.neighbours.stage import neighbours
from uninote.pipelines.report.duplicates import duplicates
from uninote.pipelines.training.groups import duplicates_version
from uninote.pipelines.training.groups import linked as linked_notes
from uninote.pipelines.training.training_set import set_name

pytestmark = pytest.mark.spark

WIDTH, SCORE, CHAIN = 4, 0.995, 20
STEP = float(np.arccos(SCORE))
SETTINGS = (
    f"embed.widths=[{WIDTH}]",
    "embed.undeclared_widths=true",
    "neighbours.k=6",
    "neighbours.slack=2",
    f"neighbours.duplicate_score={SCORE}",
    "neighbours.tables={once: {duplicates: collapse}}",
)


def on_a_circle(angles):
    plane = np.stack([np.cos(angles), np.sin(angles), 0 * angles, 0 * angles], axis=1)
    return plane.astype(np.float32)


def check(run, lake):
    """Every note is a duplicate of its group's; returns {note: (group, chain)}."""
    found = {row["note_id"]: row for row in rows_at(run.generation.uri("duplicates"))}
    for note, row in found.items():
        score = float(lake.vectors[note] @ lake.vectors[row["group_id"]])
        assert score >= SCORE - 1e-6
        assert abs(score - row["score"]) < 1e-6
        assert found[row["group_id"]]["group_id"] == row["group_id"]
    return {note: (row["group_id"], row["chain_id"]) for note, row in found.items()}


def linked(run, notes):
    """In how many groups of a training set the first `notes` are; note 0 is not among them."""
    sources = run.spark.createDataFrame([(str(note),) for note in range(1, notes)], "note_id string")
    return linked_notes(run, sources, duplicates_version(run)).select("first").distinct().count()


def chain_and_others():
    """Vectors of a chain, of three copies apart from it, and of notes without a duplicate."""
    vectors = np.concatenate([on_a_circle(np.arange(CHAIN) * 0.6 * STEP), np.repeat(np.eye(4)[2:3], 3, axis=0)])
    others = np.random.default_rng(0).standard_normal((30, WIDTH))
    return np.concatenate([vectors, others / np.linalg.norm(others, axis=1, keepdims=True)]).astype(np.float32)


def check_places(run, groups):
    """In a list with one note of a group, the next groups of the chain have their place."""
    listed = lookup(run.config.lake, [0], "once")[0]
    shown = [groups.get(note, (note, note))[0] for note, _ in listed]
    assert len(set(shown)) == len(shown)
    assert sum(note < CHAIN for note, _ in listed) >= 2


def check_report(run, lake, groups):
    """The report counts the notes of groups, and names the worst pair that was accepted and the best that was not."""
    figures = duplicates(run, newest_snapshot(run), WIDTH)
    assert (figures.notes, figures.largest_chain) == (len(groups), CHAIN)
    assert SCORE - 1e-6 <= figures.accepted[0].score <= min(pair.score for pair in figures.accepted)
    assert figures.apart[0].score < figures.accepted[0].score
    one, other = int(figures.apart[0].note_id), int(figures.apart[0].other_id)
    assert abs(float(lake.vectors[one] @ lake.vectors[other]) - figures.apart[0].score) < 1e-6


def write_as_earlier_release(run, groups):
    """Write the table as earlier releases did, which knew chains alone."""
    before = pa.Table.from_pylist(
        [{"note_id": note, "group_id": chain} for note, (_, chain) in groups.items()],
        pa.schema([("note_id", pa.int64()), ("group_id", pa.int64())]),
    )
    write_deltalake(run.generation.uri("duplicates"), before, mode="overwrite", schema_mode="overwrite")


def test_a_chain_of_small_steps_is_many_groups_and_one_chain(make_run, monkeypatch, capsys):
    def run_of():
        return make_run(*SETTINGS)

    lake = Lake(run_of, chain_and_others())
    run = run_of()
    assert neighbours(run)["duplicates"] >= CHAIN + 3
    groups = check(run, lake)
    assert {groups[note][1] for note in range(CHAIN)} == {0}
    assert len({groups[note][0] for note in range(CHAIN)}) >= CHAIN // 3
    assert {groups[note] for note in range(CHAIN, CHAIN + 3)} == {(CHAIN, CHAIN)}
    check_places(run, groups)
    check_report(run, lake, groups)
    assert linked(run, CHAIN) == 1
    of_groups = {"notes": 1, "duplicates": duplicates_version(run)}
    name = set_name(run, of_groups)

    # The next run makes the groups of an earlier release anew, of the lists that there are.
    write_as_earlier_release(run, groups)
    assert duplicates(run, newest_snapshot(run), WIDTH) is None
    assert linked(run, CHAIN) == 1
    # So many pairs that chains are told apart first.
    monkeypatch.setattr(output, "TASK_PAIRS", 30)
    summary = neighbours(run_of())
    assert (summary["state"], summary["joined"]) == ("done", 0)
    assert "the groups of an earlier release" in capsys.readouterr().err
    assert check(run, lake) == groups

    # A link of the chain is deleted: two chains, whose groups are those of a join of all notes.
    lake.update(deleted=[9, 10])
    neighbours(run_of())
    left = check(run, lake)
    # A training set keeps a group in one split, so that of other groups is another set.
    anew = of_groups | {"duplicates": duplicates_version(run)}
    assert name != set_name(run, anew) != set_name(run, anew | {"duplicates": ABSENT}) != name
    assert set_name(run, of_groups) == name
    assert {left[note][1] for note in range(9)} == {0}
    assert {left[note][1] for note in range(11, CHAIN)} == {11}
    assert {left[note][0] for note in range(9)} == {groups[note][0] for note in range(9)}
