"""The match stage: new and edited notes against all samples of a gallery, new and edited samples against all notes."""

from __future__ import annotations

import time
from typing import Any

from uninote.gallery.kinds import KINDS
from uninote.gallery.thresholds import Thresholds
from uninote.lake.schemas import GALLERY, MATCH_SCORES, matches_table
from uninote.lake.takedowns.watch import taken_down
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.reading.snapshot import newest_snapshot
from uninote.pipelines.lake.run import Outcome, Run, last_entry, record
from uninote.pipelines.matching.comparison import best_matches, best_scores, compared
from uninote.pipelines.matching.gallery.bring_up import bring_up
from uninote.pipelines.matching.limits import known_limits
from uninote.pipelines.matching.near_copies import near_copies
from uninote.pipelines.matching.publish import publish
from uninote.pipelines.matching.scope import Scope, find_scope
from uninote.pipelines.matching.scores import store_scores
from uninote.pipelines.matching.takedown import hide_taken_down
from uninote.pipelines.notes.images.media_roots import copies_of
from uninote.pipelines.runtime.progress import say, step

STAGE = "match"
_UNIT = "all"


def match(run: Run) -> dict[str, Any]:
    """Bring `gallery` and `matches` up to the gallery's source and the newest embeddings.

    Without `match.gallery` it only hides notes that are taken down. Raises GalleryError and ThresholdError.
    """
    try:
        return _match(run)
    finally:
        copies_of(run).remove()


def _match(run: Run) -> dict[str, Any]:
    started = time.time()
    hidden = hide_taken_down(run)
    if run.config.match.gallery is None:
        say("match: match.gallery names no gallery, so nothing is matched")
        return {"tables": {}, "state": "off", "hidden": hidden}
    snapshot = newest_snapshot(run)
    known = known_limits(run)
    counts = bring_up(run, known, snapshot.widths[0])
    if not counts["entries_compared"]:
        say("match: no entry of the gallery can be compared; every match is closed")
    last = last_entry(run, STAGE, _UNIT)
    scope = find_scope(run, snapshot, last)
    if scope.is_empty and last is not None:
        state = "done" if hidden else "unchanged"
        counts = {**last["counts"], **counts, "hidden": hidden, "items_compared": 0, "opened": 0, "closed": 0}
    else:
        state = "done"
        counts |= {"hidden": hidden} | compare_scope(scope, known.thresholds)
    unseen = _say_unseen(run)
    if state == "done":
        _record(scope, counts, started)
    return {"tables": _uris(run), "state": state, **counts, "kinds_missing": unseen}


def compare_scope(scope: Scope, thresholds: Thresholds) -> dict[str, int]:
    """Compare what is in scope, commit what was found, and return counts; items in are those compared and those unchanged."""
    items = scope.vectors.count
    new = items if scope.is_whole else len(scope.keys)
    entries = "all entries" if scope.entries is None else f"{len(scope.entries):,} changed entries"
    with step(f"match: {new:,} items with all entries, all {items:,} with {entries}"):
        with compared(scope, thresholds) as found, near_copies(scope) as copies:
            published = publish(scope, best_matches(scope, found, copies))
            scores = best_scores(scope, found)
        store_scores(scope, scores)
    say(
        f"match: {published['opened']:,} matches opened, {published['closed']:,} closed; open are "
        f"{published['matches_act']:,} to act on and {published['matches_review']:,} to review"
    )
    counts = {"items": items, "items_compared": new, "items_unchanged": items - new}
    counts["notes_compared"] = _notes_of(scores)
    return counts | {"entries_changed": -1 if scope.entries is None else len(scope.entries)} | published


def _notes_of(scores: list[dict[str, Any]]) -> int:
    """Return how many notes were compared with all entries: each is in the histogram of notes as wholes once by group."""
    by_group: dict[tuple[str, str], int] = {}
    for row in scores:
        if row["note_kind"] == "note":
            group = (row["category"], row["entry_kind"])
            by_group[group] = by_group.get(group, 0) + row["notes"]
    return max(by_group.values(), default=0)


def _say_unseen(run: Run) -> list[str]:
    """Say which kinds of items are not embedded, and what that leaves unseen; returns those kinds."""
    missing = [kind for kind in KINDS if kind not in run.config.embed.kinds]
    parts = {"image": "a single image among several", "text": "a text beside images", "ocr": "the text in one image"}
    unseen = [parts[kind] for kind in missing if kind in parts]
    if unseen:
        say(
            f"match: embed.kinds lacks {', '.join(missing)}, so notes are compared as wholes: {', '.join(unseen)} may go "
            f"unseen; add them: --set 'embed.kinds=[{', '.join(KINDS)}]'"
        )
    return missing


def _record(scope: Scope, counts: dict[str, int], started: float) -> None:
    run = scope.run
    inputs = {"items": scope.vectors.snapshot.versions["items"], GALLERY.name: scope.gallery}
    outputs = {"matches": tables.table_version(run.lake.uri("matches"))}
    record(run, STAGE, _UNIT, Outcome("done", counts, inputs, outputs, fingerprint=scope.settings), started)


def _uris(run: Run) -> dict[str, str]:
    uris = {name: run.generation.uri(name) for name in (GALLERY.name, MATCH_SCORES.name)}
    return uris | {"matches": run.lake.uri(matches_table(run.note_id).name)}


def is_wanted(run: Run) -> bool:
    """Say whether the stage has anything to do: a gallery is named, or matches hold notes that may be taken down."""
    if run.config.match.gallery is not None:
        return True
    return tables.has_table(run.lake.uri("matches")) and bool(taken_down(run.lake.root))
