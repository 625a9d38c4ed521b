"""The page: values into the template, and everything the page needs inside the one file."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from functools import cache

from jinja2 import Environment

from uninote.corpus_map.render import branch_name, times
from uninote.page_text import clean, page_templates
from uninote.report import browse, charts, formats, reliability, small_charts
from uninote.report.data import ExampleNote, ExampleRow, Report
from uninote.report.figures import LEAST_JUDGED
from uninote.report.verdict import judge

TEMPLATE = "report.html"
MAP_ROWS = 20  # branches, and changes of such, that stand in the report itself
ALIKE = 0.01  # scores closer together than this hardly tell notes apart


def render(report: Report) -> str:
    """Return the report as one self-contained HTML page, writable as UTF-8 whatever the notes hold."""
    template = _environment().get_template(TEMPLATE)
    page = template.render(
        report=report,
        verdict=judge(report),
        charts=charts,
        small_charts=small_charts,
        reliability=reliability,
        browse=browse,
        alike=ALIKE,
        judged_least=LEAST_JUDGED,
        map_rows=MAP_ROWS,
        digits=_score_digits(report.examples),
    )
    return clean(page)


@cache
def _environment() -> Environment:
    environment = page_templates("uninote.report")
    names = (
        "count",
        "size",
        "duration",
        "share",
        "recall",
        "interval",
        "words",
        "plural",
        "language",
        "digits_for",
        "figure",
    )
    environment.filters |= {name: getattr(formats, name) for name in names}
    environment.filters |= {"data_uri": _data_uri, "score": _score, "shared_first": _shared_first}
    environment.globals |= {"amount": formats.amount, "branch_name": branch_name, "times": times}
    return environment


def _data_uri(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode('ascii')}"


def _score(value: float, digits: int) -> str:
    return f"{value:.{digits}f}"


def _score_digits(rows: Sequence[ExampleRow]) -> int:
    """Return the decimals at which most neighbours of a note show different scores."""
    spans = []
    for row in rows:
        span = _span(row.neighbours)
        if span > 0:
            spans.append(span)
    # By the median: one list of near-copies would ask for digits that no other list needs.
    return max(4, formats.digits_for(sorted(spans)[len(spans) // 2] / 10)) if spans else 4


def _span(notes: Sequence[ExampleNote]) -> float:
    scores = [note.score for note in notes if note.score is not None]
    return max(scores) - min(scores) if scores else 0.0


def _shared_first(topics: Sequence[str], of_query: Sequence[str]) -> list[tuple[str, bool]]:
    """Return (topic, whether the query has it too), shared ones first."""
    return sorted(((topic, topic in of_query) for topic in topics), key=lambda one: not one[1])
