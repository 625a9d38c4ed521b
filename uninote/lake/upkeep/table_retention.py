"""How long Delta itself keeps what a table was: longer than releases do, whatever a VACUUM or a checkpoint would remove.

Delta removes by age and knows of no release: files that a commit took away, after one of its intervals, by a VACUUM; commits
of the log, after the other, at a checkpoint, ours included. A release is kept by its place among others, or as somebody pinned
it, and may be of any age. So the intervals are ten years; whoever sets less is refused once that could reach what is needed.
"""

from __future__ import annotations

import json
import re
import time

from deltalake import DeltaTable

from uninote.lake.delta_files import FILES_KEPT, KEEPING, property_of, set_property
from uninote.lake.upkeep.vacuum import Needed, RetentionError
from uninote.storage import lake_files

_HOURS = {"second": 1 / 3600, "minute": 1 / 60, "hour": 1, "day": 24, "week": 168, "month": 720, "year": 8760}
AHEAD_H = 720.0  # within which somebody looks again: what is needed now may be needed then, and nights may be left out
_LOG = "_delta_log"


def keep_versions(uri: str, needed: Needed, reader_hours: float) -> None:
    """Let Delta forget no version of the table at `uri` by itself, as it does of tables that an earlier release made.

    Without these properties a checkpoint removes versions after 30 days, and a plain VACUUM their files after 7. Raises
    RetentionError where somebody set one of them to less than what is `needed` takes, and readers for `reader_hours`.
    """
    for name, long in KEEPING.items():
        given = property_of(uri, name)
        if not given:
            set_property(uri, name, long)
        elif (kept := hours_of(given)) is not None and kept < (hours_of(long) or 0.0):
            age = max(reader_hours, _age_h(uri, needed, of_files=name == FILES_KEPT))
            if kept < age + AHEAD_H:
                raise RetentionError(
                    f"{uri} has the property {name} = {given!r}, and kept releases, their readers and unread change feeds need "
                    f"what is {age / 24:,.1f} days old, which a month from now they may still do: Delta, which knows of no "
                    f"release, would remove it. Set the property to {long!r}; `uninote vacuum` removes what nothing needs"
                )


def _age_h(uri: str, needed: Needed, *, of_files: bool) -> float:
    """Return the hours since the oldest needed version was replaced, or its part of the log written; 0 for the newest."""
    newest = int(DeltaTable(uri, without_files=True).version())
    versions = {version for version in needed.versions if version < newest}
    if needed.feed_since is not None and needed.feed_since < newest:
        versions.add(needed.feed_since)
    if not versions:
        return 0.0
    since = _replaced_at(uri, min(versions), newest) if of_files else _logged_at(uri, min(versions))
    return max(0.0, (time.time() - since) / 3600)


def _replaced_at(uri: str, version: int, newest: int) -> float:
    """Return when files of a version were first taken away, in seconds since the epoch, as the log says."""
    for later in range(version + 1, newest + 1):
        content = lake_files.read_or_none(lake_files.join(uri, _LOG, f"{later:020d}.json"))
        for line in (content or b"").splitlines():
            when = json.loads(line).get("remove", {}).get("deletionTimestamp")
            if when is not None:
                return float(when) / 1000
    return time.time()


def _logged_at(uri: str, version: int) -> float:
    """Return when the oldest file was written that tells of a version: the last checkpoint up to it, or the first commit."""
    times: dict[tuple[bool, int], float] = {}
    for name, modified, _ in lake_files.files_with_times(lake_files.join(uri, _LOG)):
        number, _, rest = name.partition(".")
        if number.isdecimal() and int(number) <= version:
            times.setdefault((rest != "json" and "checkpoint" in rest, int(number)), modified)
    if not times:
        return time.time()
    is_summed_up = any(is_checkpoint for is_checkpoint, _ in times)
    numbers = [number for is_checkpoint, number in times if is_checkpoint == is_summed_up]
    return times[is_summed_up, max(numbers) if is_summed_up else min(numbers)]


def hours_of(interval: str) -> float | None:
    """Return the hours of an interval as Delta takes it, of one unit or more; null where it is of another form."""
    text = interval.strip().lower().removeprefix("interval")
    units = "|".join(_HOURS)
    if not re.fullmatch(rf"(\s*\d+\s+({units})s?)+\s*", text):
        return None
    return sum(float(count) * _HOURS[unit] for count, unit in re.findall(rf"(\d+)\s+({units})", text))
