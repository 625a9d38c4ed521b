"""Is the run sound? A few checks, each with what was found, and the worst of them as the verdict."""

from __future__ import annotations

from dataclasses import dataclass

from uninote.report.data import Report
from uninote.report.formats import count, plural, recall, share

# From harmless to severe.
STATES = ("ok", "unknown", "attention", "failed")
HEADLINES = {
    "ok": "Sound",
    "unknown": "Not fully checked",
    "attention": "Needs attention",
    "failed": "Not sound",
}


@dataclass(frozen=True)
class Check:
    """One thing looked at. `section` is the anchor of the part of the page with the details."""

    name: str
    state: str
    finding: str
    section: str


@dataclass(frozen=True)
class Verdict:
    """The worst state of all checks, in words too."""

    state: str
    headline: str
    summary: str
    checks: tuple[Check, ...]


def judge(report: Report) -> Verdict:
    """Check all that was asked for: stages, what they started from, rows, recall of lists and indexes, and quarantine."""
    found = (_stages(report), _freshness(report), _rows(report), _recall(report), _indexes(report), _quarantine(report))
    checks = tuple(filter(None, found))
    # The worst check decides.
    state = max((check.state for check in checks), key=STATES.index)
    return Verdict(state, HEADLINES[state], _summary(checks, state), checks)


def _summary(checks: tuple[Check, ...], state: str) -> str:
    if state == "ok":
        return f"All {len(checks)} checks passed."
    parts = []
    for one, word in (("failed", "failed"), ("attention", "needs a look"), ("unknown", "not measured")):
        names = [check.name for check in checks if check.state == one]
        if names:
            parts.append(f"{word}: {', '.join(names)}")
    return "; ".join(parts).capitalize() + "."


def _stages(report: Report) -> Check:
    failed = _stages_in(report, "failed")
    if failed:
        return Check("stages", "failed", f"failed: {', '.join(failed)}", "stages")
    if not report.stages:
        return Check("stages", "unknown", "none recorded", "stages")
    unfinished = _stages_in(report, "unfinished")
    if unfinished:
        return Check("stages", "attention", f"began and did not end: {', '.join(unfinished)}", "stages")
    return Check("stages", "ok", f"{plural(len(report.stages), 'stage')}, none failed", "stages")


def _stages_in(report: Report, state: str) -> list[str]:
    return [row.stage for row in report.stages if row.state == state]


def _freshness(report: Report) -> Check | None:
    if not report.behind:
        return None
    return Check("freshness", "attention", f"older than what they are made of: {', '.join(report.behind)}", "stages")


def _rows(report: Report) -> Check:
    rows = report.reconciliation
    if rows is None:
        return Check("rows", "unknown", "not counted", "rows")
    if not rows.balances:
        return Check("rows", "failed", f"{count(rows.notes_in)} in, {count(rows.accounted)} accounted for", "rows")
    return Check("rows", "ok", f"all {count(rows.notes_in)} notes accounted for", "rows")


def _recall(report: Report) -> Check:
    measured = report.recall
    if measured is None:
        return Check("recall", "unknown", "not measured", "recall")
    least = min([measured.recall, *measured.by_rule.values()], key=lambda estimate: estimate.recall)
    sides = f"{recall(least.recall)}, target {recall(measured.target)}"
    return Check(f"recall@{measured.k}", "ok" if measured.reached else "attention", sides, "recall")


def _indexes(report: Report) -> Check | None:
    """Check the recall of each width's index against what was asked, the worst of them first."""
    if not report.indexes:
        return None
    name = f"index recall@{report.indexes[0].k}"
    low = []
    unmeasured = []
    measured = []
    for row in report.indexes:
        if row.recall is None:
            unmeasured.append(f"w{row.width}")
            continue
        measured.append(row.recall.recall)
        # "not at least", rather than "less": a recall that is not a number must not pass
        if not row.recall.recall >= row.target:
            low.append(f"w{row.width} {recall(row.recall.recall)}, target {recall(row.target)}")
    if low:
        return Check(name, "attention", "; ".join(low), "indexes")
    if unmeasured:
        return Check(name, "unknown", f"not measured: {', '.join(unmeasured)}", "indexes")
    return Check(name, "ok", f"{recall(min(measured))} at least, target {recall(report.indexes[0].target)}", "indexes")


def _quarantine(report: Report) -> Check | None:
    rows = report.reconciliation
    if rows is None:
        return None
    state = "attention" if rows.quarantined_share > report.quarantine_limit else "ok"
    finding = f"{share(rows.quarantined_share)} of notes, limit {share(report.quarantine_limit)}"
    return Check("quarantine", state, finding, "quarantine")
