"""Confidences in neighbour tables: by the stored map, after any nights what the stored lists and the map say."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from builders import rows_at
from deltalake import DeltaTable, write_deltalake
from lake_updates import WIDTH, Lake, clustered

from uninote.confidence.confidence_map import ConfidenceMap
from uninote.confidence.fitting import measure
from uninote.confidence.judged_pairs import JudgedPairs
from uninote.confidence.stored_maps import MapError, Origin, add_map, read_maps
from uninote.pipelines.lake.run import last_entry
from uninote.pipelines.neighbours.stage import neighbours

pytestmark = pytest.mark.spark

K = 8
RULES = "{cut: {min_confidence: 0.5}, hubs: {hubness: 0.5}, other_author: {different: [author]}}"
SETTINGS = (
    f"embed.widths=[{WIDTH}]",
    "embed.undeclared_widths=true",
    f"neighbours.k={K}",
    "neighbours.slack=2",
    f"neighbours.tables={RULES}",
)
CENTRES, SPREADS = (2.0, 0.7, 0.7, 0.02), (0.5, 0.15, 0.1, 0.03)
COEFFICIENTS = (0.2, 1.4, 0.7, -0.9, 0.4)


@pytest.fixture
def run_of(make_run):
    return lambda *overrides: make_run(*SETTINGS, *overrides)


@pytest.fixture
def lake(run_of):
    attributes = {key: {"author": f"a{key % 7}"} for key in range(300)}
    return Lake(run_of, clustered(300, 0), attributes)


def store_map(run, table, factor=1.0):
    """Store a map with given numbers, as a fit would leave it."""
    rng = np.random.default_rng(0)
    pairs = JudgedPairs(np.arange(60), rng.random((60, 4)), np.arange(60) % 2.0, np.ones(60), np.ones(60, np.int64))
    found = ConfidenceMap(CENTRES, SPREADS, tuple(factor * one for one in COEFFICIENTS))
    return add_map(run.generation, Origin(table, "editors", 0), found, measure(pairs))


def expected(run, table, rows, factor=1.0):
    """Return (note, neighbour) -> confidence, by the stored lists and the published strengths, written out in full."""
    scores = {}
    for row in rows_at(run.generation.uri(f"neighbour_state/{table}")):
        found = np.frombuffer(row["scores"], np.float32)[:K].astype(float).tolist()
        scores[row["note_id"]] = dict(zip(row["neighbour_ids"][:K], found, strict=True))
    means = {note: sum(own.values()) / len(own) for note, own in scores.items()}
    chances = {}
    for row in rows:
        own = [*scores[row["note_id"]].values(), None]
        for one in row["neighbours"]:
            place = list(scores[row["note_id"]]).index(one["note_id"])
            gap = own[place] - own[place + 1] if own[place + 1] is not None else 0.0
            features = (one["strength"], one["score"], means[one["note_id"]], gap)
            value = COEFFICIENTS[0]
            for weight, feature, centre, spread in zip(COEFFICIENTS[1:], features, CENTRES, SPREADS, strict=True):
                value += weight * (feature - centre) / spread
            chances[row["note_id"], one["note_id"]] = 1 / (1 + math.exp(-factor * value))
    return chances


def published(run, table):
    return sorted(rows_at(run.generation.uri(table)), key=lambda row: row["note_id"])


def confidences(rows):
    return {(row["note_id"], one["note_id"]): one["confidence"] for row in rows for one in row["neighbours"]}


def check(run, factor=1.0):
    """Compare each confidence with the formula, and the table that is cut with the one that is not."""
    rows = published(run, "neighbours")
    found, wanted = confidences(rows), expected(run, "neighbours", rows, factor)
    assert len(found) >= 2000
    np.testing.assert_allclose([found[pair] for pair in wanted], [*wanted.values()], atol=2e-5)
    # The same map, the same lists: what is cut is what is not sure enough.
    kept = [[one for one in row["neighbours"] if one["confidence"] >= 0.5] for row in rows]
    cut = [row["neighbours"] for row in published(run, "cut")]
    assert [[one["note_id"] for one in row] for row in cut] == [[one["note_id"] for one in row] for row in kept]
    assert 0 < sum(map(len, cut)) < len(found)
    return rows


@pytest.mark.more
def test_a_map_is_used_from_the_next_run_on_and_nights_leave_what_it_says(run_of, lake):
    neighbours(run_of())
    assert set(confidences(published(run_of(), "neighbours")).values()) == {None}
    # Without a map nothing is known to be weak.
    assert published(run_of(), "cut") == published(run_of(), "neighbours")
    assert store_map(run_of(), "neighbours") == 1
    store_map(run_of(), "cut")
    summary = neighbours(run_of())
    assert (summary["state"], summary["joined"], summary["changed"]) == ("done", 0, 0)
    rows = check(run_of())
    assert set(confidences(published(run_of(), "other_author")).values()) == {None}
    assert neighbours(run_of())["state"] == "unchanged"

    lake.update(dict(zip([*range(1000, 1010), *range(5)], clustered(15, 1), strict=True)), deleted=range(50, 60))
    assert 0 < neighbours(run_of())["joined"] < 150
    assert check(run_of()) != rows
    lake.update(dict(enumerate(clustered(8, 2))), deleted=[200])
    neighbours(run_of())
    rows = check(run_of())

    # Made again out of the private tables, the public ones are the same.
    for name in ("neighbours", "cut"):
        for path in DeltaTable(run_of().generation.uri(name)).file_uris():
            Path(path).unlink()
    neighbours(run_of())
    assert check(run_of()) == rows

    # Another fit is used by the next run; and a table whose hubs are ranked lower has confidences of its own.
    assert store_map(run_of(), "neighbours", 0.5) == 2
    store_map(run_of(), "cut", 0.5)
    store_map(run_of(), "hubs")
    assert neighbours(run_of())["joined"] == 0
    check(run_of(), 0.5)
    rows = [
        {**row, "neighbours": [one for one in row["neighbours"] if one["note_id"] in first]}
        for row, first in zip(published(run_of(), "hubs"), first_of_state(run_of(), "hubs"), strict=True)
    ]
    found, wanted = confidences(rows), expected(run_of(), "hubs", rows)
    np.testing.assert_allclose([found[pair] for pair in wanted], [*wanted.values()], atol=2e-5)
    assert last_entry(run_of(), "neighbours", "all")["inputs"]["confidence_maps"] == 5


def first_of_state(run, table):
    rows = sorted(rows_at(run.generation.uri(f"neighbour_state/{table}")), key=lambda row: row["note_id"])
    return [row["neighbour_ids"][:K] for row in rows]


def test_a_map_of_another_model_is_refused(run_of, lake):
    neighbours(run_of())
    run = run_of()
    store_map(run, "neighbours")
    uri = run.generation.uri("confidence_maps")
    rows = DeltaTable(uri).to_pyarrow_table()
    place = rows.schema.get_field_index("generation")
    write_deltalake(uri, rows.set_column(place, "generation", [["another"]]), mode="overwrite")
    with pytest.raises(MapError, match="is of the model another, and these lists are of"):
        neighbours(run_of())
    with pytest.raises(MapError):
        read_maps(run.generation)
