import math

import pytest
from sample_report import make_histogram

from uninote.evaluation.estimates import Estimate
from uninote.report.data import Reconciliation
from uninote.report.figures import Histogram, Recall, ReportDataError


def test_rows_balance_only_when_every_note_has_one_outcome():
    assert Reconciliation(10, 4, 5, 1, 3, 2, 9).balances
    assert not Reconciliation(10, 4, 4, 1, 3, 2, 9).balances
    assert not Reconciliation(10, 4, 6, 1, 3, 2, 9).balances


def test_the_quarantined_share_of_no_notes_is_zero():
    assert Reconciliation(0, 0, 0, 0, 0, 0, 0).quarantined_share == 0
    assert Reconciliation(8, 6, 0, 2, 0, 0, 6).quarantined_share == 0.25


def test_a_recall_that_is_not_a_number_does_not_reach_its_target():
    assert Recall(20, 5, Estimate(0.95), 0.95).reached
    assert not Recall(20, 5, Estimate(math.nan), 0.0).reached


@pytest.mark.parametrize(("edges", "counts"), [((0.0, 1.0), ()), ((0.0, 1.0), (1, 2)), ((0.0,), ())])
def test_a_histogram_refuses_edges_that_do_not_fit_its_counts(edges, counts):
    with pytest.raises(ReportDataError, match=f"got {len(edges)} edges and {len(counts)} counts"):
        Histogram(edges, counts)


@pytest.mark.parametrize("edges", [(0.0, 0.0, 1.0), (1.0, 0.5, 0.2), (0.0, math.nan, 1.0)])
def test_a_histogram_refuses_edges_that_do_not_rise(edges):
    with pytest.raises(ReportDataError, match="must rise"):
        Histogram(edges, (1, 1))


def test_quantiles_skip_empty_bins_and_lie_evenly_in_full_ones():
    data = Histogram((0.0, 1.0, 2.0, 3.0, 4.0), (0, 10, 10, 0))
    assert [data.quantile(share) for share in (0, 0.25, 0.5, 0.75, 1)] == [1.0, 1.5, 2.0, 2.5, 3.0]


def test_quantiles_rise_with_their_share():
    data = make_histogram()
    values = [data.quantile(n / 20) for n in range(21)]
    assert values == sorted(values)
    assert data.edges[0] <= values[0] < values[-1] <= data.edges[-1]
