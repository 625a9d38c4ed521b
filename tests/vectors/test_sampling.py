"""One order of keys for every sample of vectors: it hangs on key and seed alone."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from udfs.samples import make_sample, make_share
from udfs.table_files import as_read
from uninote.vectors.sampling import are_in_share, first_in_order, place_in_order, share_of, training_seed

KEYS = np.arange(-50_000, 50_000, dtype=np.int64)


def batches_of(keys, size):
    for start in range(0, len(keys), size):
        yield pa.RecordBatch.from_arrays([pa.array(keys[start : start + size])], ["item_key"])


def test_places_are_those_of_splitmix64():
    # The first numbers that the published generator draws with seed 0: its state is the increment, once and twice.
    assert place_in_order(np.array([0]), 0).tolist() == [0xE220A8397B1DCDAF]
    assert place_in_order(np.array([0]), 1).tolist() == [0x6E789E6AA1B965F4]


def test_no_two_keys_share_a_place_and_seeds_differ():
    places = place_in_order(KEYS, 7)
    assert len(np.unique(places)) == len(KEYS)
    assert not np.array_equal(np.argsort(places), np.argsort(place_in_order(KEYS, 8)))


@pytest.mark.parametrize("seed", [0, 7])
def test_a_training_sample_has_no_more_of_the_measuring_one_than_chance_gives(seed):
    measured = first_in_order(KEYS, 1000, seed)
    trained = first_in_order(KEYS, len(KEYS) // 5, training_seed(seed))
    # 200 are expected, with a standard deviation of 13.
    assert 140 < np.isin(measured, trained).sum() < 260


@pytest.mark.parametrize("count", [0, 1, 100, 9_999, 50_000])
def test_a_share_holds_the_sample_and_hardly_more(count):
    share = share_of(count, len(KEYS))
    for seed in range(5):
        inside = are_in_share(KEYS, share, seed)
        assert inside[first_in_order(KEYS, count, seed)].all()
        assert inside.sum() <= count + 20 * count**0.5 + 300


def test_all_keys_are_in_a_share_that_has_to_hold_them():
    assert share_of(10, 11) == 1
    assert are_in_share(KEYS, 1, 3).all()


@pytest.mark.parametrize(("size", "seed"), [(1_000, 1), (37_111, 1), (100_000, 2)])
def test_tasks_of_any_size_and_order_draw_the_same_sample(size, seed):
    expected = KEYS[first_in_order(KEYS, 500, seed)]
    shuffled = np.random.default_rng(size).permutation(KEYS)
    (drawn,) = make_sample(500, seed)(batches_of(shuffled, size))
    assert sorted(drawn.column("item_key")[0].as_py()) == expected.tolist()
    shared = make_share(share_of(500, len(KEYS)), seed, as_read)(batches_of(shuffled, size))
    keys = np.concatenate([batch.column("item_key").to_numpy() for batch in shared])
    assert sorted(keys[first_in_order(keys, 500, seed)].tolist()) == expected.tolist()
