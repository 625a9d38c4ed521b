"""Histograms of best scores, stored by run, and what other thresholds would have found by them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import ArrayType, IntegerType, LongType, StringType

from uninote.gallery.histograms import reaching
from uninote.gallery.thresholds import ThresholdError
from uninote.lake.schemas import MATCH_SCORES, struct_of
from uninote.lake.small_tables import read_all
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.run import Run, ledger
from uninote.pipelines.matching.scope import Scope

Counted = Sequence[dict[str, Any]]
_KEYS = ("category", "entry_kind", "note_kind")
_NIGHTS = 7  # runs that an answer is made of


def histograms(counted: Counted) -> dict[tuple[str, str, str], dict[int, int]]:
    """Return bin -> notes, by category, kind of entries and kind of notes' items."""
    found: dict[tuple[str, str, str], dict[int, int]] = {}
    for row in counted:
        key = (row["category"], row["entry_kind"], row["note_kind"])
        found.setdefault(key, {})[row["bin"]] = row["notes"]
    return found


def store_scores(scope: Scope, counted: Counted) -> None:
    """Store the histograms of a run."""
    rows = []
    for key, bins in histograms(counted).items():
        ordered = sorted(bins)
        row = dict(zip(_KEYS, key, strict=True)) | {"notes": sum(bins.values()), "bins": ordered}
        rows.append(row | {"counts": [bins[one] for one in ordered]})
    if not rows:
        return
    run = scope.run
    names = dict.fromkeys(_KEYS, StringType())
    schema = struct_of(**names, notes=LongType(), bins=ArrayType(IntegerType()), counts=ArrayType(LongType()))
    frame = run.spark.createDataFrame(pa.Table.from_pylist(rows, to_arrow_schema(schema)))
    stamped = frame.withColumns(
        {"run_id": F.lit(run.run_id), "made_at": F.current_timestamp(), "whole": F.lit(scope.is_whole)}
    )
    tables.append(stamped.select(*MATCH_SCORES.columns), MATCH_SCORES, run.generation.uri(MATCH_SCORES.name))


def what_if(run: Run, category: str, threshold: float) -> dict[str, Any]:
    """Return how many notes of each of the last nights reach a threshold, by pair of kinds, out of stored histograms.

    A run that compared everything is one of them only where no other is. Raises ThresholdError where nothing is stored of the
    category, or where no score can reach the threshold.
    """
    if not -1 < threshold <= 1:
        raise ThresholdError(f"--what-if {category}={threshold}: no score is above 1 or below -1; give a cosine")
    # A run that was killed has stored its scores, and the next one the same again.
    done = {entry["run_id"] for entry in ledger(run, "match") if entry["state"] == "done"}
    stored = [row for row in read_all(run.generation.uri(MATCH_SCORES.name)) if row["run_id"] in done]
    rows = [row for row in stored if row["category"] == category]
    if not rows:
        known = ", ".join(sorted({row["category"] for row in stored})) or "none yet; run jobs/match.py first"
        raise ThresholdError(f"no run has stored scores of category {category!r}; known are: {known}")
    nights = [row for row in rows if not row["whole"]] or rows
    pairs: dict[str, list[dict[str, Any]]] = {}
    for row in sorted(nights, key=lambda one: str(one["run_id"])):
        found = reaching(row["bins"], row["counts"], threshold)
        night = {"run_id": row["run_id"], "notes": row["notes"], "found": found}
        pairs.setdefault(f"{row['entry_kind']}-{row['note_kind']}", []).append(night)
    answered = {pair: made[-_NIGHTS:] for pair, made in pairs.items()}
    means = {pair: sum(one["found"] for one in made) / len(made) for pair, made in answered.items()}
    return {"category": category, "threshold": threshold, "found_a_night": means, "nights": answered}
