"""The thresholds in force: those of the configuration, and for pairs that it leaves out those that were fitted."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from pyspark.sql.pandas.types import to_arrow_schema

from uninote.gallery.stored import in_force
from uninote.gallery.thresholds import ThresholdError
from uninote.lake.generation_record import find_generations
from uninote.lake.schemas import MATCH_THRESHOLDS
from uninote.lake.small_tables import read_all
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.run import Run
from uninote.pipelines.matching.gallery.bring_up import Known
from uninote.pipelines.runtime.progress import say

_CALIBRATE = "jobs/match.py --calibrate"
Rows = list[dict[str, Any]]


def known_limits(run: Run) -> Known:
    """Return the thresholds in force, and entries too generic to act on; those of the configuration are stored for readers.

    Raises ThresholdError where thresholds were given for another generation, or fitted for another and never for this one.
    """
    settings = run.config.match
    if settings.generation not in (None, run.model.generation):
        raise ThresholdError(
            f"match.thresholds are of generation {settings.generation}, and the encoder is of {run.model.generation}: their "
            f"scores cannot be compared; choose thresholds again, or fit them by {_CALIBRATE}"
        )
    fitted = fitted_rows(run)
    if not fitted and not settings.thresholds:
        _check_not_of_others(run)
        say(f"match: there are no thresholds yet, so no score is a match; give match.thresholds, or run {_CALIBRATE}")
    rows = fitted + given_rows(run)
    if _limits_of(rows) != _limits_of(_stored(run)):
        write_limits(run, rows)
    return stored_limits(run)


def stored_limits(run: Run) -> Known:
    """Return the thresholds that are stored for the configured model, and entries too generic to act on."""
    rows = _stored(run)
    return Known(in_force(rows), frozenset(entry for row in rows for entry in row["generic"] or ()))


def fitted_rows(run: Run) -> Rows:
    """Return the rows of thresholds that were fitted for the configured model."""
    return [row for row in _stored(run) if not row["given"]]


def write_limits(run: Run, rows: Rows) -> None:
    """Make the table of thresholds hold these rows, whose absent columns are null."""
    schema = to_arrow_schema(MATCH_THRESHOLDS.schema, timezone="UTC")
    frame = run.spark.createDataFrame(pa.Table.from_pylist(rows, schema), MATCH_THRESHOLDS.schema)
    tables.overwrite(frame, MATCH_THRESHOLDS, run.generation.uri(MATCH_THRESHOLDS.name))


def _stored(run: Run) -> Rows:
    return read_all(run.generation.uri(MATCH_THRESHOLDS.name))


def given_rows(run: Run) -> Rows:
    """Return the rows of thresholds that the configuration gives."""
    rows = []
    for category, pairs in run.config.match.thresholds.items():
        for pair, limits in pairs.items():
            entry_kind, note_kind = pair.split("-")
            row = {"category": category, "entry_kind": entry_kind, "note_kind": note_kind, "given": True}
            row |= {"act": limits.act, "review": limits.review, "generation": run.model.generation}
            rows.append(row | {"run_id": run.run_id})
    return rows


def _limits_of(rows: Rows) -> set[tuple[Any, ...]]:
    names = ("category", "entry_kind", "note_kind", "given", "act", "review")
    return {tuple(row[name] for name in names) for row in rows}


def _check_not_of_others(run: Run) -> None:
    for generation in find_generations(run.lake.root):
        place = run.lake.uri(f"{generation}/{MATCH_THRESHOLDS.name}")
        if generation != run.model.generation and any(not row["given"] for row in read_all(place)):
            raise ThresholdError(
                f"the thresholds of this lake were fitted for generation {generation}, and the encoder is of "
                f"{run.model.generation}: their scores cannot be compared; run {_CALIBRATE}"
            )
