"""Why a note is, or is not, among another's neighbours."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from uninote.confidence.fitting import FitError
from uninote.confidence.list_features import open_features
from uninote.confidence.stored_maps import read_maps
from uninote.config.sections.neighbours import NeighboursConfig, RuleConfig
from uninote.lake.rows_by_id import NoteId, RowsById
from uninote.lake.schemas import CONFIDENCE_MAPS
from uninote.neighbours.lookup import Entry
from uninote.releases.open_release import OpenRelease
from uninote.releases.pair_facts import NoteFacts, facts_of

_ROUNDED = 1e-3  # by so much a stored score may differ from that of the vectors


def explain(opened: OpenRelease, note: NoteId, other: NoteId, table: str = "neighbours") -> dict[str, Any]:
    """Return why `other` is, or is not, among the neighbours that `table` has of `note`, in a sentence and in figures.

    `scores`: width -> cosine, null where one of the two has no vector. `rank` counts from 1, null where `other` is not in
    the list; `rank_before_rules` is that among the candidates that are stored for updates, of which `strength` and
    `confidence` are, null where there are none. `found`: "by its own search", or
    "by that of the other note" where that one was joined later. Raises ReleaseError where the release has no such table.
    """
    opened = opened.with_table(table)
    settings = NeighboursConfig.model_validate(opened.release.joined.get("settings", {}), strict=False)
    joined = int(opened.release.joined.get("width") or 0)
    widest = max(_widths(opened), default=0)
    mine, theirs = facts_of(opened, [note, other], sorted({width for width in (joined, widest) if width}))
    scores = {width: _cosine(mine, theirs, width) for width in sorted({joined, widest} - {0})}
    entries = opened.entries([note], table).get(note)
    ids = [one.note_id for one in entries or ()]
    stored = stored_values(opened, note, other, table)
    rule = settings.rules.get(table, RuleConfig())
    asks = table in settings.rules and settings.min_best_confidence_of(table) is not None
    best = best_confidence(opened, note, table) if asks else None
    found = {
        "release": opened.id,
        "table": table,
        "note_id": note,
        "other": other,
        "rank": ids.index(other) + 1 if other in ids else None,
        "rank_before_rules": _rank_before(opened, note, other, table),
        "scores": scores,
        **stored,
        "join_width": joined,
        "last_score": entries[-1].score if entries else None,
        "excluded_by": why_excluded(
            rule, mine, theirs, scores.get(joined), settings, opened.release.joined.get("as_of")
        )
        or why_cut(settings, table, stored, best),
        "found": _found_by(mine, theirs) if other in ids else None,
        "generation": opened.release.generation,
        "run_id": opened.release.joined.get("run_id"),
        "versions": {
            name: version for name, (_, version) in opened.tables.items() if name in ("notes", "items", table)
        },
    }
    return found | {"why": _sentence(found, mine, theirs, entries, settings.k)}


def stored_values(opened: OpenRelease, note: NoteId, other: NoteId, table: str) -> dict[str, float | None]:
    """Return the `strength` and the `confidence` of a stored candidate of a note; null where there is none of them."""
    found: dict[str, float | None] = {"strength": None, "confidence": None}
    with suppress(FitError):
        features, ranks = open_features(opened.tables, table, opened.k).of([(note, other)])
        if ranks[0] and not np.isnan(features[0, 0]):
            found["strength"] = float(features[0, 0])
            known = _confidences(opened, features, table)
            found["confidence"] = None if known is None or np.isnan(known[0]) else float(known[0])
    return found


def best_confidence(opened: OpenRelease, note: NoteId, table: str) -> float | None:
    """Return the highest confidence of the entries that readers may see of a note; null where one of them has none."""
    ids = _candidates(opened, note, table)[: opened.k]
    if not ids:
        return None
    with suppress(FitError):
        features, _ = open_features(opened.tables, table, opened.k).of([(note, other) for other in ids])
        known = _confidences(opened, features, table)
        return None if known is None or np.isnan(known).any() else float(known.max())
    return None


def _confidences(opened: OpenRelease, features: np.ndarray, table: str) -> np.ndarray | None:
    version = opened.tables.get(CONFIDENCE_MAPS.name, (None, None))[1]
    stored = {} if version is None else read_maps(opened.generation, version)
    return stored[table].found.of(features) if table in stored else None


def why_cut(
    settings: NeighboursConfig, table: str, stored: Mapping[str, float | None], best: float | None = None
) -> str | None:
    """Return which threshold of a table an entry, or the `best` confidence of its list, does not reach; null: none."""
    if table not in settings.rules:
        return None
    least = {"strength": settings.min_strength_of(table), "confidence": settings.min_confidence_of(table)}
    for name, threshold in least.items():
        value = stored[name]
        if threshold is not None and value is not None and np.float32(value) < threshold:
            return f"min_{name}: its {name} is {value:.3g}, at least {threshold} is asked for"
    threshold = settings.min_best_confidence_of(table)
    if threshold is not None and best is not None and np.float32(best) < threshold:
        return f"min_best_confidence: the best of the list has {best:.3g}, at least {threshold} is asked for"
    return None


def _widths(opened: OpenRelease) -> list[int]:
    return [int(name.removeprefix("embeddings/w")) for name in opened.tables if name.startswith("embeddings/w")]


def _cosine(mine: NoteFacts, theirs: NoteFacts, width: int) -> float | None:
    if width not in mine.vectors or width not in theirs.vectors:
        return None
    return float(np.dot(mine.vectors[width].astype(np.float64), theirs.vectors[width]))


def _rank_before(opened: OpenRelease, note: NoteId, other: NoteId, table: str) -> int | None:
    """Return the place of `other` among the K + slack candidates that are stored of `note`, null where it is none of them."""
    ids = _candidates(opened, note, table)
    return ids.index(other) + 1 if other in ids else None


def _candidates(opened: OpenRelease, note: NoteId, table: str) -> list[NoteId]:
    """Return the K + slack candidates that are stored of a note, best first; none where it has no list."""
    name = f"neighbour_state/{table}"
    if name not in opened.tables:
        return []
    rows = RowsById(*opened.tables[name], ("note_id", "neighbour_ids")).find([note]).to_pylist()
    return list(rows[0]["neighbour_ids"] or ()) if rows else []


def _found_by(mine: NoteFacts, theirs: NoteFacts) -> str:
    """Return whose search found the pair: an update joins the notes that changed, with all others."""
    if mine.joined_in is None or theirs.joined_in is None or mine.joined_in >= theirs.joined_in:
        return "by its own search"
    return "by that of the other note, in a later night"


def why_excluded(
    rule: RuleConfig,
    mine: NoteFacts,
    theirs: NoteFacts,
    score: float | None,
    settings: NeighboursConfig,
    as_of: str | None,
) -> str | None:
    """Return which part of a rule keeps `theirs` from the list of `mine`, null where none does; see RuleConfig."""
    own, its = mine.attributes or {}, theirs.attributes or {}
    for name in rule.same:
        if own.get(name) is None or own.get(name) != its.get(name):
            return f"same: {name} is {its.get(name)!r}, the note's own is {own.get(name)!r}"
    for name in rule.different:
        if own.get(name) is not None and own.get(name) == its.get(name):
            return f"different: {name} is {its.get(name)!r} for both"
    return _why_not_anyone(rule, its, as_of) or _why_by_score(rule, mine, theirs, score, settings)


def _why_not_anyone(rule: RuleConfig, its: Mapping[str, Any], as_of: str | None) -> str | None:
    """Return why a note with these attributes is nobody's neighbour."""
    for name, values in rule.only.items():
        if its.get(name) not in values:
            return f"only: {name} is {its.get(name)!r}, and not one of {', '.join(values)}"
    for name, values in rule.never.items():
        if its.get(name) in values:
            return f"never: {name} is {its.get(name)!r}"
    if rule.fresh_days is not None and as_of is not None:
        oldest = datetime.fromisoformat(as_of) - timedelta(days=rule.fresh_days)
        updated = its.get("updated_at")
        if updated is None or updated < oldest:
            return f"fresh_days: it was updated at {updated}, before {oldest:%Y-%m-%d %H:%M} UTC"
    return None


def _why_by_score(
    rule: RuleConfig, mine: NoteFacts, theirs: NoteFacts, score: float | None, settings: NeighboursConfig
) -> str | None:
    if score is None:
        return None
    if rule.min_score is not None and score < rule.min_score:
        return f"min_score: their score is {score:.4f}, at least {rule.min_score} is asked for"
    if rule.duplicates == "exclude" and score >= settings.duplicate_score:
        return f"duplicates: their score is {score:.4f}, and from {settings.duplicate_score} on notes are duplicates"
    if rule.duplicates == "collapse" and theirs.group is not None:
        if theirs.group == mine.group:
            return f"duplicates: both are in the group of {theirs.group!r}"
        if theirs.group != theirs.note_id:
            return f"duplicates: {theirs.group!r} may stand for the group it is in"
    return None


def _sentence(found: Mapping[str, Any], mine: NoteFacts, theirs: NoteFacts, entries: list[Entry] | None, k: int) -> str:
    """Return the answer for people."""
    for one in (mine, theirs):
        if one.item is None:
            reason = one.set_aside or "the release has no such note"
            return f"{one.note_id!r} has no vector in this release ({reason})"
    note, other = mine.note_id, theirs.note_id
    if note == other:
        return "a note is never its own neighbour"
    if found["rank"] is not None:
        count = len(entries or ())
        return f"{other!r} is number {found['rank']} of {count} neighbours of {note!r}, found {found['found']}"
    if found["excluded_by"] is not None:
        return f"{other!r} is left out by the rule of the table: {found['excluded_by']}"
    score = found["scores"].get(found["join_width"])
    last = found["last_score"]
    if score is not None and last is not None and len(entries or ()) >= k and score <= last + _ROUNDED:
        return f"{note!r} has {k} nearer ones: the last has the score {last:.4f}, {other!r} has {score:.4f}"
    return (
        f"{other!r} would belong to the list, and the join, which looks for neighbours among near notes alone, did not find "
        "it: the gate neighbour_recall says how often that happens"
    )
