"""The report stage: what the ledger and the tables say, in one HTML file."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from pyspark.sql import functions as F

from uninote.corpus_map.render import render_map
from uninote.evaluation.estimates import AT_K, Estimate, name_of
from uninote.index.planning.choose import recall_wanted
from uninote.pipelines.corpus_map.collect import collect_map
from uninote.pipelines.embed.steps.accounting import CUT_COUNTS
from uninote.pipelines.index.recall import RECALL_TARGET
from uninote.pipelines.index.stage import unit_of
from uninote.pipelines.lake.ledger import Entry
from uninote.pipelines.lake.reading.snapshot import Snapshot, newest_snapshot
from uninote.pipelines.lake.run import Outcome, Run, newest_entries, record
from uninote.pipelines.neighbours.recall import Recalls
from uninote.pipelines.report.duplicates import duplicates
from uninote.pipelines.report.examples import Examples, example_rows, find_examples, sample_of
from uninote.pipelines.report.freshness import BYTES, MAP_BYTES, stands, state_shown
from uninote.pipelines.report.further_sets import further_tables
from uninote.pipelines.report.judged import judged_tables
from uninote.pipelines.report.quality import Quality, measure_quality
from uninote.pipelines.report.quarantine import quarantine_reasons
from uninote.pipelines.report.similarity import BEST, score_histograms
from uninote.pipelines.report.stages import REPORT, Entries, behind, run_of, seconds_of, stage_rows, when
from uninote.pipelines.report.trends import trends
from uninote.pipelines.training.scores import evaluation_of
from uninote.report.data import Cuts, Reconciliation, Report
from uninote.report.figures import IndexRow, Recall, WidthRecall
from uninote.report.render import render
from uninote.storage import lake_files

FILE = "report.html"
MAP = "map.html"


def report(run: Run) -> dict[str, Any]:
    """Write `report.html` into the lake, and `map.html` where notes have codes, and return where they are.

    As the end of a refresh that found nothing to do it is left as it stands: that of the run which last changed anything.
    """
    started = time.time()
    snapshot = newest_snapshot(run)
    path, map_path = run.lake.uri(FILE), run.lake.uri(MAP)
    places = {"tables": {}, "report": path}
    entries = newest_entries(run)
    state = state_shown(run, snapshot, entries)
    # Whoever asks for the report alone gets one that is about the newest run, be it one that changed nothing.
    if run.stage_seconds and stands(run, {BYTES: path, MAP_BYTES: map_path}, state):
        return places | {"state": "unchanged"}
    found = _collect(run, snapshot, entries)
    sizes = {BYTES: _write(path, render(found))}
    if found.map is not None:
        sizes[MAP_BYTES] = _write(map_path, render_map(found.map))
        places["map"] = map_path
    record(run, REPORT, "all", Outcome("done", sizes, fingerprint=state), started)
    return places | {"state": "done"}


def _write(path: str, page: str) -> int:
    """Write a page and return its bytes."""
    content = page.encode()
    lake_files.write(path, content)
    return len(content)


def _collect(run: Run, snapshot: Snapshot, entries: Entries) -> Report:
    joined = entries.get(("neighbours", "all"))
    recalls = Recalls.of(joined["metrics"]) if joined else None
    stages = stage_rows(run, entries)
    settings = run.config.report
    examples = find_examples(run, max(settings.example_notes, settings.browse_notes)) if joined else Examples({}, {})
    scores = score_histograms(run) if joined else {}
    quality = measure_quality(run, snapshot, joined["counts"]["width"]) if joined else Quality()
    return Report(
        title="UniNote",
        lake=run.lake.root,
        generation=run.model.generation,
        created_at=f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC",
        config_hash=run.config.content_hash(),
        stages=stages,
        reconciliation=_reconciliation(snapshot, entries["embed", "all"]),
        cuts=_cuts(entries["embed", "all"]),
        quarantine=quarantine_reasons(run),
        recall=_recall(run, joined["counts"]["k"], recalls) if joined and recalls else None,
        width_recalls=_width_recalls(snapshot, recalls),
        indexes=_index_rows(run, snapshot, entries),
        similarity=scores.pop(BEST, None),
        agreements=quality.agreements,
        strengths=quality.strengths,
        judged=judged_tables(run) if joined else (),
        further=further_tables(run),
        duplicates=duplicates(run, snapshot, joined["counts"]["width"]) if joined else None,
        evaluation=evaluation_of(run),
        map=collect_map(run, snapshot) if settings.map else None,
        ranks=scores,
        trends=trends(run),
        examples=example_rows(run, examples, settings.example_notes),
        sample=sample_of(run, examples, settings.browse_notes),
        tables=_table_uris(run, snapshot),
        k=run.config.neighbours.k,
        run_id=run_of(run, entries),
        run_seconds=seconds_of(run, stages),
        behind=behind(snapshot, entries),
        as_of=_as_of(run, joined),
    )


def _as_of(run: Run, joined: Entry | None) -> str:
    """Return the date that the lists counted ages from; empty where no rule asks for fresh notes."""
    counts_ages = any(rule.fresh_days is not None for rule in run.config.neighbours.rules.values())
    found = joined["as_of"] if joined is not None and counts_ages else None
    return "" if found is None else when(found)


def _reconciliation(snapshot: Snapshot, embedded: Entry) -> Reconciliation:
    names = ("notes_in", "embedded", "unchanged", "quarantined", "deleted", "degraded")
    items = snapshot.read("items").where("kind = 'note'")
    standing = items.agg(F.count_if("degraded").alias("degraded"), F.count("*").alias("live")).collect()[0]
    counts = _only(embedded["counts"], names) | {"degraded": standing["degraded"]}
    return Reconciliation(**counts, live=standing["live"])


def _only(values: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: values[name] for name in names}


def _cuts(embedded: Entry) -> Cuts | None:
    """Return what embed counted of texts and images that the model did not see; null of a release that did not count."""
    if "cut_share" not in embedded["metrics"]:
        return None
    counts = _only(embedded["counts"], CUT_COUNTS)
    shares = _only(embedded["metrics"], ("cut_share", "lacking_images_share"))
    return Cuts(**counts, **shares)


def _recall(run: Run, k: int, recalls: Recalls) -> Recall:
    target = run.config.neighbours.recall_target
    return Recall(k, recalls.sample, recalls.lists, target, recalls.by_rule)


def _width_recalls(snapshot: Snapshot, recalls: Recalls | None) -> tuple[WidthRecall, ...]:
    """Return how well each width alone finds the neighbours of the widest; a width that was not measured is left out."""
    measured = recalls.by_width if recalls is not None else {}
    found = []
    for width in snapshot.widths:
        if width in measured:
            found.append(WidthRecall(width, measured[width].recall))
    return tuple(found)


def _index_rows(run: Run, snapshot: Snapshot, entries: Entries) -> tuple[IndexRow, ...]:
    rows = []
    for width in snapshot.widths:
        built = entries.get(("index", unit_of(width)))
        if built is not None and built["state"] == "done":
            rows.append(_index_row(run, width, built))
    return tuple(rows)


def _index_row(run: Run, width: int, built: Entry) -> IndexRow:
    counts = _only(built["counts"], ("rows", "nlist", "num_cells", "num_shards", "bytes", "nprobe"))
    metrics = built["metrics"]
    # Entries of earlier releases have no target of their own: they held codes alone.
    target = metrics.get(RECALL_TARGET, recall_wanted(run.config.index.recall_target, rerank=False))
    recall = Estimate.of(metrics, AT_K) if name_of(AT_K) in metrics else None
    return IndexRow(width=width, recall=recall, target=target, k=run.config.neighbours.k, **counts)


def _table_uris(run: Run, snapshot: Snapshot) -> dict[str, str]:
    uris = {}
    for name in ("notes", "quarantine", "runs"):
        uris[name] = run.lake.uri(name)
    for name in (*snapshot.versions, "neighbours", "duplicates"):
        uris[name] = run.generation.uri(name)
    return uris
