"""Judgments of one table and source beside what a release's lists say of the pairs: what a map is fitted to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from uninote.confidence.fitting import FitError, check
from uninote.confidence.judged_pairs import Answers, JudgedPairs, answers_of, weights_of
from uninote.confidence.list_features import ListFeatures, open_features
from uninote.judgments.stored import read_judgments
from uninote.releases.open_release import OpenRelease


@dataclass(frozen=True)
class Gathered:
    """The judged `pairs` of a `source` that are in the lists, and how many judgments were left out, by reason."""

    source: str
    pairs: JudgedPairs
    left_out: Mapping[str, int]

    def check(self, table: str) -> None:
        """Raise FitError where no map can be fitted."""
        try:
            check(self.pairs, table)
        except FitError as error:
            reasons = ", ".join(f"{count:,} {why}" for why, count in self.left_out.items())
            raise FitError(f"{error}; left out were {reasons}" if reasons else str(error)) from error


@dataclass(frozen=True)
class ListTables:
    """The neighbour tables of a lake in some versions: `tables` name -> URI and version, of which readers see `k` entries."""

    lake: str
    generation: str
    tables: Mapping[str, tuple[str, int]]
    k: int

    @classmethod
    def of(cls, opened: OpenRelease) -> ListTables:
        """Return those of a release."""
        return cls(opened.lake, opened.release.generation, opened.tables, opened.k)


def gather(lists: ListTables, table: str, source: str | None = None) -> Gathered:
    """Return the judgments of a table, of one source, null: of the only one.

    Raises FitError where there are none, or of several.
    """
    rows = [row for row in read_judgments(lists.lake).to_pylist() if row["table"] == table]
    source = _source_of(rows, table, source)
    ours, left_out = _usable([row for row in rows if row["source"] == source], lists.generation)
    answers = answers_of(ours)
    pairs, missing = _in_lists(open_features(lists.tables, table, lists.k), answers)
    if missing:
        left_out["in no list any more"] += missing
    return Gathered(source, pairs, left_out)


def _source_of(rows: Sequence[Mapping[str, Any]], table: str, source: str | None) -> str:
    there = sorted({row["source"] for row in rows})
    if source is None and len(there) == 1:
        return str(there[0])
    if source in there:
        return str(source)
    named = f"; there are some of {', '.join(there)}" if there else ""
    if source is None and there:
        raise FitError(
            f"{table} has judgments of {', '.join(there)}, which are not mixed in one map; name one with --source"
        )
    whose = f" of {source}" if source is not None else ""
    raise FitError(f"{table} has no judgments{whose}{named}; judge pairs with `uninote judge`, or import some")


def _usable(rows: Sequence[Mapping[str, Any]], generation: str) -> tuple[list[Mapping[str, Any]], Counter[str]]:
    """Return the judgments that may be used, and how many may not, by reason."""
    left_out: Counter[str] = Counter()
    found = []
    for row in rows:
        if row["generation"] not in (None, generation):
            left_out["of another model"] += 1
        elif row["a"] is None or row["b"] is None:
            left_out["of notes that are taken down"] += 1
        else:
            found.append(row)
    return found, left_out


def _in_lists(lists: ListFeatures, answers: Answers) -> tuple[JudgedPairs, int]:
    """Return the pairs that are in the lists, and how many are not, or have no strength."""
    features, ranks = lists.of(answers.pairs)
    there = np.flatnonzero((ranks > 0) & ~np.isnan(features).any(axis=1))
    numbers: dict[Any, int] = {}
    notes = np.array([numbers.setdefault(a, len(numbers)) for a, _ in answers.pairs], np.int64)
    pairs = JudgedPairs(
        notes[there],
        features[there].astype(np.float64),
        answers.shares[there],
        weights_of(answers.probabilities[there]),
        np.where(answers.ranks > 0, answers.ranks, ranks)[there],
    )
    return pairs, len(ranks) - len(there)
