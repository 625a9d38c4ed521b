"""The index stage: for each width a base built once, one segment of what changed since, and a new base when it pays."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from uninote.errors import UninoteError
from uninote.index.files.checks import find_damage
from uninote.index.files.manifest import ManifestError, publish_manifest, read_manifest
from uninote.index.files.records import Manifest
from uninote.index.taken_down import holds_any
from uninote.index.template.template import load_template
from uninote.lake.lease.fence import holder, look
from uninote.lake.paths import index_name
from uninote.lake.takedowns.watch import taken_down
from uninote.pipelines.index.base import make_base
from uninote.pipelines.index.changes import IndexChanges, find_changes
from uninote.pipelines.index.decision import (
    Decision,
    NewBase,
    NewSegment,
    Recalibrate,
    Unchanged,
    decide,
    drift_message,
    keeps_settings,
    needs_changes,
)
from uninote.pipelines.index.messages import counts_of
from uninote.pipelines.index.owner import owned
from uninote.pipelines.index.recall import calibrate
from uninote.pipelines.index.segment import make_segment, void_all
from uninote.pipelines.index.target import Target, index_folder
from uninote.pipelines.lake.damage import index_damage
from uninote.pipelines.lake.ledger import Entry
from uninote.pipelines.lake.reading.snapshot import newest_snapshot
from uninote.pipelines.lake.run import Outcome, Run, last_entry, newest_entries, record
from uninote.pipelines.lake.stale import say_stale
from uninote.pipelines.runtime.progress import say
from uninote.upkeep.index_files import find_unused, kept_manifests

STAGE = "index"


def unit_of(width: int) -> str:
    """Return the ledger's unit for the index of one width."""
    return f"w{width}"


def index(run: Run) -> dict[str, Any]:
    """Bring the index of every configured width up to the newest embeddings."""
    snapshot = newest_snapshot(run)
    widths = run.config.index.widths or snapshot.widths
    uris = {}
    indexes = {}
    state = "unchanged"
    for width in widths:
        summary = refresh(Target(run, snapshot, width))
        uris[index_name(width)] = index_folder(run, width).uri
        indexes[unit_of(width)] = summary
        if summary["state"] == "done":
            state = "done"
    # An index that nothing asks for any more is left as it is: it is said to be stale, and searches refuse it.
    _mark_stale(run, widths)
    return {"tables": uris, "state": state, "indexes": indexes}


def refresh(target: Target) -> dict[str, Any]:
    """Do the least that makes the index of one width complete; returns its summary."""
    started = time.time()
    before = _published(target)
    entry = last_entry(target.run, STAGE, unit_of(target.width))
    try:
        return _refresh(target, before, entry, started)
    except Exception as error:
        damage = index_damage(error)
        if damage is None or before is None or not keeps_settings(before, target.wanted):
            raise
        # Found while files were read. A new base is built from the tables, and reads no file but the template's.
        decision = NewBase(damage, before.template)
        return _carry_out(target, before, decision, None, started)


def _published(target: Target) -> Manifest | None:
    """Return the manifest of this lake's index; null where there is none. Raises UninoteError at another lake's."""
    try:
        return owned(target.run, target.folder, read_manifest(target.folder))
    except ManifestError as error:
        say(f"index w{target.width}: {error}")
        return None


def _refresh(target: Target, before: Manifest | None, entry: Entry | None, started: float) -> dict[str, Any]:
    """Decide what to do, and do it. Raises IndexDamagedError where a file is not as the manifest says."""
    damage = None
    if before is not None and keeps_settings(before, target.wanted):
        damage = _damage_of(target, before)
    if before is not None and needs_changes(before, target.wanted, damage):
        with find_changes(target, before) as changes:
            decision = decide(before, target.wanted, None if changes is None else changes.summary)
            return _carry_out(target, before, decision, changes, started)
    # The ledger has no entry of a run that was killed after it had published.
    recorded = before is not None and entry is not None and entry["fingerprint"] == before.segments[-1].segment_id
    decision = decide(before, target.wanted, None, damage, recorded)
    if isinstance(decision, Unchanged) and before is not None and entry is not None:
        return {"state": "unchanged", **counts_of(before), **entry["metrics"]}
    return _carry_out(target, before, decision, None, started)


def _damage_of(target: Target, before: Manifest) -> str | None:
    """Return why no file of an index may stay, null where they all may."""
    damaged = find_damage(target.folder, before, target.run.as_of)
    if damaged:
        return f"{damaged[0]} ({len(damaged)} file(s) in all)"
    names = taken_down(target.run.lake.root).names
    return "it holds notes that are taken down" if holds_any(target.folder, before, names) else None


def _carry_out(
    target: Target, before: Manifest | None, decision: Decision, changes: IndexChanges | None, started: float
) -> dict[str, Any]:
    """Make what was decided, and publish it; returns its summary."""
    counts: dict[str, int] = {}
    drift = {} if changes is None else changes.summary.drift
    if isinstance(decision, NewBase):
        say(f"index w{target.width}: {decision.reason}; building a new base")
        if target.rows:
            after, metrics = make_base(target, decision.template)
            metrics = {**drift, **metrics}
        else:
            after = _without_rows(target, before)
            metrics = {}
    elif isinstance(decision, Recalibrate) and before is not None:
        after, metrics = calibrate(target, before, load_template(target.folder, before.template))
    elif isinstance(decision, NewSegment) and before is not None and changes is not None:
        drifted = drift_message(before, target.wanted, changes.summary)
        if drifted is not None:
            say(f"index w{target.width}: {drifted}: run with --set index.retrain=now")
        after, metrics = make_segment(target, before, changes)
        counts = {"came": changes.summary.added, "went": changes.removed}
    else:
        raise ValueError(f"{decision} cannot be carried out without an index and its changes")
    return _publish(target, [after] if before is None else [after, before], counts, metrics, started)


def _without_rows(target: Target, before: Manifest | None) -> Manifest:
    """Void all that an index holds. Raises UninoteError where there is none, since an empty one cannot be trained."""
    if before is None:
        raise UninoteError(
            f"{target.snapshot.vectors_name(target.width)} holds no vectors, so there is nothing to index; see quarantine"
        )
    return void_all(target, before)


def _publish(
    target: Target,
    manifests: Sequence[Manifest],
    counts: Mapping[str, int],
    metrics: Mapping[str, float],
    started: float,
) -> dict[str, Any]:
    """Publish the first of `manifests`, remove the files that none of them names, and record the run."""
    after = manifests[0]
    # Files of the one before stay: readers that opened it may be at work. Listed before, so that a run which is stopped
    # here, and woken when another has taken its lease, removes nothing that the other made.
    pinned = kept_manifests(target.run.lake.root, target.folder)
    unused = find_unused(target.folder, [*manifests, *(read_manifest(target.folder, name) for name in sorted(pinned))])
    publish_manifest(target.folder, after, holder(), pinned)
    look()
    for name in unused:
        target.folder.remove(name)
    all_counts = {**counts_of(after), **counts}
    last = after.segments[-1].segment_id
    outcome = Outcome("done", all_counts, target.versions, metrics=metrics, fingerprint=last)
    record(target.run, STAGE, unit_of(target.width), outcome, started)
    return {"state": "done", **all_counts, **metrics}


def _mark_stale(run: Run, widths: Sequence[int]) -> None:
    """Mark the indexes of widths that were indexed once."""
    asked_for = set(map(unit_of, widths))
    for stage, unit in sorted(newest_entries(run)):
        if stage != STAGE or unit in asked_for:
            continue
        folder = index_folder(run, int(unit.removeprefix("w")))
        with suppress(ManifestError):
            manifest = read_manifest(folder)
            if not manifest.stale and manifest.lake_id in (None, run.lake_id):
                why = f"since run {run.run_id} nothing asks for its width"
                publish_manifest(folder, replace(manifest, stale=why), holder(), kept_manifests(run.lake.root, folder))
                say_stale(run, STAGE, unit, f"the index {unit} is kept as it is and marked stale: {why}")
