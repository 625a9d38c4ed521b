"""How long Delta itself keeps what a table was: no shorter than releases do, whatever a VACUUM or a checkpoint would remove."""

from __future__ import annotations

import re

from uninote.lake.delta_files import KEEPING, property_of, set_property
from uninote.lake.upkeep.vacuum import RetentionError

_HOURS = {"second": 1 / 3600, "minute": 1 / 60, "hour": 1, "day": 24, "week": 168, "month": 720, "year": 8760}


def keep_versions(uri: str, hours: float) -> None:
    """Let Delta forget no version of the table at `uri` by itself, as it does of tables that an earlier release made.

    Without these properties a checkpoint removes versions after 30 days, and a plain VACUUM their files after 7. Raises
    RetentionError where somebody set one of them to less than `hours`.
    """
    for name, long in KEEPING.items():
        given = property_of(uri, name)
        if not given:
            set_property(uri, name, long)
        elif (kept := hours_of(given)) is not None and kept < hours:
            raise RetentionError(
                f"{uri} has the property {name} = {given!r}, and releases are kept for {hours:g} hours after they were live "
                f"(retention.reader_hours): Delta would remove what readers of a release need. Set it to {long!r}, or lower "
                "retention.reader_hours"
            )


def hours_of(interval: str) -> float | None:
    """Return the hours of an interval as Delta takes it, of one unit or more; null where it is of another form."""
    text = interval.strip().lower().removeprefix("interval")
    units = "|".join(_HOURS)
    if not re.fullmatch(rf"(\s*\d+\s+({units})s?)+\s*", text):
        return None
    return sum(float(count) * _HOURS[unit] for count, unit in re.findall(rf"(\d+)\s+({units})", text))
