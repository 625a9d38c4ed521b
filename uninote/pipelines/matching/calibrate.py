"""Thresholds fitted to a volume a night, on all notes that are embedded, or to a rate of false matches, on judged ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from udfs.matching.compare import CompareTask, read_parts
from uninote.config.sections.match import ANY, VolumeConfig
from uninote.gallery.entries import Entries, make_entries
from uninote.gallery.fitting import LEAST_COUNTED, Fit, fit_volume
from uninote.gallery.generic import generic_entries
from uninote.gallery.histograms import dense
from uninote.gallery.judged import JudgedNotes, fit_rate, ids_of
from uninote.gallery.thresholds import ThresholdError, Thresholds
from uninote.pipelines.lake.reading.snapshot import newest_snapshot
from uninote.pipelines.lake.reading.stored_vectors import StoredVectors
from uninote.pipelines.lake.run import Run, ledger
from uninote.pipelines.matching.comparison import best_scores, compared
from uninote.pipelines.matching.gallery.bring_up import bring_up
from uninote.pipelines.matching.limits import given_rows, stored_limits, write_limits
from uninote.pipelines.matching.rates import best_bins, bins_for, read_judged
from uninote.pipelines.matching.scope import Scope, find_scope
from uninote.pipelines.matching.scores import histograms
from uninote.pipelines.runtime.progress import say, step

_SAMPLE = 20_000  # items by which generic entries are found


@dataclass(frozen=True)
class Aim:
    """What thresholds are fitted to: volumes by category, of so many notes a night."""

    volumes: Mapping[str, VolumeConfig]
    notes_per_night: int

    def of(self, category: str) -> VolumeConfig | None:
        """Return the volumes of a category, null where none are given."""
        return self.volumes.get(category) or self.volumes.get(ANY)


def calibrate(run: Run) -> dict[str, Any]:
    """Fit thresholds to `match.rates` and `match.volumes`, store them, and return what was fitted.

    Raises ThresholdError where neither is given, where nobody knows how many notes a night there are, or too few were judged.
    """
    aim = _aim(run)
    snapshot = newest_snapshot(run)
    counts = bring_up(run, stored_limits(run), snapshot.widths[0])
    if not counts["entries_compared"]:
        raise ThresholdError(
            "no entry of the gallery can be compared, so there is nothing to fit; look at its quarantine"
        )
    scope = find_scope(run, snapshot, None)
    judged = read_judged(scope) if run.config.match.rates else {}
    generic = _generic(scope, aim)
    without = sorted(set().union(*generic.values()))
    fitted = _by_volumes(scope, aim, generic) + _by_rates(scope, judged, without)
    # Of what is fitted to both the rate stays, which comes later.
    rows = [*{(row["category"], row["entry_kind"], row["note_kind"]): row for row in fitted}.values()]
    write_limits(run, rows + given_rows(run))
    _say(rows)
    told = ("category", "entry_kind", "note_kind", "act", "review", "notes_counted", "generic", "message")
    return {"tables": {}, "fitted": [{name: row.get(name) for name in told} for row in rows]}


def _by_volumes(scope: Scope, aim: Aim, generic: Mapping[str, set[str]]) -> list[dict[str, Any]]:
    if not aim.volumes:
        return []
    with step(f"match: best scores of all {scope.vectors.count:,} items, to fit thresholds"):
        without = sorted(set().union(*generic.values()))
        with compared(scope, Thresholds({}), without) as found:
            scores = best_scores(scope, found, without)
    made = histograms(scores).items()
    rows = [_row(scope, aim, key, dense([*bins], [*bins.values()]), generic) for key, bins in made]
    return [row for row in rows if row is not None]


def _by_rates(scope: Scope, judged: Mapping[str, JudgedNotes], without: Sequence[str]) -> list[dict[str, Any]]:
    rates = scope.run.config.match.rates
    if not judged:
        return []
    rows = []
    for (group, note_kind), best in best_bins(scope, ids_of(judged), without).items():
        rate = rates.get(group.category) or rates.get(ANY)
        notes = judged.get(group.category)
        if rate is not None and notes is not None and best:
            bins = bins_for(notes, best)
            fits = {name: fit_rate(bins, notes, getattr(rate, name)) for name in ("act", "review")}
            key = {"category": group.category, "entry_kind": group.kind, "note_kind": note_kind}
            aims = {f"{name}_rate": getattr(rate, name) for name in fits}
            rows.append(key | _fitted(fits) | aims | _of_run(scope) | {"notes_counted": int((bins >= 0).sum())})
    return rows


def _aim(run: Run) -> Aim:
    settings = run.config.match
    if settings.rates and not settings.volumes:
        return Aim({}, 1)
    if not settings.volumes:
        raise ThresholdError(
            "match.volumes and match.rates name nothing to fit to; say how many notes a night you can act on and review: "
            "--set 'match.volumes={\"*\": {act: 20, review: 200}}'"
        )
    nights = [entry["counts"] for entry in ledger(run, "match") if entry["state"] == "done"]
    # A run that compared everything is no night.
    notes = [one["notes_compared"] for one in nights if one["items_compared"] < one["items"] and one["notes_compared"]]
    measured = int(np.mean(notes)) if notes else None
    per_night = settings.notes_per_night or measured
    if per_night is None:
        raise ThresholdError(
            "nobody knows yet how many notes are new or edited a night; say so: --set match.notes_per_night=<n>"
        )
    return Aim(settings.volumes, per_night)


def _generic(scope: Scope, aim: Aim) -> dict[str, set[str]]:
    """Return by category the entries that are too generic to act on, for any kind of notes' items."""
    run, vectors = scope.run, scope.vectors
    task = CompareTask(scope.gallery_paths, vectors.width, run.model.generation, Thresholds({}))
    entries = make_entries(read_parts(task), vectors.width)
    found: dict[str, set[str]] = {}
    for kind in vectors.kinds:
        sample = StoredVectors(run, vectors.snapshot, vectors.width, (kind,)).sample(_SAMPLE, seed=0)
        for number, group in enumerate(entries.groups):
            volume = aim.of(group.category)
            if volume is not None and len(sample.keys):
                rate = volume.review / aim.notes_per_night
                count = max(LEAST_COUNTED, int(np.ceil(rate * len(sample.keys))))
                found.setdefault(group.category, set()).update(_of_group(entries, number, sample.vectors, count))
    return found


def _of_group(entries: Entries, number: int, items: np.ndarray, count: int) -> Sequence[str]:
    rows = entries.rows_of(number)
    return generic_entries(entries.vectors[rows], entries.ids[rows].to_pylist(), items, count)


def _row(
    scope: Scope, aim: Aim, key: tuple[str, str, str], counts: np.ndarray, generic: Mapping[str, set[str]]
) -> dict[str, Any] | None:
    """Return a row of thresholds, null where the category has no volume."""
    category, entry_kind, note_kind = key
    volume = aim.of(category)
    if volume is None:
        return None
    fits = {name: fit_volume(counts, getattr(volume, name), aim.notes_per_night) for name in ("act", "review")}
    names = {"category": category, "entry_kind": entry_kind, "note_kind": note_kind}
    aims = {f"{name}_volume": getattr(volume, name) for name in fits}
    counted = {"notes_per_night": aim.notes_per_night, "notes_counted": int(counts.sum())}
    generic_ids = {"generic": sorted(generic.get(category, ()))}
    return names | _fitted(fits) | aims | counted | generic_ids | _of_run(scope)


def _fitted(fits: Mapping[str, Fit]) -> dict[str, Any]:
    row: dict[str, Any] = {"given": False, "message": _message(fits)}
    for name, fit in fits.items():
        row |= {name: fit.threshold, f"{name}_notes": fit.notes, f"{name}_low": fit.low, f"{name}_high": fit.high}
    return row


def _of_run(scope: Scope) -> dict[str, Any]:
    return {
        "generation": scope.run.model.generation,
        "gallery_version": scope.gallery,
        "run_id": scope.run.run_id,
        "fitted_at": datetime.now(UTC),
    }


def _message(fits: Mapping[str, Fit]) -> str | None:
    said = [f"{name}: {fit.message}" for name, fit in fits.items() if fit.message is not None]
    return "; ".join(said) or None


def _say(rows: Sequence[Mapping[str, Any]]) -> None:
    for row in rows:
        pair = f"{row['category']}, {row['entry_kind']}-{row['note_kind']}"
        if row["message"]:
            say(f"match: {pair}: {row['message']}")
        if row["review"] is not None:
            act = "never" if row["act"] is None else f"from {row['act']:.3f}"
            say(f"match: {pair}: act {act}, review from {row['review']:.3f}, by {row['notes_counted']:,} notes")
    for category in sorted({row["category"] for row in rows if row.get("generic")}):
        names = ", ".join(next(row["generic"] for row in rows if row["category"] == category and row.get("generic")))
        say(f"match: {category}: too generic to act on, and left in review: {names}")
