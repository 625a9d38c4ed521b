"""Thresholds fitted to a rate of false matches, by notes that people judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql.types import StringType

from uninote.gallery.entries import Group
from uninote.gallery.judged import JudgedNotes, judged_notes
from uninote.gallery.kinds import KINDS
from uninote.gallery.thresholds import ThresholdError, Thresholds
from uninote.judgments.importing import read_answers
from uninote.lake.schemas import GALLERY, struct_of
from uninote.pipelines.lake import tables
from uninote.pipelines.matching.comparison import compared, gallery_groups
from uninote.pipelines.matching.scope import Scope, keys_of

_ABSENT = -1  # in the place of a bin: the note has no item of the kind


def read_judged(scope: Scope) -> dict[str, JudgedNotes]:
    """Return the notes of `match.judged` by category. Raises ThresholdError where it names no file, or too few pairs."""
    place = scope.run.config.match.judged
    if place is None:
        raise ThresholdError(
            "match.rates are fitted by notes that were judged, and match.judged names none; write note_id, entry_id and "
            "relevant into JSON lines, CSV or Parquet: --set match.judged=<file>"
        )
    gallery = tables.read_table(scope.run.spark, scope.run.generation.uri(GALLERY.name), scope.gallery)
    categories = {
        row["entry_id"]: row["category"] for row in gallery.select("entry_id", "category").distinct().collect()
    }
    note_id = pa.string() if isinstance(scope.run.note_id, StringType) else pa.int64()
    return judged_notes(read_answers(Path(place), {"note_id": note_id, "entry_id": pa.string()}), categories)


def best_bins(scope: Scope, notes: Sequence[Any], without: Sequence[str]) -> dict[tuple[Group, str], dict[Any, int]]:
    """Return the bin of the best score of each of some notes, by group of entries and kind of the note's items."""
    run = scope.run
    ids = run.spark.createDataFrame([(note,) for note in notes], struct_of(note_id=run.note_id)).persist()
    keys = keys_of(scope.vectors.snapshot, scope.vectors.kinds, ids)
    groups = gallery_groups(scope, without)
    with compared(replace(scope, notes=ids, keys=keys, entries=[]), Thresholds({}), without) as found:
        rows = found.where("bins IS NOT NULL").select("note_id", "kind", "bins").toArrow()
    ids.unpersist()
    return _best(rows, groups)


def _best(rows: pa.Table, groups: Sequence[Group]) -> dict[tuple[Group, str], dict[Any, int]]:
    found: dict[tuple[Group, str], dict[Any, int]] = {(group, kind): {} for group in groups for kind in KINDS}
    for row in rows.to_pylist():
        for group, one in zip(groups, np.frombuffer(row["bins"], np.int16).tolist(), strict=True):
            of_kind = found[group, row["kind"]]
            of_kind[row["note_id"]] = max(one, of_kind.get(row["note_id"], _ABSENT))
    return found


def bins_for(notes: JudgedNotes, best: Mapping[Any, int]) -> np.ndarray:
    """Return int64 (n,): the bin of each judged note, -1 where it has no item of the kind."""
    return np.array([best.get(note, _ABSENT) for note in notes.ids], np.int64)
