"""The neighbours stage: a join of all notes over overlapping cells, or an update of the last run's lists; then the tables.

Every row goes to `overlap` cells; the pairs of a cell are joined there; one merge by row makes the lists. Two shuffles,
whatever the number of cells. An update joins only changed rows with all others, without a shuffle of vectors.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from uninote.digests import digest
from uninote.lake.delta_files import DeltaFilesError
from uninote.lake.takedowns.held import held
from uninote.lake.takedowns.watch import taken_down
from uninote.neighbours.planning.costs import Costs, estimate_costs
from uninote.pipelines.lake.damage import damage
from uninote.pipelines.lake.ledger import Entry
from uninote.pipelines.lake.reading.snapshot import newest_snapshot
from uninote.pipelines.lake.run import Outcome, Run, last_entry, ledger, record
from uninote.pipelines.lake.stale import mark_stale, tables_below, unmark
from uninote.pipelines.neighbours.changes import changed_notes
from uninote.pipelines.neighbours.compiling import ready_kernels
from uninote.pipelines.neighbours.decision import (
    ChangedNotes,
    Changes,
    Decision,
    FullJoin,
    LastRun,
    Present,
    Unchanged,
    Update,
    decide,
    needs_changes,
    signature_of,
)
from uninote.pipelines.neighbours.full_join import join_all
from uninote.pipelines.neighbours.output.cell_rows import open_cell_rows
from uninote.pipelines.neighbours.output.files import JoinResult
from uninote.pipelines.neighbours.output.publish import find_damage, hub_skewness, publish
from uninote.pipelines.neighbours.planning.diversity import clean_up, prepare, report
from uninote.pipelines.neighbours.planning.join import Join, open_join
from uninote.pipelines.neighbours.recall import Recalls, found_truths, measure_recall
from uninote.pipelines.neighbours.update import LostListsError, open_base, update_lists
from uninote.pipelines.runtime.progress import say, step

STAGE = "neighbours"
_UNIT = "all"
_LAYOUT = 4  # of the private files: an update starts only from one it knows
_MEASURES = {"recall_sample", "full_share"}  # settings that the lists do not depend on


def neighbours(run: Run) -> dict[str, Any]:
    """Bring every neighbour table up to the newest embeddings."""
    started = time.time()
    rules = run.config.neighbours.rules
    join = open_join(run, newest_snapshot(run))
    mark_stale(run, STAGE, _former_tables(run), "neighbours.tables")
    entry = last_entry(run, STAGE, _UNIT)
    last = None if entry is None else _last_run(entry)
    present = _look(join, last)
    decision = _decide(join, last, present)
    if isinstance(decision, Unchanged) and entry is not None and last is not None:
        return _summary(join, entry["counts"], Recalls.of(entry["metrics"]), last.as_of) | {"state": "unchanged"}

    ready_kernels(join)
    result = _make_lists(join, decision, entry)
    truths = found_truths(join, result)
    as_of = int(run.as_of.timestamp())
    published, outputs = publish(join, result, signature_of(present.settings, join.versions, as_of))
    unmark(run, rules)
    clean_up(join)

    counts = {
        **result.counts,
        **published,
        **report(join),
        "notes": join.rows,
        "k": run.config.neighbours.k,
        "width": join.width,
    }
    with step("neighbours: recall of the lists, by table and width"):
        recalls = measure_recall(join, truths, open_cell_rows(join, counts["cells"], outputs))
    metrics = {**recalls.metrics(), **_hub_metrics(join), **result.seconds}
    if not isinstance(decision, Unchanged) and decision.costs is not None:
        metrics |= decision.costs.metrics()
    _say_recalls(join, recalls)
    outcome = Outcome("done", counts, join.versions, outputs, metrics, present.settings, as_of=run.as_of)
    record(run, STAGE, _UNIT, outcome, started)
    return _summary(join, counts, recalls, as_of) | {"state": "done"}


def _make_lists(join: Join, decision: Decision, entry: Entry | None) -> JoinResult:
    """Update the lists of the run that left `entry` in the ledger, or join all notes."""
    if isinstance(decision, Update) and entry is not None:
        prepare(join, entry["counts"])
        result = _try_update(join, _last_run(entry), decision)
        if result is not None:
            return result
    prepare(join, None)
    return join_all(join)


def _former_tables(run: Run) -> dict[str, str]:
    """Return the tables of rules that the configuration does not have any more, unit in the ledger -> name."""
    former = set(tables_below(run, "neighbour_state")) - set(run.config.neighbours.rules)
    return {name: name for name in sorted(former)}


def _last_run(entry: Entry) -> LastRun:
    """Return what an entry of the ledger says."""
    as_of = entry["as_of"]
    # Runs of before there were ages did not note it: as if they had counted from the beginning of time.
    seconds = int(as_of.timestamp()) if as_of is not None else 0
    return LastRun(entry["fingerprint"], entry["inputs"], entry["outputs"], seconds)


def _look(join: Join, last: LastRun | None) -> Present:
    """Return what this run finds. Tables are looked at only where they should be as the last run left them."""
    settings = join.run.config.neighbours.of_embedding(None).model_dump(mode="json", exclude=_MEASURES)
    ages_matter = any(attribute.fresh_days is not None for attribute in join.attributes)
    as_of = int(join.run.as_of.timestamp()) if ages_matter else None
    present = Present(digest(_LAYOUT, settings, join.width), join.versions, as_of)
    if last is None or last.settings != present.settings or not present.has_inputs_of(last):
        return present
    return replace(present, damage=find_damage(join, signature_of(last.settings, last.inputs, last.as_of)))


def _decide(join: Join, last: LastRun | None, present: Present) -> Decision:
    """Decide, and say why lists are made; what changed is looked up only where that matters."""
    if last is not None and _hold_taken_down(join):
        say("neighbours: the lists were made with notes that are taken down; joining all of them")
        return FullJoin("notes are taken down")
    changes = None
    if last is not None and needs_changes(last, present):
        changed = changed_notes(join, last)
        try:
            added = open_base(join, last).rows.added
            changes = Changes(join.rows, changed, added, costs=_costs(join, present, changed))
        except Exception as error:
            changes = Changes(join.rows, changed, unreadable=_why_anew(error))
    decision = decide(last, present, changes, join.run.config.neighbours.full_share)
    if isinstance(decision, FullJoin):
        say(f"neighbours: {decision.reason}; joining all of them")
    elif isinstance(decision, Update):
        say(f"neighbours: {decision.reason}; updating the lists")
    return decision


def _hold_taken_down(join: Join) -> bool:
    """Say whether the private tables hold notes that are taken down: an update would leave their rows where they are."""
    names = taken_down(join.run.lake.root).names
    private = ["neighbour_rows", "neighbour_background", *(f"neighbour_state/{rule}" for rule in join.rules)]
    return any(held(join.run.generation.uri(name), names) for name in private)


def _costs(join: Join, present: Present, changed: ChangedNotes | None) -> Costs | None:
    """Return what an update and a full join would take; null where the ledger does not know, or nobody knows what changed."""
    if changed is None:
        return None
    finished = [entry for entry in ledger(join.run, STAGE) if entry["state"] == "done"]
    return estimate_costs(finished, present.settings, join.rows, len(changed.keys))


def _try_update(join: Join, last: LastRun, decision: Update) -> JoinResult | None:
    """Update the lists; null where that is impossible, after saying why: whatever an update starts from can be made anew."""
    try:
        return update_lists(join, last, decision.changed)
    except Exception as error:
        say(f"neighbours: {_why_anew(error)}; joining all of them")
        return None


def _why_anew(error: Exception) -> str:
    """Return why an update is impossible. Raises the error where making all lists anew would not mend it."""
    reason = str(error) if isinstance(error, LostListsError | DeltaFilesError) else damage(error)
    if reason is None:
        raise error
    return reason


def _summary(join: Join, counts: Mapping[str, int], recalls: Recalls, as_of: int) -> dict[str, Any]:
    """Return what the job prints; `as_of`, in seconds since the epoch and printed as a date, is what ages were counted from."""
    uris = {name: join.run.generation.uri(name) for name in join.rules}
    printed = datetime.fromtimestamp(as_of, UTC).isoformat().replace("+00:00", "Z")
    return {
        "tables": uris,
        **counts,
        "as_of": printed,
        "recall_at_k": recalls.lists.recall,
        "recall_by_table": {name: recall.recall for name, recall in recalls.by_table.items()},
        "recall_interval_by_table": {name: recall.interval for name, recall in recalls.by_table.items()},
    }


def _hub_metrics(join: Join) -> dict[str, float]:
    """Return the skewness of k-occurrences, before and after, of tables that rank hubs lower."""
    metrics: dict[str, float] = {}
    for name, rule in join.run.config.neighbours.rules.items():
        if rule.hubness:
            before = hub_skewness(join, name, ranked=False)
            after = hub_skewness(join, name, ranked=True)
            say(f"neighbours: {name}: skewness of k-occurrences {before:.2f}, with hubs ranked lower {after:.2f}")
            metrics |= {f"hub_skewness_{name}_before": before, f"hub_skewness_{name}": after}
    return metrics


def _say_recalls(join: Join, recalls: Recalls) -> None:
    """Say the recall of each table, and what to raise where it is below the target."""
    settings = join.run.config.neighbours
    for name, recall in recalls.by_table.items():
        say(f"{name}: recall@{settings.k} {recall} on {recalls.sample:,} sampled notes, against exact search")
        if recall.recall < settings.recall_target:
            say(
                f"{name}: that is below neighbours.recall_target={settings.recall_target}; raise neighbours.task_mib (now "
                f"{settings.task_mib}) for larger cells, or neighbours.overlap"
            )
