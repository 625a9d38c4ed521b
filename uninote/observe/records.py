"""What observers are told: of a run, of its stages, and of the tables that these read and left."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime


@dataclass(frozen=True)
class RunStart:
    """A job that began, and the lake that it works on."""

    run_id: str
    job: str
    lake: str
    started_at: datetime


@dataclass(frozen=True)
class Table:
    """A table or file by its URI; `version` is Delta's, null where it has none or nobody knows it."""

    uri: str
    version: int | None = None


@dataclass(frozen=True)
class StageEnd:
    """How a stage ended: `state` is done, unchanged or failed; `error` says in a sentence why, null where it did not fail.

    `counts` and `metrics` are the ledger's, by unit: "all", or a width; both are empty where a stage wrote no entry.
    """

    stage: str
    state: str
    started_at: datetime
    seconds: float
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    metrics: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    inputs: tuple[Table, ...] = ()
    outputs: tuple[Table, ...] = ()
    error: str | None = None


@dataclass(frozen=True)
class RunEnd:
    """How a run ended: the exit code of its job, and the sentence that it ended with, null where it is 0."""

    exit_code: int
    seconds: float
    error: str | None
    stages: tuple[StageEnd, ...]


def now() -> datetime:
    """Return the time in UTC."""
    return datetime.now(UTC)


def iso(when: datetime) -> str:
    """Return a time as RFC 3339 has it, in UTC, to the millisecond."""
    return when.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
