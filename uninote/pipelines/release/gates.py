"""The gates of a release: each looks at one thing that must hold before readers see it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from uninote.config.sections.neighbours import NeighboursConfig
from uninote.evaluation.estimates import AT_K, Estimate, estimate_recall
from uninote.lake.delta_files import rows_in_log
from uninote.lake.releases.record import GateResult, Release
from uninote.lake.reserved import CODES
from uninote.lake.schemas import CONFIDENCE_MAPS
from uninote.pipelines.index.recall import recall_of_searches
from uninote.pipelines.neighbours.output.cell_rows import open_cell_rows
from uninote.pipelines.neighbours.planning.join import open_join
from uninote.pipelines.neighbours.recall import Recalls, measure_recall
from uninote.pipelines.release.case import Case
from uninote.pipelines.release.judging import at_least, at_most, checked, skipped
from uninote.pipelines.release.note_sets import same_notes
from uninote.pipelines.release.samples import lists_of, occurrences

_PLAIN = "neighbours"
_CUT = "cut_share"
_HUB_TIMES = 10  # a share of lists that many times the mean is no hub, however few notes there are


def judge(case: Case) -> tuple[GateResult, ...]:
    """Return what each gate found."""
    found: list[GateResult] = []
    for gate in (_rows, _agreement, _recalls, _index_recalls, _short_lists, _lost, _hubs, _set_aside, _cut, _canaries):
        found += gate(case)
    for name, beside in case.beside.items():
        for gate in (_rows, _agreement, _recalls, _short_lists, _lost, _hubs):
            found += [replace(one, name=f"{one.name} of {name}") for one in gate(beside)]
    return tuple(found)


def _rows(case: Case) -> Iterator[GateResult]:
    """Every note is in the items or set aside."""
    counts = case.embedded
    stored = rows_in_log(*case.place(case.release, "notes"))
    accounted = case.notes + counts["quarantined"]
    is_right = accounted == counts["notes_in"] and stored in (None, counts["notes_in"])
    finding = f"{counts['notes_in']:,} notes, {case.notes:,} with a vector and {counts['quarantined']:,} set aside"
    yield checked("rows", is_right, finding, "quarantine and set_aside")


def _agreement(case: Case) -> Iterator[GateResult]:
    """Indexes and lists are of these items: made of their versions, as many, and of the same notes."""
    # Lists are made of tables that are no part of the snapshot, too: the maps to confidences, and codes.
    others = {
        name: case.release.tables.get(f"{case.release.generation}/{name}") for name in (CONFIDENCE_MAPS.name, CODES)
    }
    versions = {**case.snapshot.versions, **others}
    wrong = []
    for name in case.tables:
        uri, version = case.place(case.release, name)
        if (rows := rows_in_log(uri, version)) not in (None, case.notes):
            wrong.append(f"{name} has {rows:,} lists for {case.notes:,} notes")
        elif not same_notes(case.place(case.release, "items"), (uri, version), case.notes):
            wrong.append(f"{name} has lists of other notes than the items")
    joined = case.entries["neighbours", "all"]["inputs"]
    for name, version in joined.items():
        if versions.get(name) != version:
            wrong.append(f"lists are of version {version} of {name}, the release has {versions.get(name)}")
    for unit in case.release.indexes:
        wrong += _index_differences(case, int(unit.removeprefix("w")))
    finding = "; ".join(wrong) if wrong else f"indexes, lists and items have the same {case.notes:,} notes"
    yield checked(
        "agreement", not wrong, finding, "jobs/index.py and jobs/neighbours.py, which bring theirs up to the items"
    )


def _index_differences(case: Case, width: int) -> Iterator[str]:
    _, manifest = case.manifest(width)
    for name, version in manifest.segments[-1].versions.items():
        if case.snapshot.versions.get(name) != version:
            yield f"index w{width} is of version {version} of {name}, the release has {case.snapshot.versions.get(name)}"
    if manifest.kinds == ("note",) and manifest.live != case.notes:
        yield f"index w{width} finds {manifest.live:,} of {case.notes:,} notes"


def _recalls(case: Case) -> Iterator[GateResult]:
    """Lists hold the notes that exact search finds."""
    entry = case.entries["neighbours", "all"]
    recalls = {1: Recalls.of(entry["metrics"])}

    def measure(name: str) -> Callable[[int], Estimate]:
        def at(times: int) -> Estimate:
            if times not in recalls:
                join = open_join(case.larger(times), case.snapshot)
                recalls[times] = measure_recall(
                    join, {}, open_cell_rows(join, entry["counts"]["cells"], entry["outputs"])
                )
            return recalls[times].by_table[name]

        return at

    limit = case.run.config.gates.neighbour_recall
    for name in recalls[1].by_table:
        what = f"recall of the lists of {name}"
        yield at_least(
            f"neighbour_recall {name}", measure(name), limit, what, "neighbours.task_mib and neighbours.overlap"
        )


def _index_recalls(case: Case) -> Iterator[GateResult]:
    """Searches find the notes that exact search finds."""
    limit = case.run.config.gates.index_recall
    for unit in case.release.indexes:
        width = int(unit.removeprefix("w"))
        entry = case.entries["index", unit]

        def measure(times: int, width: int = width, metrics: dict[str, float] = entry["metrics"]) -> Estimate:
            if times == 1 and metrics:
                return Estimate.of(metrics, AT_K)
            return recall_of_searches(case.target(width, times), case.manifest(width)[1])

        yield at_least(
            f"index_recall {unit}", measure, limit, f"recall of the index {unit}", "index.pq_m, index.retrain"
        )


def _short_lists(case: Case) -> Iterator[GateResult]:
    """Notes have neighbours: at least half as many as there could be."""
    enough = min(case.run.config.neighbours.k, case.notes - 1) / 2
    if case.notes < 2:
        yield skipped("short_lists", "there are fewer than two notes")
        return
    if case.run.config.neighbours.cuts(_PLAIN):
        yield skipped("short_lists", "neighbours.min_strength, min_confidence or min_best_confidence cuts lists short")
        return

    def measure(times: int) -> Estimate:
        lists = case.sample(_PLAIN, times).lists.values()
        is_long = np.array([len(entries) >= enough for entries in lists], np.int64)
        return estimate_recall(is_long, np.ones_like(is_long), case.notes)

    what = f"the share of notes with {enough:g} neighbours or more"
    yield at_least("short_lists", measure, 1 - case.run.config.gates.short_lists, what, "the table neighbours")


def _lost(case: Case) -> Iterator[GateResult]:
    """Most neighbours of the live release are neighbours still."""
    gates = case.run.config.gates
    for name in case.tables:
        gate = f"lost_neighbours {name}"
        live = case.live
        if live is None or not any(path.endswith(f"/{name}") for path in live.tables):
            yield skipped(gate, "no live release has this table")
            continue
        if _made_otherwise(live, case.release, name):
            yield skipped(gate, f"K, width or rule of {name} are not those of release {live.id}")
            continue
        is_same_model = live.generation == case.release.generation
        limit = gates.lost_neighbours if is_same_model else gates.lost_neighbours_new_model

        def measure(times: int, name: str = name) -> Estimate:
            return _kept(case, name, times)

        what = f"the share of the neighbours in {name} of release {live.id} that are neighbours still"
        yield at_least(gate, measure, 1 - limit, what, f"uninote releases diff {live.id}")


def _made_otherwise(live: Release, release: Release, name: str) -> bool:
    """Say whether the settings of a table's lists changed since the live release, as far as that says what they were."""
    before, now = live.joined.get("settings"), release.joined["settings"]
    if before is None:
        return False
    of_table = ("k", "width", "duplicate_score", "min_strength", "min_confidence", "min_best_confidence")
    is_same = all(before.get(key) == now.get(key) for key in of_table)
    path = f"{release.generation}/{CONFIDENCE_MAPS.name}"
    if NeighboursConfig.model_validate(now, strict=False).uses_confidence(name):
        is_same = is_same and live.tables.get(path) == release.tables.get(path)
    return not is_same or before["tables"].get(name) != now["tables"].get(name)


def _kept(case: Case, name: str, times: int) -> Estimate:
    """Return which share of the entries of the live release's lists, of notes that have a list still, are entries still."""
    before = case.sample(name, times, case.live)
    if not before.lists:
        # The live release has notes without a vector alone: there is nothing to lose.
        return Estimate(1.0, 1.0, 1.0)
    after = lists_of(*case.place(case.release, name), before)
    kept = []
    entries = []
    for note, ids in before.lists.items():
        if note in after:
            kept.append(len(set(ids) & set(after[note])))
            entries.append(len(ids))
    if not entries:
        # None of the sampled notes has a list any more.
        return Estimate(0.0, 0.0, 0.0)
    return estimate_recall(np.array(kept), np.array(entries), case.notes)


def _hubs(case: Case) -> Iterator[GateResult]:
    """No note is a neighbour of everyone."""
    mean = case.run.config.neighbours.k / max(1, case.notes - 1)
    limit = min(1.0, max(case.run.config.gates.hub_share, _HUB_TIMES * mean))
    if case.notes < 2:
        yield skipped("hub_share", "there are fewer than two notes")
        return

    def measure(times: int) -> Estimate:
        lists = list(case.sample(_PLAIN, times).lists.values())
        counts = occurrences(lists)
        hub = max(counts, key=lambda note: counts[note]) if counts else None
        without = np.array([hub not in entries for entries in lists], np.int64)
        return estimate_recall(without, np.ones_like(without), case.notes)

    what = "the share of lists without the note that stands in most of them"
    yield at_least("hub_share", measure, 1 - limit, what, "neighbours.tables with hubness")


def _set_aside(case: Case) -> Iterator[GateResult]:
    """Few notes lack a vector."""
    share = case.embedded["quarantined"] / max(1, case.embedded["notes_in"])
    limit = case.run.config.gates.set_aside
    yield at_most("set_aside", share, limit, "the share of notes without a vector", "set_aside and quarantine")


def _cut(case: Case) -> Iterator[GateResult]:
    """The model sees as much of the notes as it did."""
    now = case.release.metrics.get(_CUT)
    before = None if case.live is None else case.live.metrics.get(_CUT)
    if now is None or before is None or case.live is None or case.live.generation != case.release.generation:
        yield skipped("more_cut", "no live release of this model says how many notes were cut")
        return
    limit = case.run.config.gates.more_cut
    yield at_most(
        "more_cut", now - before, limit, "the growth of the share of notes that are cut", "tokens_cut in items"
    )


def _canaries(case: Case) -> Iterator[GateResult]:
    """The model makes the vectors that it made."""
    cosine = case.entries["embed", "all"]["metrics"].get("canary_cosine")
    if cosine is None:
        yield skipped("canaries", "the last run of embed computed no vector again")
        return
    limit = case.run.config.gates.canary_cosine
    finding = f"vectors made again have a mean cosine of {cosine:.5f} to those stored, at least {limit} is asked for"
    state = checked("canaries", cosine >= limit, finding, "model.checkpoint, and the libraries that workers run")
    yield GateResult(state.name, state.state, finding, cosine, limit, look=state.look)
