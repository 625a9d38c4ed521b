"""How far apart the notes of a group of duplicates are at worst, with scores from the stored vectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from uninote.lake.delta_files import columns_of, rows_of
from uninote.lake.schemas import duplicates_table
from uninote.lake.takedowns.watch import taken_down
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.reading.snapshot import Snapshot
from uninote.pipelines.lake.reading.stored_vectors import StoredVectors
from uninote.pipelines.lake.run import Run
from uninote.pipelines.report.quality import among
from uninote.report.figures import DuplicatePair, Duplicates

# Looked at: those whose members are furthest from the note that represents them.
_GROUPS = 20
_MEMBERS = 1_000  # of these groups
_PAIRS = 3  # that are shown
_TITLE = 80  # characters
_Pair = tuple[float, Any, Any]  # a score, and two note_ids


@dataclass(frozen=True)
class _Members:
    """Notes with their groups' representatives, `note_ids` and `group_ids` (n,), and unit vectors by note_id."""

    note_ids: Sequence[Any]
    group_ids: Sequence[Any]
    vectors: Mapping[Any, np.ndarray]

    def score(self, one: Any, other: Any) -> float:
        return float(self.vectors[one].astype(np.float64) @ self.vectors[other])

    def with_representatives(self) -> list[_Pair]:
        """Return (score, note, representative) of the lowest scores."""
        found = []
        for note_id, group_id in zip(self.note_ids, self.group_ids, strict=True):
            if note_id != group_id and {note_id, group_id} <= self.vectors.keys():
                found.append((self.score(note_id, group_id), note_id, group_id))
        return sorted(found)[:_PAIRS]

    def with_each_other(self) -> list[_Pair]:
        """Return (score, note, note) of the lowest scores of two notes of a group, one pair for each group."""
        by_group: dict[Any, list[Any]] = {}
        for note_id, group_id in zip(self.note_ids, self.group_ids, strict=True):
            if note_id in self.vectors:
                by_group.setdefault(group_id, []).append(note_id)
        found = []
        for notes in by_group.values():
            matrix = np.array([self.vectors[note_id] for note_id in notes], np.float64)
            scores = matrix @ matrix.T
            row, column = np.unravel_index(int(scores.argmin()), scores.shape)
            if row != column:
                found.append((float(scores[row, column]), notes[row], notes[column]))
        return sorted(found)[:_PAIRS]


def duplicates(run: Run, snapshot: Snapshot, width: int) -> Duplicates | None:
    """Return the figures of the groups of duplicates; null where there are none, or an earlier release made them."""
    spec = duplicates_table(run.note_id)
    uri = run.generation.uri(spec.name)
    if not rows_of(uri) or columns_of(uri) != spec.columns:
        return None
    rows = tables.read_table(run.spark, uri)
    groups = rows.groupBy("group_id").agg(F.count("*").alias("notes"), F.min("score").alias("least"))
    sizes = groups.agg(F.sum("notes"), F.count("*"), F.max("notes")).collect()[0]
    chain = rows.groupBy("chain_id").count().agg(F.max("count")).collect()[0][0]
    members = _members(run, rows, groups, StoredVectors(run, snapshot, width))
    accepted = members.with_representatives()
    apart = members.with_each_other()
    texts = _texts(run, [*accepted, *apart])
    return Duplicates(
        score=run.config.neighbours.duplicate_score,
        notes=sizes[0],
        groups=sizes[1],
        largest_group=sizes[2],
        largest_chain=chain,
        accepted=_shown(accepted, texts),
        apart=_shown(apart, texts),
    )


def _members(run: Run, rows: DataFrame, groups: DataFrame, stored: StoredVectors) -> _Members:
    """Return the members of the groups whose least score is lowest, _MEMBERS at most, with their vectors.

    Notes that are taken down are left out.
    """
    worst = groups.orderBy("least", "group_id").limit(_GROUPS).select("group_id")
    names = taken_down(run.lake.root).names
    for column in ("note_id", "group_id"):
        rows = rows.where(~F.col(column).cast("string").isin(*names))
    found = rows.join(F.broadcast(worst), "group_id").orderBy("score", "note_id").limit(_MEMBERS)
    members = found.select("note_id", "group_id").toArrow()
    note_ids = members["note_id"].to_pylist()
    group_ids = members["group_id"].to_pylist()
    items = stored.snapshot.read("items").where("kind = 'note'").select("note_id", "item_key")
    keys: pa.Table = among(run, items, {*note_ids, *group_ids}).select("note_id", "item_key").toArrow()
    picked, matrix = stored.pick(keys["item_key"].to_numpy())
    vector_of = dict(zip(picked.tolist(), matrix, strict=True))
    vectors = {}
    for note_id, key in zip(keys["note_id"].to_pylist(), keys["item_key"].to_pylist(), strict=True):
        if key in vector_of:  # notes may be newer than the vectors
            vectors[note_id] = vector_of[key]
    return _Members(note_ids, group_ids, vectors)


def _texts(run: Run, pairs: Sequence[_Pair]) -> dict[Any, str]:
    """Return how the notes of some pairs begin, by note_id."""
    shown = set()
    for _, one, other in pairs:
        shown |= {one, other}
    text = F.substring(F.coalesce("title", "body"), 1, _TITLE).alias("text")
    notes = tables.read_table(run.spark, run.lake.uri("notes")).select("note_id", text)
    return {row["note_id"]: row["text"] or "" for row in among(run, notes, shown).collect()}


def _shown(pairs: Sequence[_Pair], texts: Mapping[Any, str]) -> tuple[DuplicatePair, ...]:
    shown = []
    for score, one, other in pairs:
        shown.append(DuplicatePair(score, str(one), texts.get(one, ""), str(other), texts.get(other, "")))
    return tuple(shown)
