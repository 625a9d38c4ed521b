"""The report stage: what the ledger and the tables say, in one HTML file."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from pyspark.sql import Column, Row
from pyspark.sql import functions as F

from uninote.corpus_map.render import render_map
from uninote.evaluation.estimates import AT_K, Estimate, name_of
from uninote.index.planning.choose import recall_wanted
from uninote.lake.schemas import quarantine_table
from uninote.lake.takedowns.watch import taken_down
from uninote.pipelines.corpus_map.collect import collect_map
from uninote.pipelines.embed.steps.accounting import CUT_COUNTS
from uninote.pipelines.index.recall import RECALL_TARGET
from uninote.pipelines.index.stage import unit_of
from uninote.pipelines.lake import tables
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
from uninote.pipelines.report.stages import REPORT, Entries, behind, run_of, seconds_of, stage_rows, when
from uninote.pipelines.report.trends import trends
from uninote.pipelines.training.scores import evaluation_of
from uninote.redaction import redact
from uninote.report.data import Cuts, QuarantineReason, Reconciliation, Report
from uninote.report.figures import Histogram, IndexRow, Recall, WidthRecall
from uninote.report.render import render
from uninote.storage import lake_files

FILE = "report.html"
MAP = "map.html"
BINS = 30
SAMPLES = 3  # shown for each quarantine reason
RANKS = (1, 2, 5, 10, 20, 50, 100)  # whose scores are shown, as far as lists go
_BEST = 0  # instead of a rank: the best neighbour, on an axis of its own


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
    scores = _scores(run) if joined else {}
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
        quarantine=_quarantine(run),
        recall=_recall(run, joined["counts"]["k"], recalls) if joined and recalls else None,
        width_recalls=_width_recalls(snapshot, recalls),
        indexes=_index_rows(run, snapshot, entries),
        similarity=scores.pop(_BEST, None),
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


def _quarantine(run: Run) -> tuple[QuarantineReason, ...]:
    spec = quarantine_table(run.note_id)
    uri = run.lake.uri(spec.name)
    if not tables.has_table(uri):
        return ()
    history = tables.read_table(run.spark, uri)
    mine = F.col("generation").isNull() | (F.col("generation") == run.model.generation)
    # A part's id is its note's, and its position behind "#".
    note = F.substring_index("item_id", "#", 1)
    mine &= ~F.coalesce(note.isin(*taken_down(run.lake.root).names), F.lit(False))
    once = history.where(mine).groupBy("reason", "item_id").agg(F.max_by("message", "quarantined_at").alias("message"))
    sample = F.slice(F.array_sort(F.collect_list(F.struct("item_id", "message"))), 1, SAMPLES)
    rows = once.groupBy("reason").agg(F.count("*").alias("rows"), sample.alias("samples"))
    reasons = []
    for row in rows.orderBy(F.desc("rows"), "reason").collect():
        reasons.append(QuarantineReason(row["reason"], row["rows"], tuple(map(_sample, row["samples"]))))
    return tuple(reasons)


def _sample(row: Row) -> tuple[str, str]:
    """Return (item_id, message): an unreadable row is quoted as it came, and may hold anything."""
    return row["item_id"] or "", redact(row["message"] or "")


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


def _scores(run: Run) -> dict[int, Histogram]:
    """Return how alike notes and their neighbours are, by rank, all on one axis; as _BEST, the first alone on its own axis.

    Empty where no list has an entry. Two queries, whatever the number of ranks.
    """
    ranks = [rank for rank in RANKS if rank <= run.config.neighbours.k]
    columns = [_score_at(1, _BEST)]
    for rank in ranks:
        columns.append(_score_at(rank, rank))
    lists = tables.read_table(run.spark, run.generation.uri("neighbours"))
    rows = lists.select(F.explode(F.array(*columns)).alias("one")).select("one.*").where("score IS NOT NULL")
    first = F.when(F.col("key") == _BEST, F.col("score"))
    ends = rows.agg(F.min(first), F.max(first), F.min("score"), F.max("score")).collect()[0]
    if ends[0] is None:
        return {}
    own = _axis(ends[0], ends[1])
    shared = _axis(ends[2], ends[3])
    is_best = F.col("key") == _BEST
    low = F.when(is_best, own[0]).otherwise(shared[0])
    step = F.when(is_best, own[1]).otherwise(shared[1])
    number = F.least(F.floor((F.col("score") - low) / step), F.lit(BINS - 1)).alias("bin")
    counts: dict[int, list[int]] = defaultdict(lambda: [0] * BINS)
    for row in rows.groupBy("key", number).count().collect():
        counts[row["key"]][row["bin"]] = row["count"]
    found = {_BEST: Histogram(_edges(*own), tuple(counts[_BEST]))}
    for rank in ranks:
        found[rank] = Histogram(_edges(*shared), tuple(counts[rank]))
    return found


def _score_at(rank: int, key: int) -> Column:
    """Return (key, score) of the entry of that rank; a null score past the end of a list."""
    score = F.get("neighbours", F.lit(rank - 1))["score"].cast("double")
    return F.struct(F.lit(key).alias("key"), score.alias("score"))


def _axis(low: float, high: float) -> tuple[float, float]:
    """Return (the lowest edge, the width of a bin)."""
    # Where all scores are equal, bins are narrow, and one of them holds all.
    return low, (high - low) / BINS or 1e-6


def _edges(low: float, step: float) -> tuple[float, ...]:
    return tuple(low + step * number for number in range(BINS + 1))


def _table_uris(run: Run, snapshot: Snapshot) -> dict[str, str]:
    uris = {}
    for name in ("notes", "quarantine", "runs"):
        uris[name] = run.lake.uri(name)
    for name in (*snapshot.versions, "neighbours", "duplicates"):
        uris[name] = run.generation.uri(name)
    return uris
