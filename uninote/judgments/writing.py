"""The right to write judgments and maps: a lake of the present format, and its lease."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from uninote.errors import UninoteError


def check_lake(lake: str) -> None:
    """Raise UninoteError unless there is a lake of the present format."""
    from uninote.lake.record import FORMAT, read_record

    record = read_record(lake)
    if record is None:
        raise UninoteError(f"{lake} is no lake: it has no lake.json; name another place")
    if record.format != FORMAT:
        raise UninoteError(
            f"{lake} is of an earlier release (format {record.format}); run jobs/refresh.py once, which brings it to {FORMAT}"
        )


@contextmanager
def writes(lake: str) -> Iterator[None]:
    """Hold the lake's lease. Raises LakeBusyError where another run writes."""
    from uninote.upkeep.writing import writing

    with writing(lake, "judge", f"judge-{uuid.uuid4().hex[:8]}"):
        yield
