"""After any updates the tables are those of a full join, for the notes that did not change too."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime

import numpy as np
import polars
import pytest
from builders import rows_at
from lake_updates import WIDTH, Lake, clustered

from uninote.neighbours.background import LEAST_NOTES
from uninote.neighbours.lookup import NeighbourTableError, lookup
from uninote.pipelines.lake.run import last_entry
from uninote.pipelines.neighbours import stage as neighbours_stage
from uninote.pipelines.neighbours.stage import neighbours

pytestmark = pytest.mark.spark

K = 8
SETTINGS = (
    f"embed.widths=[{WIDTH}]",
    "embed.undeclared_widths=true",
    f"neighbours.k={K}",
    "neighbours.slack=2",
    "neighbours.duplicate_score=0.99999",
    "neighbours.tables={other_author: {different: [author]}, same_category: {same: [category], min_score: 0.2}}",
)


@pytest.fixture
def run_of(make_run):
    return lambda *overrides: make_run(*SETTINGS, *overrides)


@pytest.fixture
def lake(run_of):
    attributes = {key: {"category": f"c{key % 5}", "author": f"a{key % 7}"} for key in range(300)}
    return Lake(run_of, clustered(300, 0), attributes)


def expected(lake, name):
    """Return key -> the exact scores of its list, best first."""
    keys, vectors = lake.matrix
    scores = vectors.astype(np.float64) @ vectors.T
    np.fill_diagonal(scores, -np.inf)

    def values(of):
        return np.array([lake.attributes.get(key, {}).get(of) for key in keys.tolist()], dtype=object)

    if name == "other_author":
        author = values("author")
        scores[(author[:, None] == author[None]) & ~np.equal(author, None)[:, None]] = -np.inf
    if name == "same_category":
        category = values("category")
        scores[(category[:, None] != category[None]) | np.equal(category, None)[:, None]] = -np.inf
        scores[scores < 0.2] = -np.inf
    best = -np.sort(-scores, axis=1)[:, :K]
    if name == "nobody":
        best[:] = -np.inf
    return {key: row[np.isfinite(row)] for key, row in zip(keys.tolist(), best, strict=True)}, scores, keys


def check(run, lake, least=0.99):
    """Compare every table with brute force; nothing that is listed may be wrong, nearly nothing may be missing."""
    summary = neighbours(run)
    for name, uri in summary["tables"].items():
        rows = {row["note_id"]: row["neighbours"] for row in rows_at(uri)}
        best, scores, keys = expected(lake, name)
        assert set(rows) == set(best)
        place = {key: number for number, key in enumerate(keys.tolist())}
        hits = total = 0
        for key, wanted in best.items():
            found = [(one["note_id"], one["score"]) for one in rows[key]]
            assert len(found) == len(dict(found)) == len(wanted), (name, key)
            real = [scores[place[key], place[other]] for other, _ in found]
            np.testing.assert_allclose([score for _, score in found], real, atol=1e-5)
            hits, total = hits + int((np.array(real) >= wanted.min(initial=2) - 1e-6).sum()), total + len(wanted)
        assert hits >= least * total, (name, hits, total)
        check_strengths(run, lake, rows)
    return summary


def check_strengths(run, lake, rows):
    """Compare each strength with the scores, one by one, of its owner with the notes of the background that are not listed."""
    background = {row["item_key"]: row["vector"] for row in rows_at(run.generation.uri("neighbour_background"))}
    drawn = np.array([*background.values()], np.float64).reshape(-1, WIDTH)
    spread = np.sqrt((drawn @ drawn.T).var(axis=1).mean()) if len(drawn) else 0
    vectors = dict(zip(*lake.matrix, strict=True))
    for key, found in rows.items():
        own = {key, *(one["note_id"] for one in found)}
        others = [vector for other, vector in background.items() if other not in own]
        if len(others) < LEAST_NOTES:
            assert all(one["strength"] is None for one in found)
            continue
        scores = np.array(others, np.float64) @ vectors[key]
        # What was drawn stays as it was: an owner or a neighbour that changed since was left out by the score of now.
        is_old = {other for other in own & set(background) if not np.array_equal(background[other], vectors.get(other))}
        if not is_old:
            expected = [(one["score"] - scores.mean()) / spread for one in found]
            np.testing.assert_allclose([one["strength"] for one in found], expected, rtol=5e-3)


def test_a_night_goes_the_way_that_the_ledger_says_is_cheaper(run_of, lake, capsys):
    by_cost = "neighbours.full_share=null"
    neighbours(run_of(by_cost))
    assert last_entry(run_of(), "neighbours", "all")["metrics"]["join_s"] > 0

    # Nothing is known of updates yet: so few changes are one.
    lake.update(dict(enumerate(clustered(5, 1))))
    assert neighbours(run_of(by_cost))["changed"] == 5
    first = last_entry(run_of(), "neighbours", "all")["metrics"]
    assert not {"estimated_join_s", "estimated_update_s"} & set(first)

    lake.update(dict(enumerate(clustered(5, 2))))
    capsys.readouterr()
    check(run_of(by_cost), lake)
    entry = last_entry(run_of(), "neighbours", "all")
    estimated = entry["metrics"]
    assert estimated["estimated_update_s"] == pytest.approx(first["update_pass_s"] + first["update_search_s"])
    is_update = estimated["estimated_update_s"] <= estimated["estimated_join_s"]
    assert ("changed" in entry["counts"]) == is_update
    assert ("update_pass_s" in estimated, "join_s" in estimated) == (is_update, not is_update)
    said = f"by the last runs an update takes {estimated['estimated_update_s']:.1f} s"
    assert said in capsys.readouterr().err


def test_updates_leave_what_a_full_join_would(run_of, lake, capsys):
    assert check(run_of(), lake)["joined"] == 300

    lake.update(dict(zip([*range(1000, 1010), *range(5)], clustered(15, 1), strict=True)), deleted=range(50, 60))
    summary = check(run_of(), lake)
    assert summary["changed"] == 25
    assert summary["joined"] < 150
    assert neighbours(run_of())["state"] == "unchanged"

    # Attributes alone: the constrained tables follow, for notes that did not change too.
    lake.update(attributes={key: {"author": "a1", "category": "c2"} for key in range(100, 120)})
    assert check(run_of(), lake)["changed"] == 20

    # All edits in one place, and a key that comes back.
    crowd = clustered(1, 7) + 0.05 * clustered(30, 8)
    crowd = (crowd / np.linalg.norm(crowd, axis=1, keepdims=True)).astype(np.float32)
    lake.update(dict(zip([*range(2000, 2029), 55], crowd, strict=True)), deleted=[1003])
    assert check(run_of(), lake)["changed"] == 31

    lake.update(deleted=range(200, 300))
    check(run_of(), lake)
    assert "notes changed; joining all of them" in capsys.readouterr().err


@pytest.mark.more
def test_updates_that_only_take_away(run_of, lake):
    nobody = "neighbours.tables={nobody: {only: {language: [xx]}}}"
    check(run_of(nobody), lake)
    lake.update(deleted=[7])  # slack keeps every list full: there is no row to join at all
    summary = check(run_of(nobody), lake)
    assert (summary["changed"], summary["joined"]) == (1, 0)
    lake.update({8: clustered(300, 0)[7]})  # where the deleted one was: it must not be met any more
    assert check(run_of(nobody), lake)["changed"] == 1
    for left in ({3}, set()):
        lake.update(deleted=sorted(set(lake.vectors) - left))
        assert check(run_of(nobody), lake)["notes"] == len(left)
    assert neighbours(run_of(nobody))["state"] == "unchanged"


@pytest.mark.long
def test_a_feed_that_is_gone_costs_time_and_no_neighbour(run_of, lake):
    check(run_of(), lake)
    lake.update(dict(zip(range(10), clustered(10, 1), strict=True)))
    shutil.rmtree(run_of().generation.uri(f"embeddings/w{WIDTH}/_change_data"))
    assert check(run_of(), lake)["changed"] == 10
    lake.update(dict(zip(range(10), clustered(10, 2), strict=True)))
    shutil.rmtree(run_of().generation.uri("items/_change_data"))
    assert check(run_of(), lake)["joined"] == 300


@pytest.mark.long
def test_what_an_update_that_died_had_written_is_not_used(run_of, lake, monkeypatch):
    check(run_of(), lake)
    lake.update(dict(zip(range(10), clustered(10, 1), strict=True)))
    with monkeypatch.context() as patch:
        patch.setattr(neighbours_stage, "record", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            neighbours(run_of())
    lake.update(dict(zip(range(5, 15), clustered(10, 2), strict=True)))
    assert check(run_of(), lake)["changed"] == 15
    lake.update(dict(zip(range(30, 40), clustered(10, 3), strict=True)))
    assert check(run_of(), lake)["changed"] == 10


@pytest.mark.long
def test_updates_over_cells(run_of, lake):
    settings = ("neighbours.cell_rows=60", "neighbours.overlap=4")
    check(run_of(*settings), lake, least=0.95)
    lake.update(dict(zip([*range(1000, 1015), *range(5)], clustered(20, 1), strict=True)), deleted=range(50, 56))
    summary = check(run_of(*settings), lake, least=0.95)
    assert (summary["changed"], summary["cells"] > 3) == (26, True)
    # The same note moves again, and some that one update added are deleted by the next: nothing older may be left in a cell.
    lake.update(
        dict(zip(range(5), clustered(5, 4), strict=True)), deleted=range(1000, 1008), attributes={7: {"author": "a1"}}
    )
    assert check(run_of(*settings), lake, least=0.95)["changed"] == 14


def test_tables_are_read_and_looked_up_without_a_jvm(run_of, lake):
    run = run_of()
    lake.update(dict(enumerate(np.repeat(clustered(2, 5), 3, axis=0), 500)))  # two notes, three times each
    uris = neighbours(run_of("neighbours.tables={unlike: {duplicates: exclude}, once: {duplicates: collapse}}"))[
        "tables"
    ]
    table = polars.read_delta(uris["neighbours"])
    assert table["note_id"].is_sorted()
    found = lookup(run.config.lake, [501, 7, 10**9])
    assert set(found) == {501, 7}
    assert found[7] == [(one["note_id"], one["score"]) for one in table.row(by_predicate=polars.col("note_id") == 7)[1]]
    assert {note_id for note_id, _ in found[501][:2]} == {500, 502}
    assert not {500, 502} & {note_id for note_id, _ in lookup(run.config.lake, [501], "unlike")[501]}
    once = {note_id for note_id, _ in lookup(run.config.lake, [501], "once")[501]}
    assert len(once & {500, 502}) == 1
    assert len(once & {503, 504, 505}) <= 1
    duplicates = polars.read_delta(f"{run.generation.uri('duplicates')}").select("note_id", "group_id")
    assert dict(duplicates.iter_rows()) == {
        500: 500,
        501: 500,
        502: 500,
        503: 503,
        504: 503,
        505: 503,
    }
    with pytest.raises(
        NeighbourTableError, match="no table 'other' there; there are neighbours, once, other_author, same_category"
    ):
        lookup(run.config.lake, [1], "other")
    rows = run.spark.sql(f"""
        SELECT note_id, rank + 1 AS rank, neighbour.note_id AS neighbour_id, neighbour.score
        FROM delta.`{uris["neighbours"]}` LATERAL VIEW posexplode(neighbours) AS rank, neighbour
        WHERE note_id = 7 ORDER BY rank""").collect()
    assert [(row["rank"], row["neighbour_id"]) for row in rows] == [(n + 1, one) for n, (one, _) in enumerate(found[7])]


def check_shown_strengths(made):
    """A pair has one strength in all tables, and the strong ones are those that have enough of it."""
    strengths = {}
    for key, found in made["neighbours"].items():
        strengths |= {(key, one["note_id"]): one["strength"] for one in found}
        strong = [one for one in found if one["strength"] >= 2]
        assert made["strong"][key] == strong
    assert 0 < sum(map(len, made["strong"].values())) < len(strengths)
    for key, found in made["spread"].items():
        for one in found:
            if (key, one["note_id"]) in strengths:
                assert one["strength"] == pytest.approx(strengths[key, one["note_id"]], rel=1e-5)


def test_old_notes_leave_a_fresh_table_and_hubs_are_ranked_lower(run_of):
    vectors = clustered(200, 3)
    vectors[0] = vectors.mean(axis=0) / np.linalg.norm(vectors.mean(axis=0))  # close to everyone
    ages = {key: {"updated_at": datetime(2026, 3, 1 + key % 20, tzinfo=UTC)} for key in range(200)}
    lake = Lake(run_of, vectors, ages)
    rules = "neighbours.tables={fresh: {fresh_days: 7}, spread: {hubness: 0.5}, strong: {min_strength: 2.0}}"

    def lists(as_of):
        run = run_of(rules, "neighbours.slack=16", f"as_of={as_of}")
        summary = neighbours(run)
        return summary, {name: dict(polars.read_delta(uri).iter_rows()) for name, uri in summary["tables"].items()}

    def best_fresh(key, first, last):
        days = 1 + np.arange(200) % 20
        scores = np.where((days >= first) & (days <= last), lake.matrix[1] @ lake.matrix[1][key], -np.inf)
        scores[key] = -np.inf
        return set(np.argsort(-scores)[:K].tolist())

    summary, made = lists("2026-03-21")
    for key in (0, 77, 150):
        assert {one["note_id"] for one in made["fresh"][key]} == best_fresh(key, 14, 20)
    check_shown_strengths(made)
    vectors = lake.matrix[1].astype(np.float64)
    scores = vectors @ vectors.T
    np.fill_diagonal(scores, -np.inf)
    own = -np.sort(-scores, axis=1)[:, :K].mean(axis=1)
    for key in range(0, 200, 20):
        first = np.argsort(-scores[key])[: K + 16]  # what the state keeps
        assert [one["note_id"] for one in made["spread"][key]] == first[
            np.argsort(own[first] * 0.5 - scores[key][first])
        ][:K].tolist()
    listed = [
        sum(1 for found in made[name].values() for one in found if one["note_id"] == 0)
        for name in ("neighbours", "spread")
    ]
    assert listed[1] < listed[0]

    later, made = lists("2026-03-23")
    assert (summary["joined"], later["state"]) == (200, "done")
    assert later["joined"] < 200
    for key in (0, 77, 150):
        assert {one["note_id"] for one in made["fresh"][key]} == best_fresh(key, 16, 20)
    again, _ = lists("2026-03-23")
    assert again["state"] == "unchanged"
    assert summary["as_of"] == "2026-03-21T00:00:00Z"
    assert later["as_of"] == again["as_of"] == "2026-03-23T00:00:00Z"
