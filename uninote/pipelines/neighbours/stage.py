"""The neighbours stage: the all-pairs join over overlapping cells, or a night's changes to what it left; then the tables.

Every row goes to `overlap` cells; the pairs of a cell are joined there; one merge by row makes the lists. Two shuffles,
whatever the number of cells. A night joins only changed rows with all others, without a shuffle of vectors.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from uninote.config.digests import digest
from uninote.lake.delta_files import DeltaFilesError
from uninote.pipelines.lake.damage import damage
from uninote.pipelines.lake.ledger import Entry
from uninote.pipelines.lake.run import Outcome, Run, last_entry, record
from uninote.pipelines.lake.snapshot import newest_snapshot
from uninote.pipelines.lake.stale import mark_stale, tables_below, unmark
from uninote.pipelines.neighbours.cell_rows import open_kept
from uninote.pipelines.neighbours.files import Written
from uninote.pipelines.neighbours.full_join import join_all
from uninote.pipelines.neighbours.join import Join, open_join
from uninote.pipelines.neighbours.publish import publish, whole
from uninote.pipelines.neighbours.ranking import hub_skewness
from uninote.pipelines.neighbours.recall import AT_K, Truth, measure_recall, sample_truth
from uninote.pipelines.neighbours.rule_recall import recall_of_rules, rule_recalls
from uninote.pipelines.neighbours.update import AS_OF, NotFollowedError, follow, merge
from uninote.pipelines.runtime.progress import say

STAGE, WHOLE = "neighbours", "all"
_LAYOUT = 3  # of the state's files: a night goes on only from one it knows
_LONGER_WAY = (NotFollowedError, DeltaFilesError)  # beside damaged files, which tasks tell of
_MEASURES = {"recall_sample", "full_share"}  # of these lists do not depend


def neighbours(run: Run) -> dict[str, Any]:
    """Bring every neighbour table up to the newest embeddings."""
    started, settings = time.time(), run.config.neighbours
    join = open_join(run, newest_snapshot(run))
    mark = digest(_LAYOUT, settings.model_dump(mode="json", exclude=_MEASURES), join.width)
    _mark_stale(run)
    done = last_entry(run, STAGE, WHOLE)
    if done is not None and done["fingerprint"] != mark:
        done = None  # made with other settings: nothing of it can be gone on from
    if done is not None and _is_current(join, done):
        return _summary(join, done["counts"], done["metrics"]) | {"state": "unchanged"}
    truth = sample_truth(join.vectors, join.survey, settings.k)
    counts, written, before = _lists(join, truth, done)
    as_of = int(run.as_of.timestamp())
    published, outputs = publish(join, written, before, _made_from(mark, join.versions, as_of))
    unmark(run, settings.rules)
    metrics = (
        measure_recall(join, truth) | recall_of_rules(join, open_kept(join, counts["cells"], outputs)) | _hubs(join)
    )
    for name, recall in _recalls(metrics).items():
        _judge(join, name, recall)
    counts |= published | {"notes": join.rows, "k": settings.k, "width": join.width, AS_OF: as_of}
    outcome = Outcome("done", counts, join.versions, outputs, metrics, mark)
    record(run, STAGE, WHOLE, outcome, started)
    return _summary(join, counts, metrics) | {"state": "done"}


def _mark_stale(run: Run) -> None:
    """Mark the tables of rules that the configuration had once."""
    former = set(tables_below(run, "neighbour_state")) - set(run.config.neighbours.rules)
    mark_stale(run, STAGE, {name: name for name in sorted(former)}, "neighbours.tables")


def _is_current(join: Join, done: Entry) -> bool:
    """Say whether what a run left is as new as the embeddings, and stands as it left it."""
    as_of = done["counts"].get(AS_OF, 0)
    if done["inputs"] != join.versions or (join.fresh_days and as_of != int(join.run.as_of.timestamp())):
        return False
    amiss = whole(join, _made_from(done["fingerprint"], done["inputs"], as_of))
    if amiss is not None:
        say(f"neighbours: {amiss}; making the tables anew")
    return amiss is None


def _made_from(mark: str, inputs: Mapping[str, int], as_of: int) -> str:
    return digest(mark, dict(inputs), as_of)


def _lists(
    join: Join, truth: Truth, done: Entry | None
) -> tuple[dict[str, int], list[Written], Mapping[str, int] | None]:
    """Return counts for the ledger, the files of all lists, and the versions they go on from: of `done`, if they do.

    Whatever a night would go on from may be gone or damaged: all of it can be made anew, and is.
    """
    if done is not None:
        try:
            followed = follow(join, done)
            return followed.counts, merge(join, followed), followed.before
        except Exception as error:
            reason = str(error) if isinstance(error, _LONGER_WAY) else damage(error)
            if reason is None:
                raise
            say(f"neighbours: {reason}; joining all of them")
    return *join_all(join, truth), None


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
