"""What the configuration names no more stays where it is, marked, and readers refuse it: it may name deleted notes."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

from uninote.lake.delta_files import property_of, set_property
from uninote.neighbours.lookup import STALE
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.run import Outcome, Run, record
from uninote.pipelines.runtime.progress import say
from uninote.storage import lake_files


def mark_stale(run: Run, stage: str, found: Mapping[str, str], setting: str) -> None:
    """Mark tables, unit in the ledger -> name in the generation, that `setting` names no more. Nothing is deleted."""
    for unit, name in found.items():
        uri = run.generation.uri(name)
        if tables.has_table(uri) and not property_of(uri, STALE):
            why = f"since run {run.run_id} {setting} does not name it"
            set_property(uri, STALE, why)
            say_stale(run, stage, unit, f"{name} is kept as it is and marked stale: {why}")


def say_stale(run: Run, stage: str, unit: str, message: str) -> None:
    """Say, and write into the ledger, that nobody keeps something fresh any more."""
    say(f"{stage}: {message}")
    record(run, stage, unit, Outcome("stale", {}), time.time())


def unmark(run: Run, names: Iterable[str]) -> None:
    """Take the mark from tables that were made anew."""
    for uri in map(run.generation.uri, names):
        if tables.has_table(uri):
            set_property(uri, STALE, "")


def tables_below(run: Run, folder: str) -> list[str]:
    """Return the names of the tables in a folder of the generation, in order."""
    place = run.generation.uri(folder)
    return [name for name in lake_files.folders_in(place) if tables.has_table(lake_files.join(place, name))]
