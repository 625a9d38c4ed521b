"""The observers of one run. None of them ever fails it: one that raises is named once, and is not asked again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from uninote.config.sections.observe import ObserveConfig
from uninote.observe.json_log import JsonLog
from uninote.observe.lineage_sinks import sink_of
from uninote.observe.observer import Observer
from uninote.observe.openlineage import OpenLineage
from uninote.observe.prometheus import Prometheus
from uninote.observe.records import RunEnd, RunStart, StageEnd, now


class Observers:
    """Tells all observers of a run what happens in it, in the order in which it does. `warn` gets a sentence for people."""

    def __init__(self, run: RunStart, observers: Sequence[Observer], warn: Callable[[str], None]) -> None:
        self.run = run
        self._observers = list(observers)
        self._warn = warn
        self._stages: dict[str, StageEnd] = {}

    def run_started(self) -> None:
        """The run begins."""
        self._tell(lambda one: one.run_started(self.run))

    def run_was_killed(self, run: RunStart, stage: str) -> None:
        """An earlier run was killed in a stage, or in none."""
        self._tell(lambda one: one.run_was_killed(run, stage))

    def stage_started(self, stage: str) -> None:
        """A stage of it begins."""
        at = now()
        self._tell(lambda one: one.stage_started(self.run, stage, at))

    def stage_ended(self, describe: Callable[[], StageEnd]) -> None:
        """A stage of it has ended. `describe` is called here, where what it raises fails no run; with no observer it is not."""
        if not self._observers:
            return
        try:
            end = describe()
        except Exception as error:
            self._say(f"observe: what a stage did cannot be told: {type(error).__name__}: {error}; the run goes on")
            return
        self._stages[end.stage] = end
        self._tell(lambda one: one.stage_ended(self.run, end))

    def run_ended(self, exit_code: int, error: str | None) -> None:
        """The run has ended."""
        seconds = (now() - self.run.started_at).total_seconds()
        end = RunEnd(exit_code, seconds, error, tuple(self._stages.values()))
        self._tell(lambda one: one.run_ended(self.run, end))

    def _tell(self, call: Callable[[Observer], Any]) -> None:
        for one in list(self._observers):
            try:
                call(one)
            except Exception as error:
                self._observers.remove(one)
                self._say(
                    f"{one.key}: {type(error).__name__}: {error}; the run goes on, and is not told there any more"
                )

    def _say(self, text: str) -> None:
        # stderr itself may be what is gone: then nobody hears it, and the others are told all the same.
        with suppress(OSError):
            self._warn(text)


def observers_of(config: ObserveConfig) -> list[Observer]:
    """Return the observers that are configured; none by default."""
    found: list[Observer] = []
    if config.log == "json":
        found.append(JsonLog())
    if config.prometheus is not None:
        found.append(Prometheus(config.prometheus))
    if config.openlineage is not None:
        found.append(OpenLineage(sink_of(config.openlineage), config.namespace))
    return found
