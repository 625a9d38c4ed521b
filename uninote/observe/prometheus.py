"""A file in Prometheus' text format, version 0.0.4, that node_exporter's textfile collector reads: the last run of each job."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from uninote.errors import UninoteError
from uninote.observe.records import RunEnd, RunStart, StageEnd, now

HELP = {
    "uninote_run_end_timestamp_seconds": "When the last run of a job ended, in seconds since the epoch.",
    "uninote_run_success_timestamp_seconds": "When the last run of a job that exited with 0 ended.",
    "uninote_run_duration_seconds": "How long the last run of a job took.",
    "uninote_run_exit_code": "The exit code of the last run of a job; 0 is done.",
    "uninote_stage_duration_seconds": "How long a stage of the last run took.",
    "uninote_stage_state": "1 for the state that a stage of the last run ended in: done, unchanged or failed.",
    "uninote_stage_value": "What a stage of the last run counted or measured, by the name that the ledger has for it.",
}
_SUCCESS = "uninote_run_success_timestamp_seconds"
_FIRST = "# Written by uninote at the end of each run.\n"
_LINE = re.compile(r'(?P<name>[a-z_]+)\{(?P<labels>(?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)+)\} (?P<value>\S+)')
_LABEL = re.compile(r'([a-z_]+)="((?:[^"\\\n]|\\["\\n])*)"')
_READABLE = 0o644  # node_exporter runs as another user


class NotOursError(UninoteError):
    """The file that observe.prometheus names holds something else."""


@dataclass(frozen=True)
class Sample:
    """One value of a metric; labels in the order in which they are written."""

    name: str
    labels: tuple[tuple[str, str], ...]
    value: float

    def is_of(self, lake: str, job: str) -> bool:
        """Say whether it is about this job on this lake."""
        return {("lake", lake), ("job", job)} <= set(self.labels)


class Prometheus:
    """Replaces the file as a whole after each run; what it says of other jobs and lakes stays."""

    key = "observe.prometheus"

    def __init__(self, path: str) -> None:
        self._path = Path(path)

    def run_started(self, run: RunStart) -> None:
        """Write nothing: a run that was killed leaves the times of the one before, which grow old."""

    def run_was_killed(self, run: RunStart, stage: str) -> None:
        """Write nothing, as the run itself did."""

    def stage_started(self, run: RunStart, stage: str, at: datetime) -> None:
        """Write nothing."""

    def stage_ended(self, run: RunStart, end: StageEnd) -> None:
        """Write nothing."""

    def run_ended(self, run: RunStart, end: RunEnd) -> None:
        """Write the file. Raises OSError, and NotOursError where it holds something else."""
        kept = []
        success: float | None = now().timestamp() if end.exit_code == 0 else None
        for sample in self._read():
            if not sample.is_of(run.lake, run.job):
                kept.append(sample)
            elif sample.name == _SUCCESS and success is None:
                success = sample.value
        _replace(self._path, render([*kept, *_samples(run, end, success)]))

    def _read(self) -> list[Sample]:
        if not self._path.exists():
            return []
        text = self._path.read_text(encoding="utf-8")
        if text and not text.startswith(_FIRST):
            raise NotOursError(
                f"{self._path} was not written by uninote, and is not replaced; name another file in observe.prometheus"
            )
        return list(_parsed(text))


def _samples(run: RunStart, end: RunEnd, success: float | None) -> Iterator[Sample]:
    ours = (("lake", run.lake), ("job", run.job))
    yield Sample("uninote_run_end_timestamp_seconds", ours, now().timestamp())
    if success is not None:
        yield Sample(_SUCCESS, ours, success)
    yield Sample("uninote_run_duration_seconds", ours, end.seconds)
    yield Sample("uninote_run_exit_code", ours, end.exit_code)
    for stage in end.stages:
        of_stage = (*ours, ("stage", stage.stage))
        yield Sample("uninote_stage_duration_seconds", of_stage, stage.seconds)
        yield Sample("uninote_stage_state", (*of_stage, ("state", stage.state)), 1)
        for unit, name, value in _values(stage.counts, stage.metrics):
            yield Sample("uninote_stage_value", (*of_stage, ("unit", unit), ("name", name)), value)


def _values(*kinds: Mapping[str, Mapping[str, float]]) -> Iterator[tuple[str, str, float]]:
    for kind in kinds:
        for unit, named in kind.items():
            for name, value in named.items():
                yield unit, name, value


def render(samples: list[Sample]) -> str:
    """Return samples as text: each metric once, under its HELP and TYPE, as the format demands."""
    lines = [_FIRST.rstrip("\n")]
    for name, text in HELP.items():
        mine = [sample for sample in samples if sample.name == name]
        if mine:
            lines += [f"# HELP {name} {text}", f"# TYPE {name} gauge"]
        for sample in mine:
            labels = ",".join(f'{label}="{_escaped(value)}"' for label, value in sample.labels)
            lines.append(f"{name}{{{labels}}} {float(sample.value)!r}")
    return "\n".join(lines) + "\n"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _parsed(text: str) -> Iterator[Sample]:
    """Yield the samples of a file that `render` wrote."""
    for line in text.splitlines():
        if found := _LINE.fullmatch(line):
            labels = [(label, _unescaped(value)) for label, value in _LABEL.findall(found["labels"])]
            yield Sample(found["name"], tuple(labels), float(found["value"]))


def _unescaped(value: str) -> str:
    return re.sub(r"\\(.)", lambda found: "\n" if found[1] == "n" else found[1], value)


def _replace(path: Path, text: str) -> None:
    """Write a file under another name and rename it: whoever reads it finds the old one or the new one whole."""
    # The collector takes files that end in .prom: this name must not.
    handle, scratch = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(scratch, _READABLE)
        os.replace(scratch, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(scratch)
        raise
