"""The recall that is reported of tables with rules, against brute force over everything the rules allow."""

from __future__ import annotations

import numpy as np
import pytest
from builders import rows_at
from lake_updates import Lake

from uninote.pipelines.neighbours.stage import neighbours

pytestmark = pytest.mark.spark

ROWS, WIDTH, K = 360, 12, 6
RULES = {
    "other_author": "{different: [author]}",
    "same_category": "{same: [category], min_score: 0.1}",
    "public": "{never: {visibility: [private]}, only: {language: [zh, en]}}",
    "unlike": "{duplicates: exclude}",
}
SETTINGS = (
    f"embed.widths=[{WIDTH}]",
    "embed.undeclared_widths=true",
    f"neighbours.k={K}",
    "neighbours.recall_sample=1000",
    "neighbours.duplicate_score=0.9",
    f"neighbours.tables={{{', '.join(f'{name}: {rule}' for name, rule in RULES.items())}}}",
)


def attributes_of(key):
    """Some of everything, and some of nothing."""
    return {
        "author": None if key % 11 == 0 else f"a{key % 4}",
        "category": None if key % 13 == 0 else f"c{key % 6}",
        "visibility": "private" if key % 5 == 0 else "public",
        "language": ("zh", "en", "de", None)[key % 4],
    }


def allowed(name, mine, other, score):
    """The rules, spelled out."""
    if name == "other_author":
        return mine["author"] is None or mine["author"] != other["author"]
    if name == "same_category":
        return mine["category"] is not None and mine["category"] == other["category"] and score >= 0.1
    if name == "public":
        return other["visibility"] != "private" and other["language"] in ("zh", "en")
    return score < 0.9


def recall_of(name, run, vectors, facts):
    """The share of the best allowed K that the table's lists reach, over all notes."""
    stored = rows_at(run.generation.uri(name))
    lists = {row["note_id"]: [one["note_id"] for one in row["neighbours"]] for row in stored}
    scores = vectors.astype(np.float64) @ vectors.T
    reached = wanted = 0
    for mine in range(ROWS):
        best = sorted(
            (
                scores[mine, other]
                for other in range(ROWS)
                if other != mine and allowed(name, facts[mine], facts[other], scores[mine, other])
            ),
            reverse=True,
        )[:K]
        found = [other for other in lists[mine] if scores[mine, other] >= best[-1] - 1e-6] if best else []
        reached, wanted = reached + len(found), wanted + len(best)
        assert all(allowed(name, facts[mine], facts[other], scores[mine, other]) for other in lists[mine])
    return reached / wanted


@pytest.mark.parametrize(
    "cells", [(), pytest.param(("neighbours.cell_rows=60", "neighbours.overlap=1"), marks=pytest.mark.long)]
)
def test_the_recall_of_every_table_is_that_of_brute_force(make_run, cells):
    vectors = np.random.default_rng(4).standard_normal((ROWS, WIDTH)).astype(np.float32)
    vectors[1::40] = vectors[::40] + 0.1
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    facts = {key: attributes_of(key) for key in range(ROWS)}
    lake = Lake(lambda: make_run(*SETTINGS, *cells), vectors, facts)
    run = make_run(*SETTINGS, *cells)
    summary = neighbours(run)["recall_by_table"]
    assert set(summary) == {"neighbours", *RULES}
    for name in RULES:
        assert summary[name] == pytest.approx(recall_of(name, run, vectors, facts), abs=1e-4)
    if cells:  # without overlap some neighbours are in other cells: the figures must show that
        assert min(summary.values()) < 0.9
    else:
        assert set(summary.values()) == {1.0}

    lake.update(attributes={key: {"category": "c1"} for key in range(0, ROWS, 40)})
    facts |= {key: facts[key] | {"category": "c1"} for key in range(0, ROWS, 40)}
    again = neighbours(make_run(*SETTINGS, *cells))["recall_by_table"]
    for name in RULES:
        assert again[name] == pytest.approx(recall_of(name, run, vectors, facts), abs=1e-4)
