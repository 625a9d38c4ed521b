import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from sample_report import make_histogram

from uninote.report import charts
from uninote.report.figures import Histogram, WidthRecall


def texts(svg, kind):
    return [node.text for node in ElementTree.fromstring(str(svg)).iter("text") if node.get("class") == kind]


def bars(svg):
    return [node for node in ElementTree.fromstring(str(svg)).iter("rect") if node.get("class") == "bar"]


def axis_labels(svg):
    return [text for text in texts(svg, "tick") if "." in text]


def test_bars_are_as_high_as_their_counts():
    drawn = bars(charts.histogram(Histogram((0.0, 1.0, 2.0, 3.0), (10, 40, 0)), "score"))
    heights = [float(bar.get("height")) for bar in drawn]
    assert heights[0] == pytest.approx(heights[1] / 4, abs=0.02)
    assert heights[2] == 0


def test_bars_say_their_range_and_count():
    drawn = bars(charts.histogram(Histogram((0.0, 0.1, 0.2), (1200, 1)), "score"))
    assert [bar.find("title").text for bar in drawn] == ["0.00 to 0.10: 1,200 notes", "0.10 to 0.20: 1 note"]


@pytest.mark.parametrize("span", [1.9, 0.3, 1e-3, 3e-5, 1e-6])
def test_axis_labels_differ_however_close_the_scores_are(span):
    labels = axis_labels(charts.histogram(make_histogram(0.9985 - span, 0.9985), "score"))
    assert len(labels) >= 3
    assert len(set(labels)) == len(labels)


def test_a_histogram_without_values_is_drawn_flat():
    drawn = bars(charts.histogram(Histogram((0.0, 1.0, 2.0), (0, 0)), "score"))
    assert [float(bar.get("height")) for bar in drawn] == [0, 0]


@pytest.mark.parametrize(("low", "high"), [(0.41, 0.99), (-1.0, 1.0), (0.99912, 0.99998), (0.0, 7.0), (3e5, 4e8)])
def test_ticks_are_round_and_within_bounds(low, high):
    values = charts.ticks(low, high)
    steps = {f"{b - a:.2e}" for a, b in pairwise(values)}
    assert 3 <= len(values) <= 7
    assert low - 1e-9 * abs(low) <= values[0]
    assert values[-1] <= high * (1 + 1e-9)
    assert len(steps) == 1
    assert steps.pop()[0] in "125"


def test_recall_bars_are_as_long_as_their_recalls():
    drawn = bars(charts.recall_bars((WidthRecall(256, 1.0), WidthRecall(64, 0.25))))
    assert float(drawn[1].get("width")) == pytest.approx(float(drawn[0].get("width")) / 4, abs=0.01)


def test_recall_bars_never_leave_their_track():
    svg = charts.recall_bars((WidthRecall(256, 1.5), WidthRecall(64, -1.0)))
    lengths = [float(bar.get("width")) for bar in bars(svg)]
    assert lengths == [float(re.search(r'class="track"[^>]*width="(\d+)"', svg)[1]), 0]


def test_charts_describe_themselves_to_screen_readers():
    svg = ElementTree.fromstring(str(charts.recall_bars((WidthRecall(64, 0.8127),))))
    assert svg.get("role") == "img"
    assert svg.get("aria-label") == "Recall by width: w64 0.8127"


def test_labels_are_escaped():
    assert "<b>" not in charts.histogram(make_histogram(), 'a "<b>" score')
