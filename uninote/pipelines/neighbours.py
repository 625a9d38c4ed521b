"""The neighbours stage: the all-pairs join over overlapping cells, or a night's changes to what it left; then the tables.

Every row goes to `overlap` cells; the pairs of a cell are joined there; one merge by row makes the lists. Two shuffles,
whatever the number of cells. A night joins only changed rows with all others, without a shuffle of vectors.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from uninote.config import fingerprint
from uninote.pipelines.kept_rows import open_kept
from uninote.pipelines.neighbours_full import join_all
from uninote.pipelines.neighbours_join import Join, open_join
from uninote.pipelines.neighbours_night import AS_OF, follow, merge
from uninote.pipelines.neighbours_publish import publish
from uninote.pipelines.neighbours_ranking import hub_skewness
from uninote.pipelines.progress import say
from uninote.pipelines.recall import AT_K, measure_recall, sample_truth
from uninote.pipelines.rule_recall import recall_of_rules, rule_recalls
from uninote.pipelines.run import Outcome, Run, last_entry, record
from uninote.pipelines.snapshot import newest_snapshot

STAGE, WHOLE = "neighbours", "all"
_LAYOUT = 3  # of the state's files: a night goes on only from one it knows
_MEASURES = {"recall_sample", "full_share"}  # of these lists do not depend


def neighbours(run: Run) -> dict[str, Any]:
    """Bring every neighbour table up to the newest embeddings."""
    started, settings = time.time(), run.config.neighbours
    join = open_join(run, newest_snapshot(run))
    mark = fingerprint(_LAYOUT, settings.model_dump(mode="json", exclude=_MEASURES), join.width)
    done = last_entry(run, STAGE, WHOLE)
    known = done is not None and done["fingerprint"] == mark and all(map(join.has, settings.rules))
    aged = bool(join.fresh_days) and done is not None and done["counts"].get(AS_OF) != int(run.as_of.timestamp())
    if known and done is not None and done["inputs"] == join.versions and not aged:
        return _summary(join, done["counts"], done["metrics"]) | {"state": "unchanged"}
    truth = sample_truth(join.vectors, join.survey, settings.k)
    followed = follow(join, done) if known and done is not None else None
    counts, written = join_all(join, truth) if followed is None else (followed.counts, merge(join, followed))
    published, outputs = publish(join, written, None if followed is None else followed.before)
    metrics = (
        measure_recall(join, truth) | recall_of_rules(join, open_kept(join, counts["cells"], outputs)) | _hubs(join)
    )
    for name, recall in _recalls(metrics).items():
        _judge(join, name, recall)
    counts |= published | {"notes": join.rows, "k": settings.k, "width": join.width, AS_OF: int(run.as_of.timestamp())}
    outcome = Outcome("done", counts, join.versions, outputs, metrics, mark)
    record(run, STAGE, WHOLE, outcome, started)
    return _summary(join, counts, metrics) | {"state": "done"}


def _summary(join: Join, counts: dict[str, int], metrics: dict[str, float]) -> dict[str, Any]:
    uris = {name: join.run.generation.uri(name) for name in join.run.config.neighbours.rules}
    return {"tables": uris, **counts, "recall_at_k": metrics[AT_K], "recall_by_table": _recalls(metrics)}


def _recalls(metrics: Mapping[str, float]) -> dict[str, float]:
    return {"neighbours": metrics[AT_K], **rule_recalls(metrics)}


def _hubs(join: Join) -> dict[str, float]:
    """Return the skewness of k-occurrences, before and after, of tables that rank hubs lower."""
    metrics: dict[str, float] = {}
    for name in (name for name, rule in join.run.config.neighbours.rules.items() if rule.hubness):
        before, after = (hub_skewness(join, name, ranked) for ranked in (False, True))
        say(f"neighbours: {name}: skewness of k-occurrences {before:.2f}, with hubs ranked lower {after:.2f}")
        metrics |= {f"hub_skewness_{name}_before": before, f"hub_skewness_{name}": after}
    return metrics


def _judge(join: Join, name: str, recall: float) -> None:
    settings = join.run.config.neighbours
    say(f"{name}: recall@{settings.k} {recall:.4f} on a sample, against exact search")
    if recall < settings.recall_target:
        say(
            f"{name}: that is below neighbours.recall_target={settings.recall_target}; raise neighbours.task_mib (now "
            f"{settings.task_mib}) for larger cells, or neighbours.overlap"
        )
