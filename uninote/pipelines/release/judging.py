"""How a gate decides: exact figures against a limit, and shares that were estimated on a sample."""

from __future__ import annotations

from collections.abc import Callable

from uninote.evaluation.estimates import Estimate
from uninote.lake.releases.record import GateResult

PASSED = "passed"
FAILED = "failed"
SKIPPED = "skipped"
LARGER = 4  # how many times as large a sample is drawn where the first one leaves it open


def skipped(name: str, why: str) -> GateResult:
    """Return the result of a gate that has nothing to judge."""
    return GateResult(name, SKIPPED, why)


def checked(name: str, is_right: bool, finding: str, look: str) -> GateResult:
    """Return the result of a gate that compares what must be equal."""
    return GateResult(name, PASSED if is_right else FAILED, finding, look=look)


def at_most(name: str, value: float, limit: float, what: str, look: str) -> GateResult:
    """Return the result of a gate on an exact figure. What is not a number does not pass."""
    state = PASSED if value <= limit else FAILED
    return GateResult(name, state, f"{what} is {value:.4f}, at most {limit:.4f} is allowed", value, limit, look=look)


def at_least(name: str, measure: Callable[[int], Estimate], limit: float, what: str, look: str) -> GateResult:
    """Return the result of a gate on a share that is estimated, which must be at least `limit`.

    `measure` estimates it on a sample so many times as large as the first one. The gate fails where the whole 95 % interval is
    below the limit, and passes where none of it is; in between a sample four times as large is drawn, and where that leaves it
    open too, its estimate decides.
    """
    found = measure(1)
    if _is_open(found, limit):
        found = measure(LARGER)
    low, high = found.interval or (found.recall, found.recall)
    is_passed = found.recall >= limit if _is_open(found, limit) else low >= limit
    finding = f"{what} is {found}, at least {limit:.4f} is asked for"
    return GateResult(name, PASSED if is_passed else FAILED, finding, found.recall, limit, low, high, look)


def _is_open(found: Estimate, limit: float) -> bool:
    low, high = found.interval or (found.recall, found.recall)
    return low < limit <= high
