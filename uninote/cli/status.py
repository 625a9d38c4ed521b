"""`uninote status`: what ran last in a lake, how old its neighbours are, and which run writes to it now."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from uninote.errors import UninoteError
from uninote.lake.delta_files import has_log
from uninote.lake.lease.chain import Chain
from uninote.lake.lease.lease import FOLDER, HELD, Entry
from uninote.lake.paths import CHUNK, Lake
from uninote.lake.record import read_record
from uninote.lake.releases.pointer import read_pointer
from uninote.lake.releases.record import read_release
from uninote.lake.small_tables import read_batches
from uninote.storage.lake_files import join, read_or_none
from uninote.terminal import write

_STAGES = ("ingest", "embed", "index", "codes", "neighbours", "match")  # in the order in which they run
_ENDED = ("done", "unchanged")
_COLUMNS = ("stage", "unit", "state", "run_id", "generation", "seconds", "counts")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_CHECKING = ("refresh", "neighbours")  # jobs that end with neighbours as new as the notes
_RELEASING = ("refresh", "release")  # jobs that end with a release of them


class TooOldError(UninoteError):
    """The neighbours were brought up to date longer ago than allowed, or never."""


def parse_age(text: str) -> float:
    """Return the seconds of `26h`, `90m`, `2d` or `30s`. Raises ValueError."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", text.strip())
    if found is None:
        raise ValueError(f"{text!r} is no age; write a number and a unit: 26h, 90m, 2d or 30s")
    return float(found[1]) * _UNITS[found[2]]


def status_of(lake: str) -> dict[str, Any]:
    """Return what the lake's record, ledger, lease and progress say; ages in seconds, null where there is nothing yet.

    Raises UninoteError where there is no lake.
    """
    record = read_record(lake)
    if record is None:
        raise UninoteError(f"{lake} is no lake: it has no lake.json; run jobs/refresh.py, or name another place")
    now = datetime.now(UTC)
    progress = _progress(lake)
    stages = _stages(lake)
    release = _live(lake, now)
    checked = _checked_at(stages, progress, release)
    return {
        "lake": lake,
        "format": record.format,
        "release": release,
        "stages": stages,
        "neighbours_checked_at": checked,
        "neighbours_age_s": None if checked is None else round((now - checked).total_seconds(), 1),
        "writing": _writer(lake),
        "last_job": progress,
    }


def _live(lake: str, now: datetime) -> dict[str, Any] | None:
    """Return the release that readers see, and since when; null where there never was one."""
    pointer = read_pointer(lake)
    if pointer.live is None:
        return None
    made = datetime.fromisoformat(read_release(lake, pointer.live).made_at)
    found = {"live": pointer.live, "made_at": made, "age_s": round((now - made).total_seconds(), 1)}
    return found | {"last_change": pointer.change, "rolls_back": pointer.work_from is not None}


def check_age(status: dict[str, Any], most_s: float | None) -> None:
    """Raise TooOldError where neighbours are older than `most_s` seconds; null allows any age."""
    age = status["neighbours_age_s"]
    if most_s is None or (age is not None and age <= most_s):
        return
    what = "have never been made" if age is None else f"were brought up to date {_span(age)} ago"
    job = status["last_job"]
    last = "" if job is None else f"; the last job was {job['job']}, {job['state']}, at {job['updated_at']}"
    raise TooOldError(f"{status['lake']}: neighbours {what}, and {_span(most_s)} are allowed{last}")


def print_status(status: dict[str, Any]) -> None:
    """Print it for people."""
    lines = [f"lake        {status['lake']} (format {status['format']})"]
    for stage in status["stages"]:
        counts = ", ".join(f"{name} {count:,}" for name, count in list(stage["counts"].items())[:4])
        name = stage["stage"] if stage["unit"] == "all" else f"{stage['stage']} {stage['unit']}"
        lines.append(f"{name:<11} {stage['ended_at']:%Y-%m-%d %H:%M} UTC, {stage['seconds']:.1f} s: {counts}")
    age = status["neighbours_age_s"]
    lines.append(f"neighbours  {'never made' if age is None else f'up to date {_span(age)} ago'}")
    release = status["release"]
    if release is not None:
        again = "; the next refresh brings the tables back to it" if release["rolls_back"] else ""
        lines.append(
            f"release     {release['live']}, made {_span(release['age_s'])} ago; {release['last_change']}{again}"
        )
    lines.append(f"writing     {status['writing'] or 'nobody'}")
    if status["last_job"] is not None:
        job = status["last_job"]
        lines.append(f"last job    {job['job']}: {job['state']}, {job['updated_at']}")
    write(sys.stdout, "\n".join(lines) + "\n")


def _stages(lake: str) -> list[dict[str, Any]]:
    """Return the newest finished entry of each unit of each stage, in the order in which stages run."""
    newest: dict[tuple[int, str], dict[str, Any]] = {}
    for entry in sorted(_entries(Lake(lake).uri("runs")), key=lambda entry: entry["sequence"]):
        # Of chunks the entry of their run has the sum.
        if entry["state"] in _ENDED and entry["stage"] in _STAGES and not entry["unit"].startswith(CHUNK):
            newest[_STAGES.index(entry["stage"]), entry["unit"]] = entry
    found = []
    for _, entry in sorted(newest.items()):
        ended = entry["started_at"] + timedelta(seconds=entry["seconds"])
        found.append({**{name: entry[name] for name in _COLUMNS}, "ended_at": ended})
    return found


def _entries(ledger: str) -> Iterator[dict[str, Any]]:
    """Yield the entries of a ledger, in no order; none where there is no ledger yet."""
    if not has_log(ledger):
        return
    for batch in read_batches(ledger, (*_COLUMNS, "sequence", "started_at")):
        # With their zone Arrow would import pandas for them, a third of what the command takes.
        times = batch["started_at"].cast(pa.timestamp("us")).to_pylist()
        rows = batch.drop_columns(["started_at"]).to_pylist(maps_as_pydicts="strict")
        for row, time in zip(rows, times, strict=True):
            yield {**row, "started_at": time.replace(tzinfo=UTC)}


def _checked_at(
    stages: list[dict[str, Any]], progress: dict[str, Any] | None, release: dict[str, Any] | None
) -> datetime | None:
    """Return when a run last left what readers see as new as the notes; null where none did.

    A run that finds nothing to do leaves no entry in the ledger, but its progress. Where there are releases, what did not
    become one does not count.
    """
    jobs = _CHECKING if release is None else _RELEASING
    times = [stage["ended_at"] for stage in stages if stage["stage"] == "neighbours"]
    if release is not None:
        times = [release["made_at"]]
    if times and progress is not None and progress["job"] in jobs and progress["state"] == "done":
        times.append(datetime.fromisoformat(progress["updated_at"]))
    return max(times, default=None)


def _progress(lake: str) -> dict[str, Any] | None:
    """Return what the newest job was doing when it last said so; null where no job has."""
    text = read_or_none(join(lake, "progress.json"))
    try:
        return None if text is None else dict(json.loads(text))
    except ValueError:
        return None


def _writer(lake: str) -> str | None:
    """Return which run holds the lease, in words; null where none does, as far as this host knows."""
    last = Chain(join(lake, FOLDER)).last()
    if last is None:
        return None
    holder = Entry.of(last)
    return holder.who() if holder.state == HELD and not holder.process.is_dead() else None


def _span(seconds: float) -> str:
    for unit in ("d", "h", "m"):
        # Two of a unit and more: 90 minutes rather than 1.5 hours.
        if seconds >= 2 * _UNITS[unit]:
            return f"{seconds / _UNITS[unit]:.1f} {unit}"
    return f"{seconds:.0f} s"
