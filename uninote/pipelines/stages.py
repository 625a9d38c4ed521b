"""The stages in their order, by the names of their jobs."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from uninote.config.sections.base import DEMO
from uninote.lake.delta_files import rows_of
from uninote.pipelines.codes.stage import codes
from uninote.pipelines.codes.stage import is_wanted as are_codes_wanted
from uninote.pipelines.further_vectors import embed_all, neighbours_of_all
from uninote.pipelines.index.stage import index
from uninote.pipelines.lake.deadline import check_deadline
from uninote.pipelines.lake.encoders import s3_of
from uninote.pipelines.lake.run import Run
from uninote.pipelines.lake.tables import MissingTableError
from uninote.pipelines.matching.stage import is_wanted, match
from uninote.pipelines.notes.source.identity import may_hold_demo
from uninote.pipelines.notes.stage import ingest
from uninote.pipelines.observing import observed_stage
from uninote.pipelines.release.erasure import erase
from uninote.pipelines.release.errors import GateError, PublishError
from uninote.pipelines.release.online import publish as publish_online
from uninote.pipelines.release.resume import resume
from uninote.pipelines.release.retention import check_upkeep, retain
from uninote.pipelines.release.stage import release
from uninote.pipelines.report.examples import worked_example
from uninote.pipelines.report.stage import report
from uninote.pipelines.runtime.compilation import compile_for
from uninote.pipelines.runtime.progress import say
from uninote.pipelines.runtime.progress_file import publish, publish_stage
from uninote.terminal import write
from uninote.upkeep.writing import writing

Summary = dict[str, Any]
Stage = Callable[[Run], Summary]

STAGES: Mapping[str, Stage] = {
    "ingest": ingest,
    "embed": embed_all,
    "index": index,
    "codes": codes,
    "neighbours": neighbours_of_all,
    "match": match,
    "release": release,
    "publish": publish_online,
    "report": report,
    "retention": retain,
    "erasure": erase,
}
WANTED: Mapping[str, Callable[[Run], bool]] = {"codes": are_codes_wanted, "match": is_wanted}  # the others always are
LEARNING = ("train", "evaluate")  # jobs that need notes alone, and torch in the driver


@observed_stage
def run_stage(run: Run, name: str) -> Summary:
    """Run one stage and return its summary.

    On the demo corpus the stages it needs are run first where their tables are missing, so that every job can be tried
    right after the install; in a lake with anybody's own notes that is an error, not a surprise.
    """
    started = time.time()
    compile_for(run.spark, rows_of(run.lake.uri("notes")))
    publish(stage=name)
    try:
        summary = _work(name)(run)
    except MissingTableError:
        if run.ingest.source != DEMO or name == "ingest" or not may_hold_demo(run):
            raise
        before = ["ingest"] if name in LEARNING else list(STAGES)[: list(STAGES).index(name)]
        before = [one for one in before if one not in WANTED or WANTED[one](run)]
        say(f"{name}: the demo lake lacks what this job needs; running {', '.join(before)} first")
        with _right_to_write(run, name):
            for earlier in before:
                run_stage(run, earlier)
        publish(stage=name)
        summary = _work(name)(run)
    run.stage_seconds[name] = time.time() - started
    publish_stage(name, run.stage_seconds[name])
    return summary | {"seconds": round(run.stage_seconds[name], 1)}


@contextmanager
def _right_to_write(run: Run, name: str) -> Iterator[None]:
    """Hold the lake's lease while a job that only reads makes what it lacks; other jobs hold it from their beginning."""
    if not run.reads_only:
        yield
        return
    with writing(run.config.lake, name, run.run_id, run.config.index.folder, s3_of(run.config)):
        yield


def release_and_clean_up(run: Run) -> Summary:
    """Run the stages after neighbours that a refresh runs, but for the report."""
    released = run_stage(run, "release")
    cleaned = {name: run_stage(run, name) for name in ("retention", "erasure")}
    return {**released, **cleaned, "publish": run_stage(run, "publish")}


def _check_time(run: Run, name: str) -> None:
    """Raise OutOfTimeError where `refresh.max_hours` are over before what readers would see is complete."""
    if name in list(STAGES)[: list(STAGES).index("release") + 1]:
        check_deadline(run, f"{name} has not run yet")


def _work(name: str) -> Stage:
    if name == "train":
        from uninote.pipelines.training.train import train_model

        return train_model
    if name == "evaluate":
        from uninote.pipelines.training.evaluate import evaluate_model

        return evaluate_model
    return STAGES[name]


def refresh(run: Run) -> Summary:
    """Run every stage; each skips what did not change since it last ran."""
    started = time.time()
    if run.config.refresh.max_hours is not None:
        run = replace(run, deadline=started + 3600 * run.config.refresh.max_hours)
    check_upkeep(run)
    # Before the encoder is asked for: after a rollback over an upgrade it is that of the release rolled back to.
    resume(run)
    # Asked for here, so that an encoder which is missing stops the run before it writes.
    say(f"refresh: the encoder is {run.model.checkpoint}")
    stages = {}
    unpublished = None
    for name in STAGES:
        if name in WANTED and not WANTED[name](run):
            continue
        _check_time(run, name)
        try:
            stages[name] = run_stage(run, name)
        except PublishError as error:
            # The lake has the release: what comes after it is done, and the failure is told at the end.
            unpublished = error
        except GateError:
            # Said in the report too, for whoever finds it in the morning; readers keep what they have.
            run_stage(run, "report")
            raise
    if unpublished is not None:
        raise unpublished
    if stages["erasure"]["state"] == "done":
        # What the erasure ended goes from the store as well.
        stages["publish"] = run_stage(run, "publish")
    made = {name: uri for summary in stages.values() for name, uri in summary["tables"].items()}
    write(
        sys.stdout,
        f"\n{worked_example(run)}\n\nneighbours: {made['neighbours']}\nreport:     {stages['report']['report']}\n\n",
    )
    return {
        "tables": made,
        "stages": stages,
        "lake": run.lake.root,
        "report": stages["report"]["report"],
        "seconds": round(time.time() - started, 1),
    }
