"""What vectors look like together: figures that a straightforward computation gives too."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from udfs.arrow import to_array
from udfs.embed.health import make_health
from uninote.vectors.health import Health, differences, equal_marks
from uninote.vectors.widths import truncate

WIDTHS = (32, 8)


@pytest.fixture
def vectors():
    """Unit vectors with a common direction."""
    drawn = np.random.default_rng(3).normal(0.3, 1, (200, 32)).astype(np.float32)
    return truncate(drawn, 32)


def test_figures_are_those_of_all_vectors_however_they_came(vectors):
    total = Health()
    for part in (vectors[:50], vectors[:0], vectors[50:]):
        total.add(Health.unpack(Health.of(part, WIDTHS).pack(), WIDTHS) if len(part) else Health.of(part, WIDTHS))
    metrics = total.metrics()
    for width in WIDTHS:
        units = truncate(vectors, width)
        mean = units.mean(axis=0, dtype=np.float64)
        cosines = units @ (mean / np.linalg.norm(mean))
        assert total.mean_cosine(width) == pytest.approx(cosines.mean(), abs=1e-6)
        assert metrics[f"health_spread_w{width}"] == pytest.approx(((units - mean) ** 2).sum(axis=1).mean(), abs=1e-6)
    assert metrics["health_mean_cosine"] == total.mean_cosine(32)
    assert metrics["health_norm_min"] <= metrics["health_norm_mean"] <= metrics["health_norm_max"]
    assert Health().metrics() == {}


def test_equal_vectors_have_equal_marks_and_others_have_others(vectors):
    noisy = vectors + np.float32(1e-8)
    assert len(np.unique(equal_marks(vectors))) == 200
    rounded = np.round(vectors, 3)
    np.testing.assert_array_equal(equal_marks(rounded), equal_marks(rounded + np.float32(1e-6)))
    assert (equal_marks(noisy) == equal_marks(vectors)).mean() > 0.9
    swapped = vectors[:, ::-1].copy()
    assert not set(equal_marks(vectors).tolist()) & set(equal_marks(swapped).tolist())
    zero = np.zeros((2, 4), np.float32)
    zero[1] = -1e-9
    assert len(set(equal_marks(zero).tolist())) == 1


def test_a_task_gives_a_row_for_each_whole_item_and_one_of_its_own(vectors):
    names = [str(number) for number in range(200)]
    cut = [number % 2 for number in range(200)]
    batch = pa.RecordBatch.from_pydict(
        {"content_hash": names, "item_id": names, "vector": to_array(vectors), "tokens_cut": pa.array(cut, pa.int32())}
    )
    rows = pa.Table.from_batches(make_health(WIDTHS)(iter([batch.slice(0, 0), batch]))).to_pylist()
    assert [row["item_id"] for row in rows] == [*names[::2], None]
    assert Health.unpack(rows[-1]["health"], WIDTHS).metrics() == pytest.approx(Health.of(vectors, WIDTHS).metrics())
    assert list(make_health(WIDTHS)(iter([]))) == []


def test_differences_are_of_what_both_runs_measured():
    now, before = {"health_mean_cosine": 0.5, "health_spread_w8": 1.0, "model_s": 3.0}, {"health_mean_cosine": 0.25}
    assert differences(now, before | {"model_s": 1.0}) == {"health_mean_cosine": 0.25}
