"""A run and its stages, told to the observers that the configuration names."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from functools import wraps
from typing import Any

from uninote.config.sections.base import DEMO
from uninote.config.sections.observe import ObserveConfig
from uninote.errors import UninoteError
from uninote.failures.explaining import explained
from uninote.lake.paths import CHUNK
from uninote.lake.reserved import is_of_lake
from uninote.observe.observers import Observers, observers_of
from uninote.observe.records import RunStart, StageEnd, Table, now
from uninote.pipelines.lake.run import Outcome, Run
from uninote.pipelines.runtime.progress import say
from uninote.pipelines.runtime.progress_file import unended
from uninote.pipelines.runtime.signals import Stopped

Summary = dict[str, Any]
_INTERRUPTED = 130
_SIGNALLED = 128
_FAILED = 1


@contextmanager
def observed_run(config: ObserveConfig, start: RunStart) -> Iterator[Observers]:
    """Tell the configured observers that a job begins, and how it ends: by which exit code, with which sentence."""
    observers = Observers(start, observers_of(config), say)
    observers.run_started()
    try:
        yield observers
    except BaseException as error:
        observers.run_ended(exit_code_of(error), sentence_of(error))
        raise
    observers.run_ended(0, None)


def tell_of_killed(observers: Observers, lake: str, jobs: Collection[str]) -> None:
    """Tell observers of the run before this one if it was killed: one of `jobs` that still runs, as the lake's progress says.

    Whoever asks has the lease, and those jobs take it: so none of them is alive.
    """
    found = unended(lake)
    if found is not None and found["job"] in jobs and found["run_id"] != observers.run.run_id:
        killed = RunStart(found["run_id"], found["job"], lake, datetime.fromisoformat(found["started_at"]))
        observers.run_was_killed(killed, found["stage"])


def exit_code_of(error: BaseException) -> int:
    """Return the code that a job exits with which ends by this error."""
    if isinstance(error, Stopped):
        return _SIGNALLED + error.number
    if isinstance(error, KeyboardInterrupt):
        return _INTERRUPTED
    return error.exit_code if isinstance(error, UninoteError) else _FAILED


def sentence_of(error: BaseException) -> str:
    """Return what a person is told of an error."""
    if isinstance(error, Stopped | KeyboardInterrupt):
        return f"stopped by a signal ({exit_code_of(error) - _SIGNALLED})"
    return str(error) if isinstance(error, UninoteError) else explained(error)


def observed_stage(work: Callable[[Run, str], Summary]) -> Callable[[Run, str], Summary]:
    """Wrap what runs a stage by its name: observers are told when it begins and how it ends."""

    @wraps(work)
    def observed(run: Run, name: str) -> Summary:
        if run.observers is None:
            return work(run, name)
        at, started = now(), time.monotonic()
        run.observers.stage_started(name)
        try:
            summary = work(run, name)
        except BaseException as error:
            # Without tables: what the model is, and so where they lie, may be what could not be found.
            failed = StageEnd(name, "failed", at, time.monotonic() - started, error=sentence_of(error))
            run.observers.stage_ended(lambda: _with_counts(failed, _outcomes(run, name)))
            raise
        done = StageEnd(name, "done", at, time.monotonic() - started)
        run.observers.stage_ended(lambda: _with_results(run, summary, done))
        return summary

    return observed


def _with_results(run: Run, summary: Summary, end: StageEnd) -> StageEnd:
    """Return the end of a stage with what its summary and its entries in the ledger say: tables, versions, counts."""
    outcomes = _outcomes(run, end.stage)
    inputs: dict[str, Table] = {}
    outputs: dict[str, Table] = {}
    made = summary.get("tables")
    for name, uri in made.items() if isinstance(made, Mapping) else ():
        outputs[name] = Table(uri)
    for outcome in outcomes.values():
        inputs |= _tables(run, outcome.inputs)
        outputs |= _tables(run, outcome.outputs)
    if end.stage == "ingest" and run.ingest.source != DEMO:
        inputs["source"] = Table(run.ingest.source)
    state = summary.get("state", end.state)
    read, left = tuple(inputs.values()), tuple(outputs.values())
    return _with_counts(replace(end, state=state, inputs=read, outputs=left), outcomes)


def _outcomes(run: Run, stage: str) -> dict[str, Outcome]:
    """Return what a stage wrote into the ledger, by unit, without single chunks."""
    return {unit: outcome for unit, outcome in run.outcomes.get(stage, {}).items() if not unit.startswith(CHUNK)}


def _with_counts(end: StageEnd, outcomes: Mapping[str, Outcome]) -> StageEnd:
    return replace(
        end,
        counts={unit: dict(outcome.counts) for unit, outcome in outcomes.items()},
        metrics={unit: dict(outcome.metrics) for unit, outcome in outcomes.items()},
    )


def _tables(run: Run, versions: Mapping[str, int]) -> dict[str, Table]:
    """Return tables by name; a version below 0 stands for a table that is not there."""
    found = {}
    for name, version in versions.items():
        if version >= 0:
            found[name] = Table(run.lake.uri(name) if is_of_lake(name) else run.generation.uri(name), version)
    return found
