"""Pairs of a neighbour table drawn to be judged: from all strata of rank and confidence, each with a known probability."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from deltalake import DeltaTable

from uninote.judgments.stored import JudgmentError
from uninote.lake.delta_files import files_of
from uninote.lake.parquet_files import filled, footer_of, open_parquet
from uninote.lake.rows_by_id import NoteId
from uninote.lake.takedowns.watch import Taken

_COLUMNS = ("note_id", "neighbours")
_MOST_GROUPS = 64  # of rows that are read, whatever the table's size
_BANDS = 5  # of equal numbers of pairs, by confidence, or by strength or score where there is none
_LAST_RANKS = (1, 5)  # of the first strata; the rest is one
_LEAST_DOUBT = 0.2  # where a map is sure, pairs are asked for all the same: it may be wrong


@dataclass(frozen=True)
class DrawnPair:
    """A note `a`, a neighbour `b` of it at `rank`, from 1, and the `probability` with which the pair was drawn."""

    a: NoteId
    b: NoteId
    rank: int
    score: float
    probability: float


@dataclass(frozen=True)
class Strata:
    """What pairs are drawn by, flat: `ranks` int64 from 1, `values` (confidence, strength or score), and `doubts` 0 to 0.5."""

    ranks: np.ndarray
    values: np.ndarray
    doubts: np.ndarray


@dataclass(frozen=True)
class _Pairs:
    """All pairs that were read, flat: `owners` int64 are positions among the notes `a`."""

    a: pa.Array
    b: pa.Array
    owners: np.ndarray
    scores: np.ndarray
    strata: Strata


def draw(uri: str, version: int, count: int, seed: int, taken: Taken) -> list[DrawnPair]:
    """Return up to `count` pairs of a version of a neighbour table, without notes that are taken down, in a random order.

    The same for the same version, count and seed. Of large tables pairs come from some groups of rows. Any first part of the
    pairs is drawn alike. Raises JudgmentError where the table has no pairs.
    """
    random = np.random.default_rng(seed)
    rows, share = _some_rows(uri, version, random)
    pairs = _pairs_of(rows)
    if not len(pairs.owners):
        raise JudgmentError(f"version {version} of {uri} has no neighbours to judge")
    places, probabilities = draw_places(pairs.strata, count, random)
    drawn = list(zip(places.tolist(), (share * probabilities).tolist(), strict=True))
    order = random.permutation(len(drawn))
    made = [_drawn(pairs, *drawn[place]) for place in order]
    return [one for one in made if not taken.hides(one.a) and not taken.hides(one.b)]


def _drawn(pairs: _Pairs, place: int, probability: float) -> DrawnPair:
    a = pairs.a[int(pairs.owners[place])].as_py()
    return DrawnPair(a, pairs.b[place].as_py(), int(pairs.strata.ranks[place]), float(pairs.scores[place]), probability)


def _some_rows(uri: str, version: int, random: np.random.Generator) -> tuple[pa.Table, float]:
    """Return the rows of at most _MOST_GROUPS groups, and the probability with which each group was drawn."""
    stored = pa.schema(DeltaTable(uri, version=version, without_files=True).schema().to_arrow())
    columns = pa.schema([stored.field(name) for name in _COLUMNS])
    groups = []
    for file in sorted(files_of(uri, version), key=lambda one: one.path):
        groups += [(file.path, number) for number in range(footer_of(file.path).num_row_groups)]
    count = min(len(groups), _MOST_GROUPS)
    parts = [columns.empty_table()]
    for place in np.sort(random.choice(len(groups), count, replace=False)) if groups else ():
        path, number = groups[place]
        with open_parquet(path) as opened:
            parts.append(filled(opened.read_row_group(number, columns=list(_COLUMNS)), columns))
    return pa.concat_tables(parts), count / max(1, len(groups))


def _pairs_of(rows: pa.Table) -> _Pairs:
    lists = rows["neighbours"].combine_chunks()
    lengths = np.asarray(lists.value_lengths().fill_null(0).to_numpy(zero_copy_only=False))
    entries = lists.flatten()
    owners = np.repeat(np.arange(len(lengths)), lengths)
    ranks = 1 + np.arange(len(owners)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    scores = _values(entries, "score")
    strengths, confidences = _values(entries, "strength"), _values(entries, "confidence")
    values = np.where(np.isnan(confidences), np.where(np.isnan(strengths), scores, strengths), confidences)
    doubts = np.sqrt(np.nan_to_num(confidences * (1 - confidences), nan=0.25).clip(0))
    notes = rows["note_id"].combine_chunks()
    return _Pairs(notes, entries.field("note_id"), owners, scores, Strata(ranks, values, doubts))


def _values(entries: pa.StructArray, name: str) -> np.ndarray:
    """Return float64 (n,) of a field, NaN where it is null, or lists of an earlier release have none."""
    if entries.type.get_field_index(name) < 0:
        return np.full(len(entries), np.nan)
    return np.asarray(entries.field(name).to_numpy(zero_copy_only=False), np.float64)


def draw_places(pairs: Strata, count: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return (int64 (m,), float64 (m,)): the places of up to `count` pairs, and the probability with which each was drawn."""
    strata = _strata(pairs)
    places, probabilities = [np.empty(0, np.int64)], [np.empty(0)]
    for stratum, number in enumerate(_shares(pairs, strata, count)):
        inside = np.flatnonzero(strata == stratum)
        if number:
            places.append(random.choice(inside, number, replace=False))
            probabilities.append(np.full(number, number / len(inside)))
    return np.concatenate(places), np.concatenate(probabilities)


def _strata(pairs: Strata) -> np.ndarray:
    """Return int64, flat: the stratum of each pair, by rank, and within it by equal bands of its value."""
    band = np.searchsorted(_LAST_RANKS, pairs.ranks)
    found = np.empty(len(band), np.int64)
    for number in range(len(_LAST_RANKS) + 1):
        inside = np.flatnonzero(band == number)
        order = inside[np.argsort(pairs.values[inside], kind="stable")]
        found[order] = number * _BANDS + np.arange(len(order)) * _BANDS // max(1, len(order))
    return found


def _shares(pairs: Strata, strata: np.ndarray, count: int) -> Sequence[int]:
    """Return how many pairs of each stratum are drawn: as the root of their number, and more where they are in doubt."""
    sizes = np.bincount(strata, minlength=_BANDS * (len(_LAST_RANKS) + 1))
    doubts = np.bincount(strata, weights=pairs.doubts, minlength=len(sizes)) / np.maximum(sizes, 1)
    wanted = np.sqrt(sizes) * np.maximum(doubts, _LEAST_DOUBT)
    found = [0] * len(sizes)
    left, rest = count, float(wanted.sum())
    # The smallest first: what a stratum is too small for is shared by the others.
    for stratum in np.argsort(sizes, kind="stable"):
        share = left * wanted[stratum] / rest if rest > 0 else 0.0
        found[stratum] = min(int(sizes[stratum]), round(share))
        left, rest = left - found[stratum], rest - float(wanted[stratum])
    return found
